"""Leader clustering."""

from __future__ import annotations

import numpy as np

from adcore import Clusterer


class Leader(Clusterer):
    """The first free point leads a cluster of all free points near it, and so on (Hartigan, 1975)."""

    def __init__(self, similarity: float = 0.8, clusters: int = 8):
        """Configure the clusterer.

        Args:
            similarity: least cosine to the leader.
            clusters: most clusters; what is left then is noise.
        """
        if clusters < 1:
            raise ValueError(f"clusters: {clusters} is too small; write at least 1")
        self.similarity = similarity
        self.clusters = clusters

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        labels = np.full(len(x), -1)
        for label in range(self.clusters):
            free = labels < 0
            if not free.any():
                break
            leader = free.argmax()
            labels[free & (x @ x[leader] >= self.similarity)] = label
            labels[leader] = label  # also where its norm is 0
        return labels
