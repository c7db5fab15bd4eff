"""Clusterer: HDBSCAN, which can answer "one cluster" and "noise"."""

from __future__ import annotations

import numpy as np
from hdbscan import HDBSCAN as Hdbscan
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from adcore.errors import UserError
from adcore.interfaces import Clusterer


class HDBSCAN(Clusterer):
    """Density clustering (hdbscan) after a reduction by PCA: as many clusters as there are, or one, or noise.

    An image without an anomaly is one cluster. Source: FOCAL's journal version (Wu et al., TDSC 2025) on Campello et
    al. 2013. Where there is one cluster only, hdbscan's own cut leaves most of it as noise; so there, as in every
    cluster, only those points are noise that lie much further apart than the cluster's points usually do.
    """

    def __init__(
        self,
        min_cluster_share: float = 0.02,
        min_samples: int = 5,
        dimensions: int = 8,
        single_cluster: bool = True,
        outlier: float = 4.0,
    ):
        """Configure the clusterer.

        Args:
            min_cluster_share: smallest cluster as a share of the image's points (FOCAL's 200 pixels of a 128 x 128
                grid are 0.012).
            min_samples: points in a neighbourhood that make it dense; more points, more noise.
            dimensions: principal components that are clustered; density needs few. 0 clusters the points as they are.
            single_cluster: whether all points may form one cluster.
            outlier: a point is noise where the distance to its `min_samples`-th neighbour is more than this many times
                the median of its cluster.
        """
        if not 0 < min_cluster_share < 1 or min_samples < 1 or dimensions < 0 or outlier <= 1:
            raise UserError(
                f"clusterer: min_cluster_share ({min_cluster_share}) must lie between 0 and 1, min_samples "
                f"({min_samples}) be at least 1, dimensions ({dimensions}) at least 0 and outlier ({outlier}) above 1"
            )
        self.min_cluster_share = min_cluster_share
        self.min_samples = min_samples
        self.dimensions = dimensions
        self.single_cluster = single_cluster
        self.outlier = outlier

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster float32 [N, D], int [N] with -1 for noise."""
        points = np.array(x, dtype=np.float64)  # a writable copy
        smallest = max(2, round(self.min_cluster_share * len(points)))
        if len(points) <= smallest or np.allclose(points, points[0], atol=1e-6):
            return np.zeros(len(points), dtype=np.int64)  # too few points, or all alike: one cluster
        if 0 < self.dimensions < min(points.shape):
            points = PCA(self.dimensions, svd_solver="covariance_eigh").fit_transform(points)
        neighbours = min(self.min_samples, len(points) - 1)
        model = Hdbscan(
            min_cluster_size=smallest,
            min_samples=neighbours,
            allow_single_cluster=self.single_cluster,
            core_dist_n_jobs=1,
        )
        labels: np.ndarray = model.fit_predict(points).astype(np.int64)
        if labels.max() == 0:
            labels[:] = 0
        return self._without_outliers(points, labels, neighbours)

    def _without_outliers(self, points: np.ndarray, labels: np.ndarray, neighbours: int) -> np.ndarray:
        distances, _ = NearestNeighbors(n_neighbors=neighbours + 1).fit(points).kneighbors(points)  # first: itself
        reach = distances[:, -1]
        for label in range(labels.max() + 1):
            members = labels == label
            members[members] = reach[members] > self.outlier * max(float(np.median(reach[members])), 1e-12)
            labels[members] = -1
        return labels
