"""What is trained on and what is validated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adcore.data.samples import Sample
from adcore.errors import UserError
from adcore.planning import CategoryPlan

ONE_IN = 4
"""Of so many real anomalies one is validated on; where there are fewer, all are trained on."""


@dataclass(frozen=True)
class TrainingSet:
    """What a category offers for training; samples only, no image is held.

    Attributes:
        normal: normal images to simulate anomalies on.
        anomalous: real anomalies; those without a mask are of no use and left out when they are met.
        validation: normals held out.
        references: the context's references, for heads that read a relation and to find the normal cluster.
        validation_anomalous: real anomalies held out.
    """

    normal: Sequence[Sample]
    anomalous: Sequence[Sample]
    validation: Sequence[Sample]
    references: Sequence[Sample]
    validation_anomalous: Sequence[Sample] = ()


def training_set(part: CategoryPlan, seed: int) -> TrainingSet:
    """Share out the real anomalies of a category at random; its normals are shared out already."""
    drawn = [part.anomalous[i] for i in np.random.default_rng(seed % 2**64).permutation(len(part.anomalous))]
    held = len(drawn) // ONE_IN
    return TrainingSet(part.split.training, drawn[held:], part.split.validation, part.split.references, drawn[:held])


def hold_out(
    sets: Mapping[str, TrainingSet], share: float, seed: int
) -> tuple[dict[str, TrainingSet], dict[str, TrainingSet]]:
    """The categories that are trained on, and those that are validated on: others, or for a share of 0 the same.

    Which are held out depends on the names of all categories and the seed alone.

    Args:
        sets: all categories.
        share: how many are held out: a share of them (below 1, at least one unless it is 0) or a number.
        seed: of the draw.

    Raises:
        UserError: none would be left to train on.
    """
    if not share:
        return dict(sets), dict(sets)
    count = int(share) if share >= 1 else max(1, round(share * len(sets)))
    if count >= len(sets):
        raise UserError(
            f"training.held_out: {share:g} holds out {count} of {len(sets)} categories, which leaves none to train on; "
            "lower it, or write 0 to validate on held-out normals"
        )
    names = sorted(sets)
    held = {names[i] for i in np.random.default_rng([seed % 2**64, 1]).permutation(len(names))[:count]}
    trained = {name: part for name, part in sets.items() if name not in held}
    return trained, {name: part for name, part in sets.items() if name in held}
