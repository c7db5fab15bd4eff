"""Image-level metrics: how well scores separate anomalous from normal images, whatever the threshold."""

from __future__ import annotations

from numpy.typing import ArrayLike

from adcore.metrics.inputs import as_pair
from adcore.metrics.ranking import Ranking


def rank(scores: ArrayLike, labels: ArrayLike) -> Ranking:
    """Rank images by score.

    Args:
        scores: [n], grow with abnormality.
        labels: [n], True or 1 where anomalous.

    Raises:
        ValueError: a NaN score, a label that is neither 0 nor 1, or lengths that differ.

    >>> rank([0.1, 0.4, 0.4], [0, 0, 1]).alarms
    array([1])
    """
    s, y = as_pair(scores, labels)
    positive, negative = s[y], s[~y]
    positive.sort()
    negative.sort()
    return Ranking.of(positive, negative)


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: the chance that an anomalous image scores above a normal one, ties counting half.

    ``AUROC = P(s+ > s-) + P(s+ = s-) / 2``

    Args:
        scores: [n], grow with abnormality.
        labels: [n], True or 1 where anomalous.

    Returns:
        Value in [0, 1]; nan where only one class is present.

    >>> auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    return rank(scores, labels).auroc()


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Average precision, the area under the precision-recall steps.

    ``AP = sum_k (R_k - R_k-1) P_k`` over distinct thresholds, highest first, without interpolation.

    Args:
        scores: [n], grow with abnormality.
        labels: [n], True or 1 where anomalous.

    Returns:
        Value in [0, 1], the share of anomalous images for random scores; nan where only one class is present.

    >>> round(average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 4)
    0.8333
    """
    return rank(scores, labels).average_precision()


def f1max(scores: ArrayLike, labels: ArrayLike) -> tuple[float, float]:
    """Best F1 over all thresholds, and that threshold; chosen by the labels, so a bound for any fixed decision.

    ``F1max = max_t 2 TP(t) / (2 TP(t) + FP(t) + FN(t))`` where an image is anomalous if ``score >= t``.

    Args:
        scores: [n], grow with abnormality.
        labels: [n], True or 1 where anomalous.

    Returns:
        F1 in (0, 1] and the highest threshold that reaches it, one of the scores; (nan, nan) where only one class is
        present.

    >>> f1max([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    (0.8, 0.35)
    """
    return rank(scores, labels).f1max()
