"""Which few rows of a bank may be the nearest, told from products of reduced precision."""

from __future__ import annotations

import math
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.precision import multiplies_int8

CANDIDATES = 8
"""Rows of the bank that are named for a point; in integers at most."""

WIDE = 8
"""A column that varies so many times as much as columns do on average is counted in full: its range is not theirs."""

CHUNK = 1024
"""Points compared with the bank at once; bounds memory."""

PIECE = 512
"""Rows of the bank multiplied at once in integers, or a few less: the products stay in the cache."""

GROUPS = 128
"""So many groups of rows, or a few more, name their best in integers."""

LEAST = torch.iinfo(torch.int32).min
"""What a row comes to that is excluded."""

DOUBT = 5.0
"""Standard deviations of the rounding, of the difference of two products, within which another row may be nearer."""


class Pairs(NamedTuple):
    """Points and the rows of a bank among which the nearest of each is as good as always; of each point there is one.

    Attributes:
        points: int [N].
        rows: int [N].
    """

    points: Tensor
    rows: Tensor

    @classmethod
    def of_each(cls, rows: Tensor) -> Pairs:
        """Each point with all of its rows [P, K]."""
        points = torch.arange(len(rows), device=rows.device)
        return cls(points.repeat_interleave(rows.shape[1]), rows.flatten())


