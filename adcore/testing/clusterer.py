"""What a Clusterer promises."""

from __future__ import annotations

import contextlib

import numpy as np

from adcore.interfaces import Clusterer
from adcore.signature import arguments
from adcore.testing import inputs
from adcore.testing.checks import check, require
from adcore.testing.conduct import use
from adcore.testing.guards import seeded
from adcore.testing.subject import Subject

_ARRAY = "return np.asarray(labels, dtype=np.int64), one label for each row of x"

_COUNTS = ("k", "clusters", "n_clusters", "components", "n_components")
"""What the number of clusters is usually called."""


@use("clusterer")
def _use(clusterer: Clusterer) -> None:
    clusterer.fit_predict(inputs.points(60))


def _labels(clusterer: Clusterer, x: np.ndarray) -> np.ndarray:
    """Labels, found to be what the contract says."""
    labels = clusterer.fit_predict(x)
    require(isinstance(labels, np.ndarray), f"fit_predict returned a {type(labels).__name__}, no array", _ARRAY)
    require(np.issubdtype(labels.dtype, np.integer), f"labels are {labels.dtype}, not int", _ARRAY)
    require(labels.shape == (len(x),), f"{len(x)} points have labels of shape {[*labels.shape]}", _ARRAY)
    require(bool((labels >= -1).all()), f"the label {labels.min()} means nothing: -1 is noise, clusters count from 0")
    return labels


@check("clusterer", _ARRAY)
def integer_labels(subject: Subject) -> None:
    """``fit_predict`` of float32 [N, D] returns int [N]: clusters from 0, and -1 for noise."""
    _labels(subject.build(), inputs.points(60))


@check(
    "clusterer",
    "start from a fixed seed: random_state=self.seed, or a numpy.random.default_rng(self.seed) made in fit_predict",
)
def same_labels_again(subject: Subject) -> None:
    """The same points, in groups or scattered, get the same labels again, whatever was clustered or drawn before."""
    clusterer = subject.build()
    for x in (inputs.points(80, groups=5), inputs.points(80, groups=80)):
        with seeded(0):
            first = _labels(clusterer, x)
            _labels(clusterer, inputs.points(40, seed=1))
        for seed, again in enumerate((clusterer, subject.build(), clusterer, subject.build()), 1):
            with seeded(seed):
                require(np.array_equal(first, _labels(again, x)), "a second call gave other labels")


@check("clusterer", "answer at once where len(x) is 1: return np.zeros(1, dtype=np.int64)")
def one_point(subject: Subject) -> None:
    """N = 1: a single point gets a label."""
    _labels(subject.build(), inputs.points(1))


@check("clusterer", "use min(k, len(x)) clusters and no more neighbours than there are points")
def fewer_points_than_clusters(subject: Subject) -> None:
    """Fewer points than clusters, or than a neighbourhood has, are clustered too."""
    count = next((name for name in _COUNTS if name in arguments(subject.cls) and name not in subject.given), None)
    clusterer = subject.build()
    with contextlib.suppress(Exception):  # it may refuse a number that goes with other arguments
        clusterer = subject.construct(subject.part(**{count: 7})) if count else clusterer
    for size in (2, 3, 5):
        _labels(clusterer, inputs.points(size))


@check("clusterer", "expect equal rows: guard divisions by distances and spreads that may be 0")
def duplicate_points(subject: Subject) -> None:
    """Points that occur many times, as those of a plain surface do, are clustered too."""
    distinct = inputs.points(3, groups=3)
    _labels(subject.build(), distinct.repeat(20, axis=0))


@check("clusterer", "return one cluster where all rows are equal: np.zeros(len(x), dtype=np.int64)")
def constant_input(subject: Subject) -> None:
    """Points that are all equal, as those of a blank image are, are clustered too."""
    _labels(subject.build(), inputs.points(1).repeat(50, axis=0))


@check("clusterer", "compute on a copy: x = np.array(x)")
def read_only_input(subject: Subject) -> None:
    """A read-only float32 array is accepted."""
    x = inputs.points(60)
    x.flags.writeable = False
    _labels(subject.build(), x)


@check("clusterer", "compute on a copy: x = np.array(x)")
def input_untouched(subject: Subject) -> None:
    """``fit_predict`` leaves its input as it was."""
    x = inputs.points(60)
    kept = x.copy()
    _labels(subject.build(), x)
    require(np.array_equal(x, kept), "x was changed")
