"""References judged by each other: who is judged by whom, and which are looked at where they are many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from adcore.interfaces import Features

Item = TypeVar("Item")

MOST_FOLDS = 8
"""More references than this are judged in so many groups, each by the others."""

MOST_JUDGED = 256
"""References judged by the others at most; more would make fitting slower and the statistics no better."""


def content(reference: Features) -> float:
    """A number that tells a reference from others by what it shows, never by its place.

    Args:
        reference: pyramid of its views, [views, C_l, H_l, W_l]; the first counts.
    """
    return math.fsum(float(level[0].double().mean()) for level in reference)


def fold(place: int, content: float, count: int) -> int:
    """The group of a reference: of few each is its own, of many the content decides, alike however they are ordered.

    Args:
        place: of the reference among all.
        content: what `content` says of it.
        count: how many references there are.
    """
    return place if count <= MOST_FOLDS else lot(content, MOST_FOLDS)


def lot(content: float, count: int) -> int:
    """A number from 0 to `count` - 1 that what is shown decides, as good as at random.

    >>> lot(0.123, 8), lot(0.123 + 1e-12, 8), lot(0.124, 8)
    (4, 4, 6)
    """
    mantissa, _ = math.frexp(content)
    return int(mantissa * 2**24) % count  # so coarse that another order of additions hardly ever changes it


def evenly_chosen(contents: Sequence[float], most: int = MOST_JUDGED) -> tuple[int, ...]:
    """Places of at most so many references, spread evenly over all that they show; ascending.

    >>> len(evenly_chosen(range(1000))), evenly_chosen([2.0, 1.0, 3.0])
    (256, (0, 1, 2))
    """
    order = sorted(range(len(contents)), key=contents.__getitem__)
    count = min(len(order), most)
    return tuple(sorted(order[(2 * turn + 1) * len(order) // (2 * count)] for turn in range(count)))


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items, evenly spaced.

    >>> evenly("abcdef", 3), evenly("ab", 3)
    (['a', 'c', 'e'], ['a', 'b'])
    """
    count = min(most, len(items))
    return [items[i * len(items) // count] for i in range(count)]
