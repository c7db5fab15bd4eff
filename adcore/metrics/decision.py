"""Metrics of decisions already taken, at a threshold fixed before the test."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, betaln, gammaln

from adcore.metrics.inputs import as_labels


def clopper_pearson(events: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a rate of which `events` of `trials` were seen (Clopper and Pearson, 1934).

    ``low = B(a/2; k, n-k+1)``, ``high = B(1-a/2; k+1, n-k)`` with ``B`` the quantile of the beta distribution; it
    holds the true rate with at least the confidence asked for, however few the trials.

    Returns:
        Lowest and highest rate; (nan, nan) without trials.

    >>> low, high = clopper_pearson(0, 20)
    >>> low, round(high, 4)
    (0.0, 0.1684)
    """
    if trials == 0:
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low = 0.0 if events == 0 else float(betaincinv(events, trials - events + 1, tail))
    high = 1.0 if events == trials else float(betaincinv(events + 1, trials - events, 1 - tail))
    return low, high


def chance_of_alarms(alarms: int, contexts: Iterable[tuple[int, int, float]]) -> float:
    """Probability of at least so many false alarms, if the normals are like those that were calibrated on.

    The rate that a conformal threshold keeps on average varies with the draw of its n calibration normals: it follows
    ``Beta(l, n + 1 - l)`` with ``l = floor(rate (n + 1))`` (Vovk, 2012), so the number of false alarms is
    beta-binomial, and more spread out than a binomial one. Contexts are independent.

    Args:
        alarms: false alarms of all contexts together.
        contexts: of each, the normals that were judged, those that were calibrated on, and the rate.

    >>> round(chance_of_alarms(20, [(190, 186, 0.05)]), 3)
    0.017
    """
    total = np.ones(1)
    for judged, calibrated, rate in contexts:
        low = max(1, math.floor(rate * (calibrated + 1) + 1e-9))  # fewer normals support no lower rate
        k, a, b = np.arange(judged + 1), low, calibrated + 1 - low
        ways = gammaln(judged + 1) - gammaln(k + 1) - gammaln(judged - k + 1)
        total = np.convolve(total, np.exp(ways + betaln(k + a, judged - k + b) - betaln(a, b)))
    return float(total[alarms:].sum())


def decision_metrics(labels: ArrayLike, decisions: ArrayLike) -> dict[str, float]:
    """What the decisions were worth.

    ``precision = TP / (TP + FP)``, ``recall = TP / (TP + FN)``, ``miss_rate = 1 - recall``, and ``false_alarm_rate =
    FP / (FP + TN)`` with its 95 % interval from ``false_alarm_low`` to ``false_alarm_high`` (`clopper_pearson`), to be
    held against the rate that was promised.

    Args:
        labels: [n], True or 1 where the image is anomalous.
        decisions: [n], True or 1 where it was called anomalous (score >= threshold).

    Returns:
        The above under ``decision.*``. A rate of nothing is nan: precision where nothing was called anomalous, recall
        and miss rate without anomalous images, the false-alarm rate and its interval without normal ones.

    Raises:
        ValueError: a value that is neither 0 nor 1 (words such as "normal" too), or lengths that differ.

    >>> decision_metrics([0, 0, 1, 1], [0, 1, 1, 1])["decision.false_alarm_rate"]
    0.5
    """
    y, called = as_labels(labels), as_labels(decisions)
    if y.shape != called.shape:
        raise ValueError(f"decisions of shape {called.shape} do not go with labels of shape {y.shape}")
    hits, alarms = int(np.sum(called & y)), int(np.sum(called & ~y))
    anomalous, normal = int(np.sum(y)), int(np.sum(~y))
    low, high = clopper_pearson(alarms, normal)
    return {
        "decision.precision": _rate(hits, hits + alarms),
        "decision.recall": _rate(hits, anomalous),
        "decision.miss_rate": _rate(anomalous - hits, anomalous),
        "decision.false_alarm_rate": _rate(alarms, normal),
        "decision.false_alarm_low": low,
        "decision.false_alarm_high": high,
    }


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
