"""The settings of a recipe that belong to no component."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Literal

from adcore.errors import UserError

if TYPE_CHECKING:
    from adcore.interfaces import Head


@dataclass
class ContextSettings:
    """How a category's normal training images are shared out, and what its decisions promise.

    The shares are disjoint and drawn at random from a seed; the files are listed in the run folder.

    Args:
        shots: number of reference images of each context.
        validation: normals held out to validate training and to put the branches' maps on one scale; used only where a
            head is trained. A share of the normals (below 1) or a number of images.
        calibration: normals held out to calibrate scores; a share of the normals (below 1) or a number of images. 0
            calibrates by leaving out one reference at a time, which is weaker.
        false_alarm_rate: share of normal images that may be called anomalous.
        gate: share of normal images that are clustered: those whose score before clustering is unusual among normals.
            Any other image counts as one cluster, whatever the clusterer would find in it. null takes
            `false_alarm_rate`; 1 clusters every image.
        seed: which images are drawn; null takes the recipe's seed.
    """

    shots: int = 4
    validation: float = 0.15
    calibration: float = 0.5
    false_alarm_rate: float = 0.05
    gate: float | None = None
    seed: int | None = None


@dataclass
class TrainingSettings:
    """How the head (and the backbone) are trained.

    Args:
        epochs: passes of `steps` batches, each followed by validation.
        steps: batches of an epoch.
        batch_size: images of a batch.
        learning_rate: of the head, for Adam with a cosine schedule.
        head: what happens to the head. ``trained``: trained. ``frozen``: nothing. ``auto``: weights that it brings stay
            as they are, random ones are trained.
        backbone: what happens to the backbone. ``frozen``: nothing. ``statistics``: its normalisation statistics are
            taken from normal images, weights stay. ``trained``: trained with the head. ``auto``: pretrained weights
            stay frozen; random ones are trained under a head that reads features, else only their statistics are taken.
        backbone_learning_rate: of the backbone, where it is trained.
        anomalous: share of training images that get a simulated anomaly.
        precision: numerical precision of training, as Lightning Fabric names it.
    """

    epochs: int = 8
    steps: int = 25
    batch_size: int = 16
    learning_rate: float = 1e-3
    head: Literal["auto", "frozen", "trained"] = "auto"
    backbone: Literal["auto", "frozen", "statistics", "trained"] = "auto"
    backbone_learning_rate: float = 1e-3
    anomalous: float = 0.75
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"


def trains_head(head: Head, training: TrainingSettings) -> bool:
    """Whether training is to change a head."""
    return training.head == "trained" or (training.head == "auto" and not head.pretrained)


def check_settings(training: TrainingSettings) -> None:
    """Refuse values that no training can run with.

    Raises:
        UserError: the setting, and what it may be.
    """
    for field in ("epochs", "steps", "batch_size"):
        if getattr(training, field) < 1:
            raise UserError(f"training.{field}: {getattr(training, field)} is too small; write at least 1")
    for field in ("learning_rate", "backbone_learning_rate"):
        if not 0 < getattr(training, field) < inf:  # NaN fails too
            raise UserError(f"training.{field}: {getattr(training, field)} must be above 0, e.g. 0.001")
    if not 0 <= training.anomalous <= 1:
        raise UserError(f"training.anomalous: {training.anomalous} is a share; write a number from 0 to 1")
