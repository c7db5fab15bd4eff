"""Clustering a sample of the points, for methods whose time or memory grows with the square of their number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.metrics import pairwise_distances_argmin


def cluster_sample(
    x: np.ndarray, sample: int, seed: int, fit_predict: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Cluster a random sample; every other point takes the label of the sampled point nearest to it.

    Args:
        x: float [N, D], N >= 1; left untouched.
        sample: most points that are clustered; 0 clusters all.
        seed: of the draw.
        fit_predict: labels, int [n], of float64 points [n, D]; called only where two points differ.

    Returns:
        int [N] labels; all 0 where all points are alike, one point included.
    """
    points = np.array(x, dtype=np.float64)  # a writable copy
    if alike(points):
        return np.zeros(len(points), dtype=np.int64)
    drawn = draw(len(points), sample, seed)
    if drawn is None:
        return fit_predict(points).astype(np.int64)
    chosen = points[drawn]
    labels = np.zeros(len(drawn), dtype=np.int64) if alike(chosen) else fit_predict(chosen).astype(np.int64)
    nearest: np.ndarray = labels[pairwise_distances_argmin(points, chosen)]
    return nearest


def draw(count: int, sample: int, seed: int) -> np.ndarray | None:
    """Places of a random sample of so many points; None where all are taken."""
    return np.random.default_rng(seed).choice(count, sample, replace=False) if 0 < sample < count else None


def alike(points: np.ndarray) -> bool:
    """Whether all points [N, D] are the same."""
    return bool(np.allclose(points, points[0], atol=1e-6))


def distinct(points: np.ndarray) -> int:
    """How many different rows there are: no method can find more clusters."""
    return len(np.unique(points, axis=0))
