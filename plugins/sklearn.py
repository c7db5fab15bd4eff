"""Clusterer: any of scikit-learn's, by the name of its class."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import sklearn.cluster
from sklearn.base import ClusterMixin

from adcore.errors import UserError
from adcore.interfaces import Clusterer
from adcore.sampled_clustering import cluster_sample, distinct
from adcore.suggestions import did_you_mean

_CLASSES: dict[str, type] = {
    name: cls
    for name in sklearn.cluster.__all__
    if isinstance(cls := getattr(sklearn.cluster, name), type) and issubclass(cls, ClusterMixin)
    if name != "FeatureAgglomeration"  # groups the columns, not the points
}

_REFUSED = {
    "random_state": "write the clusterer's own `seed` instead",
    "memory": "it would load a cache from disk, and a recipe may not",
    "compute_labels": "labels are always needed",
}

_CLUSTERS = ("n_clusters",)
_POINTS = ("n_neighbors", "min_samples", "min_cluster_size", "n_components")


class Sklearn(Clusterer):
    """Any clusterer of ``sklearn.cluster`` by the name of its class, such as Birch, MeanShift or SpectralClustering.

    Its arguments are written as scikit-learn's documentation gives them, and are checked by scikit-learn before a run
    computes anything. Those that count points or clusters are lowered in an image that has fewer. SpectralClustering
    may answer twice differently where most points repeat: SciPy's eigenvalue solver then draws a start of its own,
    which no seed reaches; ``arguments: {eigen_solver: lobpcg}`` avoids it.
    """

    def __init__(
        self,
        estimator: str = "AgglomerativeClustering",
        arguments: dict[str, Any] | None = None,
        sample: int = 2000,
        seed: int = 0,
    ):
        """Configure the clusterer.

        Args:
            estimator: name of a class of ``sklearn.cluster``.
            arguments: of that class, by name; what is left out keeps scikit-learn's default.
            sample: most points that are clustered, drawn at random; the others join their nearest one. 0 takes all,
                for which many of these methods need memory that grows with the square of their number.
            seed: of the draw, and of the estimator where it has a ``random_state``.
        """
        if estimator not in _CLASSES:
            raise UserError(
                f"estimator: scikit-learn has no clusterer {estimator!r} (it has {', '.join(_CLASSES)})"
                f"{did_you_mean(estimator, _CLASSES)}"
            )
        if sample < 0:
            raise UserError(f"sample: {sample} must be at least 0")
        self.estimator = estimator
        self.arguments = arguments or {}
        self.sample = sample
        self.seed = seed
        self._check()

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster float32 [N, D], int [N]; -1 is noise where the estimator knows it."""
        return cluster_sample(x, self.sample, self.seed, self._cluster)

    def _cluster(self, points: np.ndarray) -> np.ndarray:
        cls = _CLASSES[self.estimator]
        known = inspect.signature(cls).parameters
        most = dict.fromkeys(_POINTS, len(points)) | dict.fromkeys(_CLUSTERS, distinct(points))
        values = {name: known[name].default for name in known} | self.arguments
        for name, limit in most.items():
            if isinstance(values.get(name), int):
                values[name] = min(values[name], limit)
        if "random_state" in known:
            values["random_state"] = self.seed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few distinct points, no convergence: the labels are still an answer
            try:
                labels: np.ndarray = cls(**values).fit_predict(points)
            except (ValueError, TypeError) as error:  # how scikit-learn refuses an argument
                raise UserError(f"arguments: {self.estimator}: {error}") from error
        return labels

    def _check(self) -> None:
        """Refuse unknown arguments, then let scikit-learn judge their values on a few points."""
        known = list(inspect.signature(_CLASSES[self.estimator]).parameters)
        for name in self.arguments:
            if name not in known:
                free = [other for other in known if other not in _REFUSED]
                raise UserError(
                    f"arguments: {self.estimator} has no argument {name!r} (it takes {', '.join(free)})"
                    f"{did_you_mean(name, free)}"
                )
            if name in _REFUSED:
                raise UserError(f"arguments: {name!r} cannot be given; {_REFUSED[name]}")
        self._cluster(np.random.default_rng(0).normal(size=(32, 4)))
