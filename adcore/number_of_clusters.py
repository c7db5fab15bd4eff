"""Clusterers that are told how many clusters to find: those with a setting ``k``."""

from __future__ import annotations

import copy

from adcore.interfaces import Clusterer


def takes_number(clusterer: Clusterer) -> bool:
    """Whether it can be told; others find the number themselves."""
    return hasattr(clusterer, "k")


def with_number(clusterer: Clusterer, k: int) -> Clusterer:
    """A copy that finds so many; only of one that takes a number."""
    twin = copy.copy(clusterer)
    twin.k = k  # type: ignore[attr-defined]
    return twin
