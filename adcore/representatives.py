"""Which few of many normal images say best what is normal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from adcore.background import prefetched
from adcore.coreset import k_centre_greedy
from adcore.folds import evenly
from adcore.interfaces import Features
from adcore.unlike_others import in_company

Item = TypeVar("Item")

MOST_CANDIDATES = 1024
"""Images that are looked at, unless more are to be picked: what so many do not show is rare."""

FAINTEST = 1e-4
"""Channels that differ less between images than this share of the most different one are not brought to its scale: dead
ones differ by rounding alone."""


def looked_at(items: Sequence[Item], count: int) -> Sequence[Item]:
    """Of which so many representatives are chosen: all, or an even choice of `MOST_CANDIDATES` or `count`."""
    return evenly(items, max(MOST_CANDIDATES, count))


@torch.inference_mode()
def representatives(
    items: Sequence[Item], count: int, read: Callable[[Item], Tensor], extract: Callable[[Tensor], Features]
) -> tuple[list[Item], list[Item], int]:
    """Pick images that differ most from each other, so that no image is far from all that are picked.

    An image is told by mean and spread of each channel of the backbone's pyramid, both standardised over the images:
    what it shows and not where. The first pick is the image nearest to the mean, each further one the farthest from
    those before (farthest-first traversal, Gonzalez, 1985). As that would pick a defect among the images early, those
    that are like no other are left out.

    Args:
        items: what stands for an image; of more than `looked_at` gives, those alone are looked at.
        count: how many to pick, at most all.
        read: makes the image of an item, float [3, H, W]; called in the background, for one after another.
        extract: makes the pyramid of an image, [1, 3, H, W].

    Returns:
        The items picked, in the order of picking, of equal images the first; those left out, in theirs; and how
        many were looked at.
    """
    seen = looked_at(items, count)
    described = [_described(extract(image[None])) for image in prefetched(read, seen)]
    points = torch.cat(described).double()
    spread = points.std(0, correction=0)
    points = (points - points.mean(0)) / spread.clamp_min(max(FAINTEST * float(spread.max()), 1e-30))
    kept = in_company(points, count)
    points, near = points[kept], [seen[place] for place in kept.tolist()]
    usual = int(points.square().sum(1).argmin())
    picks = k_centre_greedy(points, min(count, len(points)), usual).tolist()
    apart = [seen[place] for place in sorted({*range(len(seen))} - {*kept.tolist()})]
    return [near[pick] for pick in picks], apart, len(seen)


def _described(features: Features) -> Tensor:
    """Mean and spread of each channel of all levels, float [B, 2 * channels]."""
    rows = [level.flatten(2).float() for level in features]
    return torch.cat([part for row in rows for part in (row.mean(2), row.std(2, correction=0))], 1)
