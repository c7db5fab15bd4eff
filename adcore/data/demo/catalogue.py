"""What the demo set holds: its categories, and which images each of them lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product as pairs

from adcore.data.categories import choose as choose_among
from adcore.data.demo.defects import KINDS
from adcore.data.samples import Sample
from adcore.errors import UserError

LINES = ("plate_line_a", "plate_line_b")
"""Two categories that make one part: brushed is normal on the first, a defect on the second."""
CATEGORIES = ("fabric", "board", "gear", *LINES)
CLEAN, BRUSHED, DEFECTS = 20, 20, 5
"""Test images: clean, brushed (plates only), and of each kind of defect."""


@dataclass(frozen=True)
class Item:
    """One image of the demo set, before it is made.

    Attributes:
        path: its virtual path, which also seeds it.
        product: what it shows: ``fabric``, ``board``, ``gear`` or ``plate``.
        kind: the kind of defect on it, one of `KINDS`, or None.
        severity: of the defect, in [0, 1].
        brushing: range that the amount of brushing is drawn from, in [0, 1], or None where it is polished.
        part: path whose seed shapes the part itself, where another image shows the same one.
    """

    path: str
    product: str
    kind: str | None = None
    severity: float = 0.0
    brushing: tuple[float, float] | None = None
    part: str | None = None

    @property
    def golden(self) -> Item:
        """The same part without a defect, in another light and with other noise."""
        path = re.sub(r"/(train|test)/", r"/reference/\1/", self.path)
        return replace(self, path=path, kind=None, severity=0.0, part=self.path)


def choose(categories: Sequence[str] | None, normals: int, size: int, seed: int) -> list[str]:
    """The categories asked for, in their order, after a check of what is asked of them.

    Raises:
        UserError: an unknown category, no normals, images too small to show a defect, or a negative seed.
    """
    for what, value, least in (("normals", normals, 1), ("size", size, 32), ("seed", seed, 0)):
        if value < least:
            raise UserError(f"demo: {what} is {value}, it has to be at least {least}")
    return choose_among(categories, CATEGORIES, "the demo set")


def listing(category: str, normals: int) -> Iterator[tuple[Sample, Item]]:
    """The samples of a category, each with what its image shows; its reference is the item's `Item.golden`.

    Args:
        category: one of `CATEGORIES`.
        normals: number of training images.
    """
    for sample, item in _listing(category, normals):
        yield replace(sample, reference=item.golden.path), item


def _listing(category: str, normals: int) -> Iterator[tuple[Sample, Item]]:
    product = "plate" if category in LINES else category
    for i in range(normals):
        path = f"demo/{category}/train/good/{i:03}.png"
        brushing = (0.0, 1.0) if category == LINES[0] else None
        yield Sample(path, category, "train"), Item(path, product, brushing=brushing)
    for i in range(CLEAN):
        path = f"demo/{product}/test/good/{i:03}.png"
        yield Sample(path, category, "test"), Item(path, product)
    if product == "plate":
        for i in range(BRUSHED):
            path = f"demo/plate/test/brushed/{i:03}.png"
            defect = "good" if category == LINES[0] else "brushed"
            yield Sample(path, category, "test", defect), Item(path, product, brushing=(0.5, 1.0))
    for (k, kind), i in pairs(enumerate(KINDS), range(DEFECTS)):
        path = f"demo/{product}/test/{kind}/{i:03}.png"
        brushing = (0.5, 1.0) if product == "plate" and (k + i) % 2 else None
        yield Sample(path, category, "test", kind), Item(path, product, kind, (i + 0.5) / DEFECTS, brushing)
