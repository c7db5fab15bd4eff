"""Pixel-level metrics over the maps of many images, exact, gathered image by image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from adcore.metrics.aupro import aupro, region_weights
from adcore.metrics.inputs import as_pair
from adcore.metrics.ranking import Ranking


class PixelMetrics:
    """AUROC, AP, F1max and AUPRO over all pixels of all images added, sizes as they come.

    One sort serves all: pixels are ranked as float32 (maps of other types are cast). 4 bytes are kept of a normal pixel
    and 12 of an anomalous one; at its peak, computing holds 3 times (normal) to 7 times (anomalous) as much. Images
    whose ground truth is unknown are not to be added; clean images are, with a mask that is False throughout.

    >>> pixels = PixelMetrics()
    >>> pixels.add(np.array([[0.1, 0.9], [0.2, 0.3]]), np.array([[False, True], [False, False]]))
    >>> pixels.add(np.array([[0.4, 0.1, 0.2]]), np.array([[False, False, False]]))
    >>> pixels.compute()["pixel.auroc"]
    1.0
    """

    def __init__(self) -> None:
        self._normal: list[np.ndarray] = []  # float32 scores
        self._anomalous: list[np.ndarray] = []  # float32 scores
        self._weights: list[np.ndarray] = []  # float64, of the anomalous pixels

    def add(self, scores: ArrayLike, mask: ArrayLike) -> None:
        """Add one image; nothing of the arguments is kept but copies.

        Args:
            scores: anomaly map [H, W].
            mask: ground truth, bool [H, W].

        Raises:
            ValueError: NaN in the map, a mask that is not of two values, or shapes that differ or are not [H, W].
        """
        s, y = as_pair(np.asarray(scores, dtype=np.float32), mask)
        if s.ndim != 2:
            raise ValueError(f"a map is [H, W], not of shape {s.shape}")
        self._normal.append(s[~y])
        if y.any():
            self._anomalous.append(s[y])
            self._weights.append(region_weights(y))

    def compute(self) -> dict[str, float]:
        """Metrics over everything added so far; more may be added afterwards.

        Returns:
            ``pixel.auroc``, ``pixel.ap``, ``pixel.f1max``, ``pixel.aupro30`` and ``pixel.aupro05`` (up to a false-alarm
            rate of 0.3 and 0.05), each in [0, 1]; all nan without anomalous or without normal pixels.
        """
        normal = _merge(self._normal, np.float32)
        normal.sort()  # in place, and kept: the order of normal pixels is free
        anomalous, weights = _merge(self._anomalous, np.float32), _merge(self._weights, np.float64)
        order = np.argsort(anomalous, kind="stable")  # stable: sums of weights do not depend on the machine's sort
        ranking = Ranking.of(anomalous[order], normal)
        weights = weights[order[::-1]]  # by descending score, as the ranking
        return {
            "pixel.auroc": ranking.auroc(),
            "pixel.ap": ranking.average_precision(),
            "pixel.f1max": ranking.f1max()[0],
            "pixel.aupro30": aupro(ranking, weights, limit=0.3),
            "pixel.aupro05": aupro(ranking, weights, limit=0.05),
        }


def _merge(pieces: list[np.ndarray], dtype: type[np.floating]) -> np.ndarray:
    """Join the pieces, in the list too, so that they are not held twice."""
    pieces[:] = [np.concatenate(pieces) if pieces else np.empty(0, dtype)]
    return pieces[0]