class RoughSearch(ABC):
    """Finds candidates in one bank. Rows are taken about their mean: small numbers lose little when rounded.

    What the few columns that vary far more than others add to a distance (where a patch lies, among its features) is
    computed in full, as in LLM.int8() (Dettmers et al., 2022).
    """

    def __init__(self, bank: Tensor):
        """Prepare a bank, float32 [M, C]; no part of it is kept but wide columns."""
        self.origin = bank.mean(0)
        self.count = len(bank)
        spread = (bank - self.origin).square_().mean(0).sqrt_()
        wide = spread > WIDE * spread.mean()
        self.narrow = (~wide).nonzero()[:, 0]
        self.wide = wide.nonzero()[:, 0]

    @abstractmethod
    def candidates(self, points: Tensor, excluded: Tensor | None = None) -> Pairs:
        """Rows among which the nearest of each point is.

        Args:
            points: float32 [P, C].
            excluded: bool [M, P], rows that are named only where there are too few others.
        """

    def _parted(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """Rows [n, C] about the mean: their narrow columns, and the wide ones where there are any."""
        moved = rows - self.origin
        return (moved[:, self.narrow], moved[:, self.wide]) if len(self.wide) else (moved, None)


class FloatSearch(RoughSearch):
    """In another type of floating point: the best row of each of `CANDIDATES` parts of the bank."""

    def __init__(self, bank: Tensor, number_type: torch.dtype):
        """Prepare a bank for a type of number."""
        super().__init__(bank)
        rows, self.apart = self._parted(bank)
        self.rows = rows.to(number_type)
        self.squares = self.rows.square().sum(1)

    def candidates(self, points: Tensor, excluded: Tensor | None = None) -> Pairs:
        """One of each part."""
        size = -(-self.count // CANDIDATES)
        first, found = size * torch.arange(CANDIDATES, device=points.device), []
        for start in range(0, len(points), CHUNK):
            part, apart = self._parted(points[start : start + CHUNK])
            rough = torch.addmm(self.squares[None], part.to(self.rows.dtype), self.rows.T, alpha=-2)
            if apart is not None and self.apart is not None:
                rough = rough + _squared_distances(apart, self.apart)
            if excluded is not None:
                rough.masked_fill_(excluded[:, start : start + CHUNK].T, torch.inf)
            padded = F.pad(rough, (0, CANDIDATES * size - self.count), value=torch.inf)
            found.append(padded.view(-1, CANDIDATES, size).min(2).indices + first)  # far faster here than argmin
        return Pairs.of_each(torch.cat(found).clamp_max_(self.count - 1))


class IntegerSearch(RoughSearch):
    """In 8-bit integers, on the CPU: of the best row of each group those that rounding leaves in doubt.

    A row is the nearer, the larger its product with the point less half of its own square. Both are counted in the same
    steps, in 32 bits, of which the lowest are left to say which row of its group it is.
    """

    def __init__(self, bank: Tensor):
        """Prepare a bank."""
        super().__init__(bank)
        rows, apart = self._parted(bank)
        self.lowest = -rows.shape[1] * 127**2  # of a product
        free = 31 - math.ceil(math.log2(-3 * self.lowest))  # bits that sums of three such numbers do not need
        self.group = 2 ** min(free, max(3, math.floor(math.log2(len(rows) / GROUPS))))
        pieces = -(-len(rows) // max(PIECE, self.group))
        self.piece = -(-len(rows) // (pieces * self.group)) * self.group  # as even as can be: no rows but the bank's
        self.step, short = _step(rows), pieces * self.piece - len(rows)
        self.square = float(rows.square().sum(1).mean())
        self.halves = F.pad(rows.square().sum(1) / (-2 * self.step), (0, short), value=-math.inf)
        self.pieces = torch.split(F.pad(_rounded(rows, self.step), (0, 0, 0, short)), self.piece)
        self.apart = None if apart is None else torch.split(F.pad(apart, (0, 0, 0, short)), self.piece)
        self.inside = torch.arange(self.group, dtype=torch.int32).repeat_interleave(self.piece // self.group)

    def candidates(self, points: Tensor, excluded: Tensor | None = None) -> Pairs:
        """The best row, and all that may be nearer; of many the best ones. Points of one call share their steps."""
        moved, apart = self._parted(points)
        step = _step(moved)
        halves = (self.halves / step).clamp_min_(self.lowest).to(torch.int32).view(-1, self.piece)
        offsets = (halves * self.group + self.inside)[:, :, None]
        rounding = math.sqrt(self.square / 6 * (1 / step**2 + 1 / self.step**2))  # points as far out as rows are
        doubt = math.ceil(min(self.group * (DOUBT * rounding + 1), 2**32))
        found = []
        for start in range(0, len(moved), CHUNK):
            part = slice(start, start + CHUNK)
            none = None if excluded is None else excluded[:, part]
            far = None if apart is None else self._far(apart[part], step)
            best = self._best(_rounded(moved[part], step), offsets, far, none)
            groups, of = _in_doubt(best, doubt)
            each = self.piece // self.group
            rows = groups // each * self.piece + best[groups, of] % self.group * each + groups % each
            found.append((of + start, rows.clamp_max_(self.count - 1)))
        return Pairs(*(torch.cat(parts) for parts in zip(*found, strict=True)))

    def _far(self, points: Tensor, step: float) -> Iterator[Tensor]:
        """For each piece what wide columns take off: halves of squared distances in steps, int32 [piece, n]."""
        assert self.apart is not None
        for rows in self.apart:
            halves = _squared_distances(rows, points).mul_(-0.5 / (self.step * step))
            yield halves.clamp_min_(self.lowest).to(torch.int32)

    def _best(self, points: Tensor, offsets: Tensor, far: Iterator[Tensor] | None, excluded: Tensor | None) -> Tensor:
        """What the best row of each group comes to, int32 [groups, n]; the lowest digits say where in the group."""
        each, count = self.piece // self.group, len(points)
        products = torch.empty(self.piece, count, dtype=torch.int32)  # one for all: memory anew is slow
        grouped, columns = products.view(self.group, each, count), points.T
        best = torch.empty(len(self.pieces), each, count, dtype=torch.int32)
        for place, (rows, offset, highest) in enumerate(zip(self.pieces, offsets, best, strict=True)):
            torch._int_mm(rows, columns, out=products)
            torch.add(offset, products, alpha=self.group, out=products)
            if far is not None:
                products.add_(next(far), alpha=self.group)
            if excluded is not None:
                none = excluded[place * self.piece : (place + 1) * self.piece]
                products[: len(none)].masked_fill_(none, LEAST)
            torch.amax(grouped, 0, out=highest)
        return best.flatten(0, 1)


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


def _in_doubt(best: Tensor, doubt: int) -> tuple[Tensor, Tensor]:
    """Where values [m, n] lie no more than `doubt` below the highest of their column, and which columns these are.

    Of a column there are at most `CANDIDATES`, the highest.
    """
    named = best >= (best.amax(0).to(torch.int64) - doubt).clamp_min_(LEAST).to(torch.int32)
    crowded = (named.sum(0, dtype=torch.int32) > CANDIDATES).nonzero()[:, 0]
    if len(crowded):
        columns = best[:, crowded].T.contiguous().numpy()
        highest = np.argpartition(columns, -CANDIDATES)[:, -CANDIDATES:]  # half of the time of PyTorch's `topk`
        named[:, crowded] = False
        named[torch.from_numpy(highest), crowded[:, None]] = True
    groups, of = np.divmod(np.flatnonzero(named.numpy()), best.shape[1])  # several times faster than PyTorch's
    return torch.from_numpy(groups), torch.from_numpy(of)


def _squared_distances(rows: Tensor, others: Tensor) -> Tensor:
    """Float32 [n, m] of rows [n, c] and others [m, c], of a few columns."""
    squares = rows.square().sum(1)[:, None] + others.square().sum(1)
    return squares.addmm_(rows, others.T, alpha=-2)


def _step(values: Tensor) -> float:
    """Of 8-bit integers that hold all of these values."""
    low, high = values.aminmax()
    return max(float(high), -float(low), 1e-30) / 127


def _rounded(values: Tensor, step: float) -> Tensor:
    """As 8-bit integers; overwrites the values."""
    return values.mul_(1 / step).round_().to(torch.int8)
