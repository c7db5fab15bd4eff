"""Nearest neighbours by matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from adcore.rough_search import CHUNK, Pairs, rough_search

AT_ONCE = 1024
"""Pairs that are compared at once: few enough for a processor's cache, many enough for a GPU."""

ALIGNED = 16
"""Numbers that a row of products starts at a multiple of: 64 bytes. Else they take a third longer on some CPUs."""

_reduced: ContextVar[torch.dtype] = ContextVar("reduced", default=torch.float32)


@contextmanager
def searching_in(number_type: torch.dtype) -> Iterator[None]:
    """Look for candidates in reduced precision; the distances to them are computed in full all the same.

    Also where a head is trained under autocast, which would round one minus a cosine to two digits.
    """
    before = _reduced.set(number_type)
    try:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            yield
    finally:
        _reduced.reset(before)


def searching_reduced() -> bool:
    """Whether candidates are looked for in reduced precision."""
    return _reduced.get() != torch.float32


def nearest(points: Tensor, bank: Tensor, excluded: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The nearest row of a bank for each point, by matrix products.

    In reduced precision (`searching_in`) a few candidates are compared anew in full. The nearest is among them unless
    more rows are as near within that precision; see `adcore.rough_search`.

    Args:
        points: float32 [P, C].
        bank: float32 [M, C], M >= 1.
        excluded: bool [M, P], rows that are not looked at; where they are all, any is returned.

    Returns:
        Euclidean distance [P] and index [P].
    """
    if searching_reduced():
        with torch.no_grad():
            named = rough_search(bank, _reduced.get()).candidates(points, excluded)
    else:
        named = Pairs.of_each(_best(points, bank, excluded))
    # Near zero the matrix product has lost its digits: it finds the rows, the distances are taken by themselves.
    squares = _squares(points, bank, named)
    if excluded is not None:
        squares = squares.masked_fill(excluded[named.rows, named.points], torch.inf)
    least = squares.new_full((len(points),), torch.inf).scatter_reduce(0, named.points, squares, "amin")
    closest = squares == least[named.points]
    rows = named.points.new_zeros(len(points))
    rows.scatter_reduce_(0, named.points[closest], named.rows[closest], "amin", include_self=False)
    return least.sqrt(), rows


@torch.no_grad()
def _best(points: Tensor, bank: Tensor, excluded: Tensor | None) -> Tensor:
    """The nearest row of each point, int [P, 1], as far as a matrix product can tell."""
    squares, found = bank.square().sum(1), []
    wide = -(-len(bank) // ALIGNED) * ALIGNED
    rows = points.new_empty(min(CHUNK, len(points)), wide)[:, : len(bank)]
    for start in range(0, len(points), CHUNK):
        part = points[start : start + CHUNK]
        rough = torch.addmm(squares[None], part, bank.T, alpha=-2, out=rows[: len(part)])
        if excluded is not None:
            rough.masked_fill_(excluded[:, start : start + CHUNK].T, torch.inf)
        found.append(_least(rough)[:, None])
    return torch.cat(found)


def _least(rough: Tensor) -> Tensor:
    """Where the least of each row is, int [n]; NumPy finds it several times faster than PyTorch on a CPU."""
    return torch.from_numpy(rough.numpy().argmin(1)) if rough.device.type == "cpu" else rough.argmin(1)


def _squares(points: Tensor, bank: Tensor, named: Pairs) -> Tensor:
    """Squared distances [N] of pairs of points [P, C] and rows of the bank."""
    parts = []
    for some, rows in zip(torch.split(named.points, AT_ONCE), torch.split(named.rows, AT_ONCE), strict=True):
        apart = bank.index_select(0, rows).sub_(points.index_select(0, some))
        parts.append(torch.linalg.vecdot(apart, apart))
    return torch.cat(parts)
