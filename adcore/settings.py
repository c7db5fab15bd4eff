"""The settings of a recipe that belong to no component."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Literal

from adcore.errors import UserError
from adcore.schedule import Schedule

Metric = Literal["val.pixel.ap", "val.pixel.auroc", "val.pixel.f1", "val.pixel.iou", "val.loss"]
"""Figures of validation that training can go by."""

Reference = Literal["drawn", "representative", "paired"]
"""What images are compared with; see `adcore.runner.Runner`."""

if TYPE_CHECKING:
    from adcore.interfaces import Head


@dataclass
class ContextSettings:
    """How a category's normal training images are shared out, and what its decisions promise.

    The shares are disjoint and drawn at random from a seed, but for references that are chosen (`reference:
    representative`); the files are listed in the run folder.

    Args:
        shots: reference images of each context; a number, or a share of the normals (below 1).
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

    shots: float = 4
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
        learning_rate: of the head, for Adam.
        schedule: how learning rates go on after their warm-up. ``cosine`` and ``linear`` fall to 1 %, ``step`` divides
            by ten after 60 % and 85 % of the training, ``constant`` stays.
        warmup: share of the training in which learning rates rise from zero.
        gradient_clip: largest norm of the gradient of all weights together; null clips nothing.
        metric: of validation, by which the best epoch is chosen and training is stopped early; ``val.loss`` is the only
            one where lower is better.
        patience: epochs without a better `metric` after which training stops; null goes on to the end.
        head: what happens to the head. ``trained``: trained. ``frozen``: nothing. ``auto``: weights that it brings stay
            as they are, random ones are trained.
        backbone: what happens to the backbone. ``frozen``: nothing. ``statistics``: its normalisation statistics are
            taken from normal images, weights stay. ``trained``: trained with the head. ``auto``: pretrained weights
            stay frozen; random ones are trained under a head that reads features, else only their statistics are taken.
        backbone_learning_rate: of the backbone, where it is trained.
        anomalous: share of training images that get a simulated anomaly, or are a real one where there are any.
        shots: numbers of references of which one is drawn for each batch of a head that reads a relation, bounded by
            the normals that the category has.
        held_out: categories that are never trained on but validated on: a share of them (below 1) or a number. 0
            validates on normals held out of every category.
        checkpoint_steps: batches after which the training under way is saved; null saves it once an epoch.
        workers: threads that read images and simulate anomalies ahead of the network. More than one only for data sets
            whose images may be read by several threads at once, as those of adcore may.
        precision: numerical precision of training, as Lightning Fabric names it.
        devices: processes that train together, each with batches of `batch_size` of its own: on CUDA each on a device,
            from the recipe's `device` on; on a CPU they share out the threads. A step goes by the mean of their
            gradients.
    """

    epochs: int = 8
    steps: int = 25
    batch_size: int = 16
    learning_rate: float = 1e-3
    schedule: Schedule = "cosine"
    warmup: float = 0.05
    gradient_clip: float | None = None
    metric: Metric = "val.pixel.ap"
    patience: int | None = None
    head: Literal["auto", "frozen", "trained"] = "auto"
    backbone: Literal["auto", "frozen", "statistics", "trained"] = "auto"
    backbone_learning_rate: float = 1e-3
    anomalous: float = 0.75
    shots: tuple[int, ...] = (1, 2, 4, 8)
    held_out: float = 0.0
    checkpoint_steps: int | None = None
    workers: int = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    devices: int = 1


def trains_head(head: Head | None, training: TrainingSettings) -> bool:
    """Whether there is a head that training is to change."""
    return head is not None and (training.head == "trained" or (training.head == "auto" and not head.pretrained))


def check_settings(training: TrainingSettings) -> None:
    """Refuse values that no training can run with.

    Raises:
        UserError: the setting, and what it may be.
    """
    for field in ("epochs", "steps", "batch_size", "workers", "patience", "checkpoint_steps", "devices"):
        value = getattr(training, field)
        if value is not None and value < 1:
            raise UserError(f"training.{field}: {value} is too small; write at least 1")
    for field in ("learning_rate", "backbone_learning_rate", "gradient_clip"):
        value = getattr(training, field)
        if value is not None and not 0 < value < inf:  # NaN fails too
            raise UserError(f"training.{field}: {value} must be above 0, e.g. 0.001")
    for field in ("anomalous", "warmup"):
        if not 0 <= getattr(training, field) <= 1:
            raise UserError(f"training.{field}: {getattr(training, field)} is a share; write a number from 0 to 1")
    if not training.shots or min(training.shots) < 1:
        raise UserError(f"training.shots: {[*training.shots]}; write numbers of references, e.g. [1, 2, 4, 8]")
    held_out = training.held_out
    if not 0 <= held_out < inf or (held_out >= 1 and held_out != int(held_out)):
        raise UserError(f"training.held_out: {held_out} is neither a share below 1 nor a whole number of categories")
