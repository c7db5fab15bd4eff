"""Clusterer: what many clusterings of parts of the points agree on."""

from __future__ import annotations

import numpy as np
from adcore_plugins.agglomerative import Agglomerative

from adcore.errors import UserError
from adcore.interfaces import Clusterer
from adcore.number_of_clusters import takes_number, with_number
from adcore.sampled_clustering import cluster_sample, distinct


class Consensus(Clusterer):
    """Evidence accumulation (Fred and Jain, PAMI 2005): many clusterings of random parts, each into another number.

    How often two points that were clustered together fell into one cluster is their similarity; points whose
    similarities to all the others are alike are merged, by Ward's criterion, down to k clusters. One clustering of few
    points hangs on single ones of them; this does not.
    """

    def __init__(
        self,
        k: int = 2,
        clusterer: Clusterer | None = None,
        runs: int = 50,
        share: float = 0.8,
        most: float = 3.0,
        sample: int = 1000,
        seed: int = 0,
    ):
        """Configure the clusterer.

        Args:
            k: number of clusters.
            clusterer: that clusters each part, one with a setting ``k``; by default `agglomerative` with Ward's
                linkage.
            runs: clusterings.
            share: of the points that each of them sees, drawn at random.
            most: clusters of a clustering are drawn from k to this many times k.
            sample: most points that are clustered, drawn at random; the others join their nearest one. 0 takes all,
                and the square of their number in memory.
            seed: of all draws.
        """
        if k < 1 or runs < 1 or sample < 0 or not 0 < share <= 1 or not most >= 1:
            raise UserError(
                f"clusterer: k ({k}), runs ({runs}) and most ({most}) must be at least 1, sample ({sample}) at least "
                f"0, and share ({share}) above 0 and at most 1"
            )
        self.clusterer = clusterer if clusterer is not None else Agglomerative(sample=0)
        if not takes_number(self.clusterer):
            raise UserError(
                f"clusterer.clusterer: {type(self.clusterer).__name__} finds the number of clusters itself; name one "
                "with a setting k, e.g. agglomerative"
            )
        self.k = k
        self.runs = runs
        self.share = share
        self.most = most
        self.sample = sample
        self.seed = seed

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster float32 [N, D], int [N]; at most as many clusters as there are distinct points."""
        return cluster_sample(x, self.sample, self.seed, self._cluster)

    def _cluster(self, points: np.ndarray) -> np.ndarray:
        together = self._together(points)
        return Agglomerative(min(self.k, distinct(points)), sample=0).fit_predict(together)

    def _together(self, points: np.ndarray) -> np.ndarray:
        """How often two points were in one cluster, of the times that both were clustered: [n, n]."""
        draws, number = np.random.default_rng(self.seed), len(points)
        seen, together = np.eye(number), np.eye(number)
        for _ in range(self.runs):
            part = np.sort(draws.choice(number, max(2, round(self.share * number)), replace=False))
            member = with_number(self.clusterer, int(draws.integers(self.k, int(self.most * self.k) + 1)))
            labels = member.fit_predict(points[part].astype(np.float32))
            seen[np.ix_(part, part)] += 1
            together[np.ix_(part, part)] += (labels[:, None] == labels) & (labels >= 0)
        return together / np.maximum(seen, 1)
