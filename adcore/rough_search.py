"""Which few rows of a bank may be the nearest, told from products of reduced precision."""

from __future__ import annotations

import math
import weakref
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.precision import multiplies_int8

CANDIDATES = 8
"""Rows of the bank that are named for each point."""

CHUNK = 1024
"""Points compared with the bank at once; bounds memory."""

PIECE = 512
"""Rows of the bank multiplied at once in integers: the products stay in the cache."""

GROUPS = 128
"""So many groups of rows, or a few more, name their best in integers."""


class RoughSearch(ABC):
    """Finds candidates in one bank. Rows are taken about their mean: small numbers lose little when rounded."""

    def __init__(self, bank: Tensor):
        """Prepare a bank, float32 [M, C]; no part of it is kept."""
        self.origin = bank.mean(0)
        self.count = len(bank)

    @abstractmethod
    def candidates(self, points: Tensor, excluded: Tensor | None = None) -> Tensor:
        """Rows among which the nearest of each point is, as good as always.

        Args:
            points: float32 [P, C].
            excluded: bool [M, P], rows that are named only where there are too few others.

        Returns:
            int [P, K].
        """


class FloatSearch(RoughSearch):
    """In another type of floating point: the best row of each of `CANDIDATES` parts of the bank."""

    def __init__(self, bank: Tensor, number_type: torch.dtype):
        """Prepare a bank for a type of number."""
        super().__init__(bank)
        self.rows = (bank - self.origin).to(number_type)
        self.squares = self.rows.square().sum(1)

    def candidates(self, points: Tensor, excluded: Tensor | None = None) -> Tensor:
        """One of each part."""
        size = -(-self.count // CANDIDATES)
        first, found = size * torch.arange(CANDIDATES, device=points.device), []
        for start in range(0, len(points), CHUNK):
            part = (points[start : start + CHUNK] - self.origin).to(self.rows.dtype)
            rough = torch.addmm(self.squares[None], part, self.rows.T, alpha=-2)
            if excluded is not None:
                rough.masked_fill_(excluded[:, start : start + CHUNK].T, torch.inf)
            padded = F.pad(rough, (0, CANDIDATES * size - self.count), value=torch.inf)
            found.append(padded.view(-1, CANDIDATES, size).min(2).indices + first)  # far faster here than argmin
        return torch.cat(found).clamp_max_(self.count - 1)


class IntegerSearch(RoughSearch):
    """In 8-bit integers, on the CPU: the best row of each of the `CANDIDATES` best groups.

    A row is the nearer, the larger its product with the point less half of its own square. Both are counted in the same
    steps, in 32 bits, of which the lowest are left to say which row of its group it is.
    """

    def __init__(self, bank: Tensor):
        """Prepare a bank."""
        super().__init__(bank)
        rows = bank - self.origin
        self.lowest = -rows.shape[1] * 127**2  # of a product
        free = 31 - math.ceil(math.log2(-2 * self.lowest))  # bits that sums of two such numbers do not need
        self.group = 2 ** min(free, max(3, math.floor(math.log2(len(rows) / GROUPS))))
        self.piece = max(PIECE, self.group)
        step, short = _step(rows), -len(rows) % self.piece
        self.halves = F.pad(rows.square().sum(1) / (-2 * step), (0, short), value=-math.inf)
        self.rows = F.pad(_rounded(rows, step), (0, 0, 0, short))
        self.inside = torch.arange(self.group, dtype=torch.int32).repeat_interleave(self.piece // self.group)

    def candidates(self, points: Tensor, excluded: Tensor | None = None) -> Tensor:
        """One of each of the best groups; points of one call share their steps."""
        moved = points - self.origin
        step = _step(moved)
        halves = (self.halves / step).clamp_min_(self.lowest).to(torch.int32).view(-1, self.piece)
        offsets = (halves * self.group + self.inside).flatten()[:, None]
        parts = range(0, len(moved), CHUNK)
        return torch.cat([self._found(_rounded(moved[i : i + CHUNK], step), offsets, excluded, i) for i in parts])

    def _found(self, points: Tensor, offsets: Tensor, excluded: Tensor | None, first: int) -> Tensor:
        products = torch.empty(self.piece, len(points), dtype=torch.int32)  # one for all: memory anew is slow
        best = []
        for start in range(0, len(self.rows), self.piece):
            torch._int_mm(self.rows[start : start + self.piece], points.T, out=products)
            torch.add(offsets[start : start + self.piece], products, alpha=self.group, out=products)
            if excluded is not None:
                none = excluded[start : start + self.piece, first : first + len(points)]
                products[: len(none)].masked_fill_(none, torch.iinfo(torch.int32).min)
            best.append(products.view(self.group, -1, len(points)).amax(0))
        every = torch.cat(best).T.contiguous()  # [n, groups]
        groups = every.topk(min(CANDIDATES, every.shape[1]), sorted=False).indices
        inside, each = every.gather(1, groups) % self.group, self.piece // self.group
        rows: Tensor = groups // each * self.piece + inside * each + groups % each
        return rows.clamp_max_(self.count - 1)


_known: dict[int, tuple[weakref.ref[Tensor], torch.dtype, RoughSearch]] = {}
"""Searches of banks that are in use, by the bank's id: most are searched for many images."""


def rough_search(bank: Tensor, number_type: torch.dtype) -> RoughSearch:
    """How to look for candidates in a bank, which must not be changed while it is in use.

    On a processor that multiplies 8-bit integers these serve, elsewhere the type of number given.
    """
    place = id(bank)
    known = _known.get(place)
    if known is not None and known[0]() is bank and known[1] == number_type:
        return known[2]
    search = IntegerSearch(bank) if multiplies_int8(bank.device) else FloatSearch(bank, number_type)
    _known[place] = weakref.ref(bank, lambda _: _known.pop(place, None)), number_type, search
    return search


def _step(values: Tensor) -> float:
    """Of 8-bit integers that hold all of these values."""
    low, high = values.aminmax()
    return max(float(high), -float(low), 1e-30) / 127


def _rounded(values: Tensor, step: float) -> Tensor:
    return (values * (1 / step)).round_().to(torch.int8)
