"""Clusterer: k-means with cosine distance, as FOCAL uses at test time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.exceptions import ConvergenceWarning

from adcore.errors import UserError
from adcore.interfaces import Clusterer
from adcore.sampled_clustering import draw

_TOLERANCE = 1e-3
"""Movement of the centres, relative to the points' variance, that ends the iterations; ten times that of scikit-learn,
which on points without groups only costs time: the inertia differs in the fourth digit."""

_START = 10
"""Iterations of a start at most: by then it is plain which is best, and from there all points are clustered."""


class KMeans(Clusterer):
    """K-means (scikit-learn) on unit-norm points, where Euclidean and cosine distance give the same order.

    It always finds k clusters, also in an image without an anomaly. Random starts are tried on a sample of the points;
    from the best one all points are clustered. Source: FOCAL (Wu et al., TDSC 2025), k = 2.
    """

    def __init__(self, k: int = 2, restarts: int = 2, iterations: int = 50, sample: int = 1024, seed: int = 0):
        """Configure the clusterer.

        Args:
            k: number of clusters.
            restarts: random starts of which the best is kept.
            iterations: most iterations of one start.
            sample: most points that starts are tried on, drawn at random; 0 takes all.
            seed: of the draw and of the random starts.
        """
        if k < 1 or restarts < 1 or iterations < 1 or sample < 0:
            raise UserError(
                f"clusterer: k ({k}), restarts ({restarts}) and iterations ({iterations}) must be at least 1, sample "
                f"({sample}) at least 0"
            )
        self.k = k
        self.restarts = restarts
        self.iterations = iterations
        self.sample = sample
        self.seed = seed

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster float32 [N, D] into at most k clusters, int [N]; fewer where there are fewer distinct points."""
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        unit = np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)
        k = min(self.k, len(unit))
        if k == 1:
            return np.zeros(len(unit), dtype=np.int64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters: fewer labels
            drawn = draw(len(unit), max(self.sample, k) if self.sample else 0, self.seed)
            model = self._model(k, self.iterations, n_init=self.restarts, random_state=self.seed)
            if drawn is not None:
                model.set_params(max_iter=min(_START, self.iterations))
                model = self._model(k, self.iterations, init=model.fit(unit[drawn]).cluster_centers_, n_init=1)
            return np.asarray(model.fit_predict(unit), dtype=np.int64)

    def _model(self, k: int, iterations: int, **settings: Any) -> SklearnKMeans:
        return SklearnKMeans(k, max_iter=iterations, tol=_TOLERANCE, **settings)
