"""Normal images that are like no other: a rare look, or a fault among them. They are told, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from adcore.listing import listed

ISOLATED = 2.5
"""Deviations above the median distance to the nearest other at which an image is like none (Leys et al., 2013)."""

LEAST_DEVIATION = 0.1
"""Of logarithms of distances: where all are about as far apart, one that is a little farther is not told from them."""

FAR = 3.5
"""Deviations above the median score from which a score is far above the others (Iglewicz and Hoaglin, 1993)."""

DEVIATION = 1.4826
"""Of a normal distribution, in units of its median absolute deviation."""

JUDGED = 16
"""Images from which on it can be told which is like no other."""

NAMED = 5
"""Images that a note names."""

AT_ONCE = 1024
"""Images compared with all others at once; bounds memory."""


def in_company(points: Tensor, least: int) -> Tensor:
    """Which points are like some other: int, in order.

    Left out is what is farther from the nearest other than `ISOLATED` deviations above the median of all, in
    logarithms; of points that mostly repeat each other, nothing.

    Args:
        points: float64 [N, D]; of fewer than `JUDGED` all are kept.
        least: so many at least are kept, the least isolated.
    """
    rows = torch.split(torch.arange(len(points), device=points.device), AT_ONCE)
    # of each the second nearest: the nearest is itself, or as near
    gaps = torch.cat([torch.cdist(points[some], points).kthvalue(min(2, len(points)), dim=1).values for some in rows])
    apart = gaps.log()
    middle = apart.median()
    limit = middle + ISOLATED * (DEVIATION * (apart - middle).abs().median()).clamp_min(LEAST_DEVIATION)
    kept = apart <= limit if len(points) >= JUDGED and limit.isfinite() else torch.ones_like(apart, dtype=torch.bool)
    if int(kept.sum()) < least:
        kept[apart.argsort(stable=True)[:least]] = True
    return kept.nonzero()[:, 0]


def far_above(scores: Sequence[float]) -> list[int]:
    """Places of scores that are far above all others, the highest first; none of fewer than `JUDGED`.

    >>> far_above([*range(20), 90.0, 70.0])
    [20, 21]
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) < JUDGED:
        return []
    middle = np.median(values)
    deviation = DEVIATION * np.median(np.abs(values - middle))
    if deviation == 0:  # most are the same
        return []
    high = np.flatnonzero(values > middle + FAR * deviation)
    return [int(place) for place in high[np.argsort(-values[high], kind="stable")]]


def notes_on_references(apart: Sequence[str], of: int) -> list[str]:
    """What is said of images that are no references because they are like no other, by their paths, of so many."""
    if not apart:
        return []
    are, they = _verbs(apart)
    return [
        f"{len(apart)} of {of} normal images {are} like no other and no reference; see whether {they} normal: "
        f"{listed(apart, NAMED)}"
    ]


def notes_on_calibration(paths: Sequence[str], scores: Sequence[float]) -> list[str]:
    """What is said of calibration images by their scores: at most one note, of those far above the others."""
    high = far_above(scores)
    if not high:
        return []
    told = [f"{paths[place]} ({scores[place]:.3g})" for place in high]
    verb, (_, they) = "scores" if len(high) == 1 else "score", _verbs(high)
    return [
        f"{len(high)} of {len(scores)} calibration images {verb} far above the others (median "
        f"{float(np.median(scores)):.3g}) and may raise the threshold; see whether {they} normal: {listed(told, NAMED)}"
    ]


def _verbs(images: Sequence[object]) -> tuple[str, str]:
    return ("is", "it is") if len(images) == 1 else ("are", "they are")
