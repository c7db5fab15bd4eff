"""Curves for plots, thinned to what a picture can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from adcore.metrics.image import rank


def roc(scores: ArrayLike, labels: ArrayLike, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """ROC curve: share of anomalous images found over share of normal images called anomalous, as thresholds fall.

    Its corners where there are at most `points` of them, so with up to 99 anomalous images; else `points` points of the
    exact curve, evenly spaced along it.

    Args:
        scores: [n], grow with abnormality.
        labels: [n], True or 1 where anomalous.
        points: most points to return, at least 2.

    Returns:
        False-alarm rates and hit rates, float [<= points] each, from (0, 0) to (1, 1), neither ever falling; both empty
        where only one class is present.

    >>> roc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]))
    """
    ranking = rank(scores, labels)
    if ranking.one_class:
        return np.empty(0), np.empty(0)
    found_before = np.concatenate([[0], ranking.hits[:-1]])
    begins = np.stack([ranking.alarms_above, found_before], axis=1)
    ends = np.stack([ranking.alarms, ranking.hits], axis=1)
    path = np.stack([begins, ends], axis=1).reshape(-1, 2)  # each threshold's rise
    path = np.concatenate([[[0, 0]], path, [[ranking.negatives, ranking.positives]]])  # [2K + 2, 2] alarms, hits
    path = path[np.concatenate([[True], np.diff(path, axis=0).any(axis=1)])]  # no point twice
    step = np.diff(path, axis=0)
    turns = step[:-1, 0] * step[1:, 1] != step[:-1, 1] * step[1:, 0]
    path = path[np.concatenate([[True], turns, [True]])]
    fpr, tpr = path[:, 0] / ranking.negatives, path[:, 1] / ranking.positives
    if fpr.size <= points:
        return fpr, tpr
    along = fpr + tpr  # city-block length, strictly growing from 0 to 2
    even = np.linspace(0, 2, points)
    return np.interp(even, along, fpr), np.interp(even, along, tpr)
