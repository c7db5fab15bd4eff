"""Nearest neighbours by matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 1024
"""Points compared with the bank at once; bounds memory."""

CANDIDATES = 8
"""Found in reduced precision and compared anew in full."""

FEW = 256
"""Points whose candidates are compared at once: they stay in the cache."""

_reduced: ContextVar[torch.dtype] = ContextVar("reduced", default=torch.float32)


@contextmanager
def searching_in(number_type: torch.dtype) -> Iterator[None]:
    """Look for candidates in this type of number; the distances to them are computed in full all the same."""
    before = _reduced.set(number_type)
    try:
        yield
    finally:
        _reduced.reset(before)


def nearest(points: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest row of a bank for each point, by matrix products.

    In reduced precision (`searching_in`) the bank's best row in each of `CANDIDATES` parts is compared anew in full. It
    is the nearest unless a row of the same part is as near within that precision.

    Args:
        points: float32 [P, C].
        bank: float32 [M, C], M >= 1.

    Returns:
        Euclidean distance [P] and index [P].
    """
    kind, parts, origin = _reduced.get(), 1, None
    if kind != bank.dtype and len(bank) > CANDIDATES:
        origin = bank.mean(0)  # numbers about their mean are small, and lose little when they are rounded
        parts = CANDIDATES
    rows = bank if origin is None else (bank - origin).to(kind)
    squares = rows.square().sum(1)
    found = []
    for part in torch.split(points, CHUNK):
        moved = part if origin is None else (part - origin).to(kind)
        found.append(_best(part, bank, torch.addmm(squares[None], moved, rows.T, alpha=-2), parts))
    distances, indices = zip(*found, strict=True)
    return torch.cat(distances), torch.cat(indices)


def _best(points: Tensor, bank: Tensor, rough: Tensor, parts: int) -> tuple[Tensor, Tensor]:
    """Distance and index of the nearest, [n] each, among the candidates that rough distances [n, M] name."""
    size = -(-len(bank) // parts)
    if parts == 1:
        candidates = rough.argmin(1, keepdim=True)
    else:
        padded = F.pad(rough, (0, parts * size - len(bank)), value=torch.inf)
        best = padded.view(-1, parts, size).min(2).indices  # far faster here than argmin
        candidates = (best + size * torch.arange(parts, device=bank.device)).clamp_max(len(bank) - 1)
    # Near zero the matrix product has lost its digits: it finds the rows, the distances are taken by themselves.
    squares = torch.cat(
        [_squares(*few, bank) for few in zip(torch.split(points, FEW), torch.split(candidates, FEW), strict=True)]
    )
    least, which = squares.min(1)
    return least.sqrt(), candidates.gather(1, which[:, None])[:, 0]


def _squares(points: Tensor, rows: Tensor, bank: Tensor) -> Tensor:
    """Squared distances of points [n, C] to rows [n, K] of the bank, [n, K]."""
    found = bank.index_select(0, rows.flatten()).view(*rows.shape, -1)
    return found.sub_(points[:, None]).square_().sum(2)
