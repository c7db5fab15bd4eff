"""Clusterer: k-means with cosine distance, as FOCAL uses at test time."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.exceptions import ConvergenceWarning

from adcore.errors import UserError
from adcore.interfaces import Clusterer


class KMeans(Clusterer):
    """K-means (scikit-learn) on unit-norm points, where Euclidean and cosine distance give the same order.

    It always finds k clusters, also in an image without an anomaly. Source: FOCAL (Wu et al., TDSC 2025), k = 2.
    """

    def __init__(self, k: int = 2, restarts: int = 2, iterations: int = 50, seed: int = 0):
        """Configure the clusterer.

        Args:
            k: number of clusters.
            restarts: random starts of which the best is kept.
            iterations: most iterations of one start.
            seed: of the random starts.
        """
        if k < 1 or restarts < 1 or iterations < 1:
            raise UserError(
                f"clusterer: k ({k}), restarts ({restarts}) and iterations ({iterations}) must be at least 1"
            )
        self.k = k
        self.restarts = restarts
        self.iterations = iterations
        self.seed = seed

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster float32 [N, D] into at most k clusters, int [N]; fewer where there are fewer distinct points."""
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        unit = np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)
        k = min(self.k, len(unit))
        if k == 1:
            return np.zeros(len(unit), dtype=np.int64)
        model = SklearnKMeans(k, n_init=self.restarts, max_iter=self.iterations, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters: fewer labels
            labels: np.ndarray = model.fit_predict(unit)
        return labels.astype(np.int64)
