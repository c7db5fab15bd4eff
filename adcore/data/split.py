"""Sharing out a category's normal training images."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from adcore.data.samples import Sample
from adcore.errors import AdcoreWarning, UserError
from adcore.settings import ContextSettings


@dataclass(frozen=True)
class Split:
    """Normal training images of one category by what they are used for; no image is in two lists.

    Attributes:
        references: what the matcher compares with.
        training: what the head is trained on; empty where none is trained, or no image is left.
        validation: what training is validated on; empty where no head is trained.
        calibration: what scores are calibrated on.
        spare: left over; empty where a head is trained.
    """

    references: list[Sample]
    training: list[Sample]
    validation: list[Sample]
    calibration: list[Sample]
    spare: list[Sample] = field(default_factory=list)

    @property
    def candidates(self) -> list[Sample]:
        """What references can be chosen from: all that nothing is held out for, in the order of their paths."""
        return sorted([*self.references, *self.training, *self.spare], key=lambda sample: sample.path)

    def with_references(self, chosen: Sequence[Sample]) -> Split:
        """The same with these of the `candidates` as references, and the others in their stead."""
        taken = {sample.path for sample in chosen}
        rest = [sample for sample in self.candidates if sample.path not in taken]
        left = {"training": rest} if self.training else {"spare": rest}
        return replace(self, references=[*chosen], **left)


def split_normals(samples: Sequence[Sample], settings: ContextSettings, trained: bool) -> Split:
    """Share out the normals of one category at random.

    Which images are drawn depends on their paths and the seed alone: the references of ``shots: 4`` are the first of
    those of ``shots: 8``, whatever the other shares are. Below 1, ``shots`` is a share of all normals, the share of
    another use one of those left after the references. Where they are few, each use gets one image before any gets
    two, in this order: references (all of them), training, calibration, validation. Then calibration gets its share,
    then validation; training gets what is left.

    Args:
        samples: the category's normal training images, in any order.
        settings: shots, shares and seed.
        trained: whether a head is trained.

    Raises:
        UserError: more shots than normals, or a setting out of range.
    """
    if not samples:
        raise UserError("context: there is no normal training image to draw references from")
    category = samples[0].category
    if settings.shots == 0:
        raise UserError("context.shots: 0, at least 1 reference is needed")
    shots = _count(settings.shots, len(samples), "shots")
    if shots > len(samples):
        raise UserError(f"context.shots: {shots} is more than the {len(samples)} normals of category {category!r}")
    in_order = sorted(samples, key=lambda sample: sample.path)
    drawn = [in_order[i] for i in np.random.default_rng(settings.seed or 0).permutation(len(samples))]

    left = len(samples) - shots
    wanted = {
        "calibration": _count(settings.calibration, left, "calibration"),
        "validation": _count(settings.validation, left, "validation") if trained else 0,
    }
    given = _give(wanted, left - 1 if trained else left)
    for use, share in (("calibration", settings.calibration), ("validation", settings.validation)):
        if share >= 1 and given[use] < wanted[use]:
            warnings.warn(
                AdcoreWarning(
                    f"category {category!r}: {given[use]} normals for {use}, not the {wanted[use]} asked for"
                ),
                stacklevel=2,
            )
    first, second = shots + given["calibration"], shots + given["calibration"] + given["validation"]
    return Split(
        references=drawn[:shots],
        calibration=drawn[shots:first],
        validation=drawn[first:second],
        training=drawn[second:] if trained else [],
        spare=[] if trained else drawn[second:],
    )


def _count(share: float, of: int, use: str) -> int:
    """A share below 1 of `of` images, at least one unless it is 0; or a number of images."""
    if not 0 <= share < math.inf or (share >= 1 and share != int(share)):
        raise UserError(f"context.{use}: {share} is neither a share below 1 nor a whole number of images")
    return int(share) if share >= 1 or share == 0 else max(1, math.floor(share * of + 0.5))


def _give(wanted: dict[str, int], left: int) -> dict[str, int]:
    """First one image to each use in order, then to each what it wants, as far as they reach."""
    left = max(0, left)
    given = {}
    for use, number in wanted.items():
        given[use] = min(number, 1, left)
        left -= given[use]
    for use, number in wanted.items():
        more = min(number - given[use], left)
        given[use] += more
        left -= more
    return given
