"""How positives and negatives rank among each other: all that AUROC, AP, F1max and AUPRO need to know."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ranking:
    """Counts at each of the K distinct scores ``t`` of the positives, highest first.

    These thresholds suffice for exact results: between two of them only false alarms are added, so the ROC curve runs
    level and neither recall nor F1 can rise. Only the negatives have to be sorted as a whole.

    Attributes:
        thresholds: [K] distinct scores of positives, descending.
        hits: int64 [K], positives with score >= t.
        alarms: int64 [K], negatives with score >= t.
        alarms_above: int64 [K], negatives with score > t; fewer than `alarms` where negatives tie with positives.
        positives: number of positives.
        negatives: number of negatives.
    """

    thresholds: np.ndarray
    hits: np.ndarray
    alarms: np.ndarray
    alarms_above: np.ndarray
    positives: int
    negatives: int

    @classmethod
    def of(cls, positive: np.ndarray, negative: np.ndarray) -> Ranking:
        """Rank scores.

        Args:
            positive: [P] scores of anomalous items, ascending, without NaN.
            negative: [N] scores of normal items, ascending, without NaN, of the same dtype.

        >>> Ranking.of(np.array([0.3, 0.8, 0.8]), np.array([0.1, 0.3, 0.9])).alarms
        array([1, 2])
        """
        new = np.ones(positive.size, dtype=bool)
        np.not_equal(positive[1:], positive[:-1], out=new[1:])
        first = np.flatnonzero(new)[::-1]  # [K] where each distinct score begins, highest first
        thresholds = positive[first]
        return cls(
            thresholds=thresholds,
            hits=positive.size - first,
            alarms=negative.size - np.searchsorted(negative, thresholds, side="left"),
            alarms_above=negative.size - np.searchsorted(negative, thresholds, side="right"),
            positives=positive.size,
            negatives=negative.size,
        )

    @property
    def one_class(self) -> bool:
        """Whether positives or negatives are missing, so that nothing can be measured."""
        return self.positives == 0 or self.negatives == 0

    def auroc(self) -> float:
        """``P(s+ > s-) + P(s+ = s-) / 2``, the area under the ROC curve; nan with one class."""
        if self.one_class:
            return math.nan
        ties = np.diff(self.hits, prepend=0)  # [K] positives at each threshold
        twice_below = 2 * self.negatives - self.alarms - self.alarms_above  # a tied negative counts half
        # Integers up to here: exact for any number of pixels that fits into memory.
        return int(ties @ twice_below) / (2 * self.positives * self.negatives)

    def average_precision(self) -> float:
        """``sum_k (R_k - R_k-1) P_k`` over recalls and precisions, without interpolation; nan with one class."""
        if self.one_class:
            return math.nan
        ties = np.diff(self.hits, prepend=0)
        return float(ties @ (self.hits / (self.hits + self.alarms))) / self.positives

    def f1max(self) -> tuple[float, float]:
        """``max_t 2 TP / (2 TP + FP + FN)`` and the highest ``t`` to reach it, for score >= t; nan with one class."""
        if self.one_class:
            return math.nan, math.nan
        f1 = 2 * self.hits / (self.hits + self.alarms + self.positives)  # TP + FN = all positives
        best = int(np.argmax(f1))  # the first, that is the highest threshold
        return float(f1[best]), float(self.thresholds[best])
