"""How the learning rate goes on in a training, and when training has gone on for long enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Schedule = Literal["cosine", "linear", "step", "constant"]

FINAL = 0.01
"""Share of the learning rate that ``cosine`` and ``linear`` end at."""

STEPS = (0.6, 0.85)
"""Shares of the training after which ``step`` divides by ten."""


def rate_share(schedule: Schedule, done: int, total: int, warmup: float = 0.05) -> float:
    """Share of the learning rate that a step takes; a function of the step alone, so a resumed training needs no state.

    Args:
        schedule: ``cosine`` falls along half a cosine and ``linear`` along a line, both to 1 %; ``step`` divides by ten
            after 60 % and after 85 % of the training; ``constant`` stays.
        done: steps that lie behind.
        total: steps of the whole training.
        warmup: share of the training in which it first rises from zero, at least one step.

    >>> [round(rate_share("cosine", done, 21), 2) for done in (0, 1, 11, 20)]
    [1.0, 1.0, 0.51, 0.02]
    """
    warm = max(1, int(total * warmup))
    if done < warm:
        return (done + 1) / warm
    if schedule == "constant":
        return 1.0
    gone = (done - warm) / max(1, total - warm)
    if schedule == "step":
        return 0.1 ** sum(gone >= share for share in STEPS)
    left = 1 - gone if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * gone))
    return FINAL + (1 - FINAL) * left


def best_place(values: Sequence[float | None], lower: bool = False) -> int:
    """Which epoch counts: the first of the best ones, or the last where no epoch has a figure.

    An epoch without a figure (None) is passed over once another has one.

    >>> best_place([0.5, 0.9, 0.9, None]), best_place([0.5, 0.1], lower=True), best_place([None, None])
    (1, 1, 1)
    """
    known = [place for place, value in enumerate(values) if value is not None]
    if not known:
        return len(values) - 1
    sign = 1 if lower else -1
    return min(known, key=lambda place: sign * values[place])  # type: ignore[operator]


def waited(values: Sequence[float | None], lower: bool = False) -> int:
    """Epochs since the best one; early stopping ends a training when they reach its patience.

    >>> waited([0.5, 0.9, 0.8, 0.9])
    2
    """
    return len(values) - 1 - best_place(values, lower)
