"""Clusterer: HDBSCAN, which can answer "one cluster" and "noise"."""

from __future__ import annotations

import numpy as np
from hdbscan import HDBSCAN as Hdbscan
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA

from adcore.errors import UserError
from adcore.interfaces import Clusterer
from adcore.sampled_clustering import alike, draw

LEAF = 80
"""Points in a leaf of hdbscan's search tree; twice its own default, for a third less time on a thousand points."""


class HDBSCAN(Clusterer):
    """Density clustering (hdbscan) after a reduction by PCA: as many clusters as there are, or one, or noise.

    An image without an anomaly is one cluster. Source: FOCAL's journal version (Wu et al., TDSC 2025) on Campello et
    al. 2013. Where there is one cluster only, hdbscan's own cut leaves most of it as noise; so there, as in every
    cluster, only those points are noise that lie much further apart than the cluster's points usually do. Of many
    points a sample is clustered; each other point joins the nearest of them, or is noise where that is just as far.
    """

    def __init__(
        self,
        min_cluster_share: float = 0.02,
        min_samples: int = 5,
        dimensions: int = 8,
        single_cluster: bool = True,
        outlier: float = 4.0,
        sample: int = 1024,
        seed: int = 0,
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
            sample: most points that are clustered, drawn at random; 0 takes all.
            seed: of the draw.
        """
        if not 0 < min_cluster_share < 1 or min_samples < 1 or dimensions < 0 or outlier <= 1 or sample < 0:
            raise UserError(
                f"clusterer: min_cluster_share ({min_cluster_share}) must lie between 0 and 1, min_samples "
                f"({min_samples}) be at least 1, dimensions ({dimensions}) and sample ({sample}) at least 0 and "
                f"outlier ({outlier}) above 1"
            )
        self.min_cluster_share = min_cluster_share
        self.min_samples = min_samples
        self.dimensions = dimensions
        self.single_cluster = single_cluster
        self.outlier = outlier
        self.sample = sample
        self.seed = seed

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster float32 [N, D], int [N] with -1 for noise."""
        if alike(x):
            return np.zeros(len(x), dtype=np.int64)
        points = np.asarray(x)
        if 0 < self.dimensions < min(points.shape):
            points = PCA(self.dimensions, svd_solver="covariance_eigh").fit_transform(points)
        drawn = draw(len(points), self.sample, self.seed)
        chosen = np.array(points if drawn is None else points[drawn], dtype=np.float64)  # a writable copy
        labels, limits = self._cluster(chosen)
        if drawn is None:
            return labels
        distance, nearest = cKDTree(chosen).query(points)
        joined = labels[nearest]
        joined[(joined >= 0) & (distance > limits[joined])] = -1
        joined[drawn] = labels  # of two alike, each has its own
        return joined

    def _cluster(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels [n], and by cluster how far apart its points may lie."""
        smallest = max(2, round(self.min_cluster_share * len(points)))
        if len(points) <= smallest or alike(points):  # too few points, or all alike: one cluster
            return np.zeros(len(points), dtype=np.int64), np.full(1, np.inf)
        neighbours = min(self.min_samples, len(points) - 1)
        model = Hdbscan(
            min_cluster_size=smallest,
            min_samples=neighbours,
            allow_single_cluster=self.single_cluster,
            core_dist_n_jobs=1,
            leaf_size=LEAF,
        )
        labels: np.ndarray = model.fit_predict(points).astype(np.int64)
        if labels.max() == 0:
            labels[:] = 0
        reach = cKDTree(points).query(points, [neighbours + 1])[0][:, 0]  # the first neighbour is the point itself
        limits = np.array([self.outlier * np.median(reach[labels == label]) for label in range(labels.max() + 1)])
        limits = limits.clip(1e-12)
        outside = (labels >= 0) & (reach > limits[labels] if len(limits) else False)
        labels[outside] = -1
        return labels, limits
