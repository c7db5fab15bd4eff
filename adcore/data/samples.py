"""What a data set lists: one record per image and context that judges it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Sample:
    """One image as one context sees it.

    The same image (equal ``path``) may be listed by several categories, with different labels: what is normal on one
    line can be a defect on another.

    Attributes:
        path: the image file, or for generated data a unique virtual path such as ``demo/tile/test/scratch/003.png``.
        category: the category, which is also the name of its context.
        split: ``train`` (normals, and defects with masks where a set has them) or ``test``.
        defect: ``good``, or the kind of defect.
        mask: file of the ground-truth mask, where there is one.
        reference: the image's own golden sample, a path like `path`, where there is one.
    """

    path: str
    category: str
    split: Literal["train", "test"]
    defect: str = "good"
    mask: str | None = None
    reference: str | None = None

    @property
    def golden(self) -> Sample | None:
        """The sample of its own reference, or None; what a data set's ``image`` reads, though it is not listed."""
        return Sample(self.reference, self.category, self.split) if self.reference else None

    @property
    def label(self) -> int:
        """0 normal, 1 anomalous."""
        return int(self.defect != "good")


def by_category(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """The samples of each category, both in the order in which they come."""
    categories: dict[str, list[Sample]] = {}
    for sample in samples:
        categories.setdefault(sample.category, []).append(sample)
    return categories
