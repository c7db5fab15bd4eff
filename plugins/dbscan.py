"""Clusterer: DBSCAN, which grows clusters through dense neighbourhoods."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import DBSCAN as SklearnDBSCAN
from sklearn.neighbors import NearestNeighbors

from adcore.errors import UserError
from adcore.interfaces import Clusterer
from adcore.sampled_clustering import cluster_sample


class DBSCAN(Clusterer):
    """Density clustering at one density (scikit-learn): as many clusters as there are, the rest is noise.

    An image without an anomaly is one cluster. Source: Ester et al. 1996. The radius follows each image by default;
    HDBSCAN needs none, and also separates clusters of different density.
    """

    def __init__(
        self,
        radius: float | None = None,
        reach: float = 2.0,
        min_samples: int = 5,
        sample: int = 4000,
        seed: int = 0,
    ):
        """Configure the clusterer.

        Args:
            radius: of a neighbourhood, as the distance of unit-norm points (0 to 2); null takes it from each image.
            reach: the radius taken from an image, in medians of the distance to the `min_samples`-th point of a
                neighbourhood, the point itself included; counts only where `radius` is null.
            min_samples: points in a neighbourhood, its own included, that make it dense.
            sample: most points that are clustered, drawn at random; the others join their nearest one. 0 takes all.
            seed: of the draw.
        """
        if (radius is not None and not radius > 0) or not reach > 0 or min_samples < 1 or sample < 0:
            raise UserError(
                f"clusterer: radius ({radius}) must be above 0 or null, reach ({reach}) above 0, min_samples "
                f"({min_samples}) at least 1 and sample ({sample}) at least 0"
            )
        self.radius = radius
        self.reach = reach
        self.min_samples = min_samples
        self.sample = sample
        self.seed = seed

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster float32 [N, D], int [N] with -1 for noise."""
        return cluster_sample(x, self.sample, self.seed, self._cluster)

    def _cluster(self, points: np.ndarray) -> np.ndarray:
        radius = self._typical(points) if self.radius is None else self.radius
        labels: np.ndarray = SklearnDBSCAN(eps=radius, min_samples=self.min_samples).fit_predict(points)
        return labels

    def _typical(self, points: np.ndarray) -> float:
        neighbours = min(self.min_samples, len(points))
        distances, _ = NearestNeighbors(n_neighbors=neighbours).fit(points).kneighbors(points)
        return max(self.reach * float(np.median(distances[:, -1])), 1e-6)  # most points may be equal
