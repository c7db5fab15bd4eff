"""Clusterer: a mixture of Gaussians, whose number can follow the image."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from adcore.errors import UserError
from adcore.interfaces import Clusterer
from adcore.sampled_clustering import cluster_sample, distinct


class GMM(Clusterer):
    """Mixture of Gaussians (scikit-learn), fitted by expectation maximisation after a reduction by PCA.

    Unlike k-means it finds clusters of different spread. With `choose` it takes the number of clusters, up to k, that
    has the lowest Bayesian information criterion (Schwarz 1978), so an image without an anomaly can be one cluster.
    """

    def __init__(
        self,
        k: int = 2,
        covariance: Literal["full", "tied", "diag", "spherical"] = "full",
        choose: bool = False,
        dimensions: int = 8,
        restarts: int = 2,
        sample: int = 4000,
        seed: int = 0,
    ):
        """Configure the clusterer.

        Args:
            k: number of clusters; with `choose` the most there may be.
            covariance: shape of the Gaussians: one matrix each, one for all, axis-aligned or round.
            choose: whether fewer clusters are taken where they describe the image better.
            dimensions: principal components that are clustered; covariances need few. 0 clusters the points as they
                are.
            restarts: random starts of which the best is kept.
            sample: most points that are clustered, drawn at random; the others join their nearest one. 0 takes all.
            seed: of the starts and of the draw.
        """
        if k < 1 or restarts < 1 or dimensions < 0 or sample < 0:
            raise UserError(
                f"clusterer: k ({k}) and restarts ({restarts}) must be at least 1, dimensions ({dimensions}) and "
                f"sample ({sample}) at least 0"
            )
        self.k = k
        self.covariance = covariance
        self.choose = choose
        self.dimensions = dimensions
        self.restarts = restarts
        self.sample = sample
        self.seed = seed

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster float32 [N, D] into at most k clusters, int [N]."""
        return cluster_sample(x, self.sample, self.seed, self._cluster)

    def _cluster(self, points: np.ndarray) -> np.ndarray:
        k = min(self.k, distinct(points))
        if 0 < self.dimensions < min(points.shape):
            points = PCA(self.dimensions, svd_solver="covariance_eigh").fit_transform(points)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # an unfinished fit still gives labels
            fits = [self._fit(points, number) for number in range(1 if self.choose else k, k + 1)]
        best = min(fits, key=lambda fit: fit.bic(points)) if self.choose else fits[0]
        labels: np.ndarray = best.predict(points)
        return labels

    def _fit(self, points: np.ndarray, k: int) -> GaussianMixture:
        model = GaussianMixture(k, covariance_type=self.covariance, n_init=self.restarts, random_state=self.seed)
        return model.fit(points)
