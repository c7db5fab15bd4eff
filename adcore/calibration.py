"""Thresholds and p-values from the scores of normal images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from adcore.errors import UserError

DOUBT = 0.15
"""Standard deviations of the calibration scores that a score may be off by rounding: four to eight times the usual."""


@dataclass(frozen=True)
class Calibration:
    """Conformal calibration on scores of normal images that nothing else has seen (Vovk et al. 2005).

    Attributes:
        scores: image scores of the calibration normals, ascending.
        peaks: highest value of each of their maps, ascending.
        rate: the false-alarm rate asked for.
        method: ``held-out``, or ``leave-one-out`` where only the references themselves were left.
    """

    scores: tuple[float, ...]
    peaks: tuple[float, ...]
    rate: float
    method: str = "held-out"

    @classmethod
    def of(cls, scores: Sequence[float], peaks: Sequence[float], rate: float, method: str = "held-out") -> Calibration:
        """Calibrate on any order of scores and peaks."""
        return cls(tuple(sorted(scores)), tuple(sorted(peaks)), rate, method)

    def record(self) -> dict[str, Any]:
        """As plain data, the arguments of `of`."""
        return {"scores": list(self.scores), "peaks": list(self.peaks), "rate": self.rate, "method": self.method}

    @property
    def supported_rate(self) -> float:
        """The rate that decisions keep: the one asked for, or the smallest that this many normals can support."""
        return max(self.rate, 1 / (len(self.scores) + 1))

    def p_value(self, score: float) -> float:
        """(1 + number of calibration scores at least as high) / (n + 1)."""
        reached = sum(1 for other in self.scores if other >= score)
        return (1 + reached) / (len(self.scores) + 1)

    @cached_property
    def threshold(self) -> float:
        """Scores of at least this are called anomalous: exactly those with a p-value of at most `supported_rate`."""
        return conformal_threshold(self.scores, self.rate)

    def doubtful(self, score: float) -> bool:
        """Whether rounding may have moved a score across the threshold."""
        return abs(score - self.threshold) < self._doubt

    @cached_property
    def _doubt(self) -> float:
        return DOUBT * float(np.std(self.scores))

    @cached_property
    def pixel_threshold(self) -> float:
        """Map values of at least this are marked: the same promise, for the highest value of a normal image's map."""
        return conformal_threshold(self.peaks, self.rate)


def conformal_threshold(values: Sequence[float], rate: float) -> float:
    """The lowest number that a further normal's value reaches with a chance of at most `rate`, given those of others.

    Args:
        values: of the n normals, in any order, n >= 1.
        rate: the chance; where it is below 1 / (n + 1), that is taken.
    """
    supported = max(rate, 1 / (len(values) + 1))
    allowed = math.floor(supported * (len(values) + 1) + 1e-9) - 1  # normals that may reach it
    highest = np.float32(sorted(values)[len(values) - 1 - allowed])
    return float(np.nextafter(highest, np.float32(np.inf)))  # maps and scores are float32


def check_rate(rate: float, where: str) -> float:
    """The false-alarm rate itself, if it is one.

    Raises:
        UserError: it is no share between 0 and 1.
    """
    if not 0 < rate < 1:
        raise UserError(f"{where}: {rate} must lie between 0 and 1, e.g. 0.05")
    return rate


def calibration_notes(references: int, held_out: int, rate: float) -> list[str]:
    """What is weaker than asked for in a context of so many references and held-out normals, in plain words."""
    notes = []
    if not held_out:
        notes.append(
            f"no normals left for calibration; thresholds come from the {references} references by leave-one-out and "
            "are only a rough guide"
        )
    count = held_out or references
    supported = 1 / (count + 1)
    if supported > rate:
        needed = math.ceil(1 / rate - 1e-9) - 1
        notes.append(
            f"a false-alarm rate of {rate:.3g} needs {needed} calibration normals, there are {count}; decisions are "
            f"made at the smallest supported rate, {supported:.3g}"
        )
    return notes
