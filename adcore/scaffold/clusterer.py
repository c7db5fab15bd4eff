"""A clusterer: two groups, told apart along the direction in which the points differ most.

What it is given and has to return stands in `adcore.Clusterer`. The arguments of ``__init__`` are what a recipe sets.
"""

from __future__ import annotations

import numpy as np

from adcore import Clusterer


class Template(Clusterer):
    """Splits the points in two along their principal direction, or leaves them in one cluster.

    Principal direction divisive partitioning (Boley, 1998), cut at the threshold of Otsu (Otsu, 1979).
    """

    def __init__(self, separation: float = 0.7):
        """Configure the clusterer.

        Args:
            separation: share of the variance along the direction that two groups have to explain, from 0 to 1; where
                they do not, all points are one cluster. A single Gaussian reaches 0.64.
        """
        if not 0 <= separation <= 1:
            raise ValueError(f"separation: {separation} is a share; write a number from 0 to 1")
        self.separation = separation

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster float32 [N, D], int [N]."""
        centred = x - x.mean(0, dtype=np.float64)
        direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]  # [D]
        position = centred @ direction  # [N], their mean is 0
        ordered = np.sort(position)
        total = np.square(ordered).sum()
        if total <= 1e-9 * len(x):  # one point, or all are equal
            return np.zeros(len(x), dtype=np.int64)
        below = np.arange(1, len(x))
        between = np.square(ordered.cumsum()[:-1]) * (1 / below + 1 / (len(x) - below))  # [N - 1] for each cut
        cut = between.argmax()
        if between[cut] < self.separation * total:
            return np.zeros(len(x), dtype=np.int64)
        labels: np.ndarray = (position > ordered[cut]).astype(np.int64)
        return labels
