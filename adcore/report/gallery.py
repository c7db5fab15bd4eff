"""The few images of each category that a reader should see, picked while results stream by in bounded memory."""

from __future__ import annotations

import math
from bisect import insort
from collections import Counter
from statistics import median

import numpy as np

from adcore.prediction import Prediction, TestResult
from adcore.report.case import Case, outcome
from adcore.report.overlay import colour_limits


class MapScale:
    """One colour scale for all maps of a category, with its pixel threshold in the middle of the colours."""

    def __init__(self) -> None:
        self._inside = math.inf
        self._outside = -math.inf
        self._medians: list[float] = []

    def add(self, prediction: Prediction) -> None:
        """Take a map and its mask into account."""
        inside, outside = prediction.map[prediction.mask], prediction.map[~prediction.mask]
        self._inside = min(self._inside, float(inside.min(initial=math.inf)))
        self._outside = max(self._outside, float(outside.max(initial=-math.inf)))
        self._medians.append(float(np.median(prediction.map)))

    def limits(self, pixel_threshold: float | None = None) -> tuple[float, float]:
        """Values of the map where the colours begin (what a pixel typically has) and end.

        Args:
            pixel_threshold: of the context; where unknown, the smallest value inside a mask, or the largest of all.
        """
        if pixel_threshold is None:
            pixel_threshold = self._inside if math.isfinite(self._inside) else self._outside
        return colour_limits(pixel_threshold, floor=median(self._medians))


class CategoryGallery:
    """Watches the results of one category: remembers all scores, and the cases worth a look.

    Attributes:
        scores: image scores in order of arrival.
        labels: 0 normal, 1 anomalous.
        outcomes: how many were ``found``, ``missed``, ``passed`` and a ``false alarm``.
        defects: of each kind of defect, how many were found and how many there were.
        threshold: image threshold of the context.
        scale: colour scale of the maps.
    """

    def __init__(self, size: int):
        """Watch a category.

        Args:
            size: cases to show.
        """
        self.scores: list[float] = []
        self.labels: list[int] = []
        self.outcomes: Counter[str] = Counter()
        self.defects: dict[str, tuple[int, int]] = {}
        self.threshold = math.nan
        self.scale = MapScale()
        self._size = size
        self._worst: list[_Ranked] = []
        self._doubtful: list[_Ranked] = []
        self._best: list[_Ranked] = []

    def add(self, result: TestResult) -> None:
        """Take note of a result; its pictures are kept only while it is among the most telling."""
        prediction, label = result.prediction, result.sample.label
        self.scores.append(prediction.score)
        self.labels.append(label)
        verdict = outcome(label, prediction.decision)
        self.outcomes[verdict] += 1
        if label:
            found, total = self.defects.get(result.sample.defect, (0, 0))
            self.defects[result.sample.defect] = found + (verdict == "found"), total + 1
        self.threshold = prediction.threshold
        self.scale.add(prediction)
        distance = prediction.score - prediction.threshold
        margin = distance if label else -distance  # how far on the right side of the threshold
        ranks = ((self._worst, margin), (self._doubtful, abs(distance)), (self._best, -margin))
        entered = [(best, rank) for best, rank in ranks if len(best) < self._size or (best and rank < best[-1][0])]
        if entered:
            case = Case.of(result)
            for best, rank in entered:
                insort(best, (rank, len(self.scores), case))  # the running number settles ties
                del best[self._size :]

    def picked(self) -> dict[str, list[Case]]:
        """The cases to show, none twice.

        ``wrong`` decisions get up to half of the places, furthest on the wrong side first; ``doubtful`` ones half of
        the rest, nearest to the threshold first; ``clear`` right ones what remains, furthest from the threshold first.
        """
        wrong = [case for _, _, case in self._worst if case.wrong][: math.ceil(self._size / 2)]
        doubtful = [case for _, _, case in self._doubtful if not any(case is other for other in wrong)]
        doubtful = doubtful[: math.ceil((self._size - len(wrong)) / 2)]
        taken = [*wrong, *doubtful]
        clear = [case for _, _, case in self._best if not case.wrong and not any(case is other for other in taken)]
        return {"wrong": wrong, "doubtful": doubtful, "clear": clear[: self._size - len(taken)]}


_Ranked = tuple[float, int, Case]
