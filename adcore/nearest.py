"""Nearest neighbours by matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from adcore.rough_search import CHUNK, rough_search

PAIRS = 4096
"""Of points and their candidates that are compared at once: they stay in the cache."""

FEW = 512
"""The same, where each point has its own number of candidates."""

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
            candidates, doubtful = rough_search(bank, _reduced.get()).candidates(points, excluded)
    else:
        candidates, doubtful = _best(points, bank, excluded), None
    # Near zero the matrix product has lost its digits: it finds the rows, the distances are taken by themselves.
    squares = _squares(points, candidates, bank) if doubtful is None else _of_these(points, candidates, doubtful, bank)
    if excluded is not None and candidates.shape[1] > 1:
        squares = squares.masked_fill(excluded.T.gather(1, candidates), torch.inf)
    least, which = squares.min(1)
    return least.sqrt(), candidates.gather(1, which[:, None])[:, 0]


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


def _of_these(points: Tensor, rows: Tensor, these: Tensor, bank: Tensor) -> Tensor:
    """Squared distances of points [P, C] to those of their rows [P, K] that are marked, and infinity, [P, K]."""
    pairs = zip(torch.split(these.nonzero()[:, 0], FEW), torch.split(rows[these], FEW), strict=True)
    found = [_squares(points.index_select(0, some), own[:, None], bank)[:, 0] for some, own in pairs]
    return points.new_full(rows.shape, torch.inf).masked_scatter(these, torch.cat(found))


def _squares(points: Tensor, rows: Tensor, bank: Tensor) -> Tensor:
    """Squared distances of points [P, C] to rows [P, K] of the bank, [P, K]."""
    few = max(1, PAIRS // rows.shape[1])
    parts = []
    for some, these in zip(torch.split(points, few), torch.split(rows, few), strict=True):
        found = bank.index_select(0, these.flatten()).view(*these.shape, -1)
        parts.append(found.sub_(some[:, None]).square_().sum(2))
    return torch.cat(parts)
