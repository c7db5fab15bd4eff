"""What every metric accepts: scores without NaN, and labels that are plainly two classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def as_scores(values: ArrayLike) -> np.ndarray:
    """Scores as a floating array of the same shape; grow with abnormality, may be infinite.

    Raises:
        ValueError: a score is NaN.

    >>> as_scores([1, 2])
    array([1., 2.])
    """
    scores = np.asarray(values)
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    if np.isnan(scores).any():
        raise ValueError("scores hold NaN, which has no rank; find out where it comes from")
    return scores


def as_labels(values: ArrayLike) -> np.ndarray:
    """Labels as a bool array of the same shape, True where anomalous.

    Raises:
        ValueError: a value is not False, True, 0 or 1. So words and grey levels never count as "anomalous".

    >>> as_labels([0, 1])
    array([False,  True])
    """
    labels = np.asarray(values)
    if labels.dtype == np.bool_ or labels.size == 0:
        return labels.astype(np.bool_, copy=False)
    if labels.dtype.kind not in "iuf" or not np.isin(labels, (0, 1)).all():
        raise ValueError("labels must be bool, or 0 (normal) and 1 (anomalous)")
    return labels.astype(np.bool_)


def as_pair(scores: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of one shape.

    Raises:
        ValueError: as `as_scores` and `as_labels`, or the shapes differ.

    >>> as_pair([0.5], [True])
    (array([0.5]), array([ True]))
    """
    s, y = as_scores(scores), as_labels(labels)
    if s.shape != y.shape:
        raise ValueError(f"scores of shape {s.shape} do not go with labels of shape {y.shape}")
    return s, y
