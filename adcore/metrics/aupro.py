"""AUPRO: how much of each defect region is found at low pixel false-alarm rates (Bergmann et al., IJCV 2021)."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from adcore.metrics.inputs import as_labels
from adcore.metrics.ranking import Ranking

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def region_weights(mask: np.ndarray) -> np.ndarray:
    """Weight ``1 / size of its region`` of each anomalous pixel, so that every region weighs 1 however large it is.

    Args:
        mask: bool [H, W]; regions are its 8-connected components.

    Returns:
        float64 [P], in the order of ``mask``'s True pixels, row by row; sums up to the number of regions.

    >>> region_weights(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=bool))
    array([0.5, 0.5, 1. ])
    """
    mask = as_labels(mask)
    regions, _ = ndimage.label(mask, structure=_EIGHT_NEIGHBOURS)
    region = regions[mask]  # [P] from 1
    weights: np.ndarray = 1.0 / np.bincount(region)[region]
    return weights


def aupro(ranking: Ranking, weights: np.ndarray, limit: float = 0.3) -> float:
    """Area under the per-region overlap curve up to a false-alarm rate, divided by that rate.

    ``AUPRO = 1/L  integral_0^L PRO(F) dF``, where at threshold t ``PRO`` is the mean over all regions of all images of
    the share of the region with score >= t, and ``F`` the share of all normal pixels with score >= t; the curve is
    linear between neighbouring thresholds and is cut at ``L`` itself.

    Computed without the curve: the pixels of a threshold lift it by their weight, on a ramp from ``F = alarms_above /
    N`` to ``alarms / N`` (a step without ties), and so add their weight times the part of ``[0, L]`` behind it.

    Args:
        ranking: of all pixels.
        weights: float [P], weight of each anomalous pixel (`region_weights`), by descending score.
        limit: ``L`` in (0, 1].

    Returns:
        Value in [0, 1]: 1 for a perfect map, ``L / 2`` for a constant one; nan without regions or normal pixels.

    >>> scores, mask = np.array([[0.9, 0.2, 0.6], [0.1, 0.3, 0.4]]), np.array([[1, 0, 1], [0, 0, 0]], dtype=bool)
    >>> ranking = Ranking.of(np.sort(scores[mask]), np.sort(scores[~mask]))
    >>> aupro(ranking, region_weights(mask))
    1.0
    """
    if not 0 < limit <= 1:
        raise ValueError(f"limit must be a false-alarm rate in (0, 1], not {limit}")
    if ranking.one_class:
        return math.nan
    reached = int(np.searchsorted(ranking.alarms_above, limit * ranking.negatives))  # others lie beyond the limit
    if reached == 0:
        return 0.0
    starts = np.concatenate([[0], ranking.hits[: reached - 1]])
    lift = np.add.reduceat(weights[: ranking.hits[reached - 1]], starts)  # [k] weight of each threshold
    begin = ranking.alarms_above[:reached] / ranking.negatives
    end = ranking.alarms[:reached] / ranking.negatives
    ramp = np.minimum(end, limit) - begin  # the part of the ramp inside the limit; 0 without ties
    height = np.divide(ramp, end - begin, out=np.ones_like(ramp), where=end > begin)
    behind = limit - begin - ramp * (1 - height / 2)
    return min(1.0, float(lift @ behind) / (limit * float(weights.sum())))  # rounding alone can pass 1
