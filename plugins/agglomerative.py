"""Clusterer: hierarchical clustering from the bottom up."""

from __future__ import annotations

from typing import Literal

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from adcore.errors import UserError
from adcore.interfaces import Clusterer
from adcore.sampled_clustering import cluster_sample, distinct


class Agglomerative(Clusterer):
    """Agglomerative clustering (scikit-learn): merges the two nearest clusters until k are left, or all lie far apart.

    With `distance` an image without an anomaly can be one cluster. Source: Ward 1963 for the default linkage.
    """

    def __init__(
        self,
        k: int = 2,
        linkage: Literal["ward", "average", "complete", "single"] = "ward",
        distance: float | None = None,
        sample: int = 2000,
        seed: int = 0,
    ):
        """Configure the clusterer.

        Args:
            k: number of clusters; counts only where `distance` is null.
            linkage: what the distance of two clusters is: the growth of the variance within them (``ward``), or the
                mean, largest or smallest distance between their points.
            distance: from which on clusters are not merged, as the linkage measures it; null merges down to k.
            sample: most points that are clustered, drawn at random; the others join their nearest one. 0 takes all.
            seed: of the draw.
        """
        if k < 1 or sample < 0 or (distance is not None and not distance > 0):
            raise UserError(
                f"clusterer: k ({k}) must be at least 1, sample ({sample}) at least 0 and distance ({distance}) "
                "above 0 or null"
            )
        self.k = k
        self.linkage = linkage
        self.distance = distance
        self.sample = sample
        self.seed = seed

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster float32 [N, D], int [N]; at most as many clusters as there are distinct points."""
        return cluster_sample(x, self.sample, self.seed, self._cluster)

    def _cluster(self, points: np.ndarray) -> np.ndarray:
        k = min(self.k, distinct(points)) if self.distance is None else None
        model = AgglomerativeClustering(k, linkage=self.linkage, distance_threshold=self.distance)
        labels: np.ndarray = model.fit_predict(points)
        return labels
