"""Random numbers of products: independent streams from integer keys, and the ways numbers are drawn from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Random = np.random.Generator


def stream(*key: int) -> Random:
    """The stream of random numbers of a key; other keys have independent ones."""
    return np.random.default_rng(key)


def log_uniform(rng: Random, low: float, high: float) -> float:
    """One number, all orders of magnitude in the range equally likely."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def chance(rng: Random, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)


def pick(rng: Random, options: Sequence[T]) -> T:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def weighted(rng: Random, options: Mapping[T, float]) -> T:
    """One of the options, as likely as its weight."""
    names, weights = list(options), np.cumsum(list(options.values()))
    return names[min(int(np.searchsorted(weights, rng.random() * weights[-1], "right")), len(names) - 1)]


def strength(rng: Random, most: float) -> float:
    """How much something varies: nothing for three in ten products, little for most, up to `most` for a few."""
    return 0.0 if chance(rng, 0.3) else float(most * rng.random() ** 2.5)


def seed(rng: Random) -> int:
    """A key for a further stream."""
    return int(rng.integers(2**31))
