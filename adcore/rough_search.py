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
"""Rows of the bank that are named for each point."""

FEWER = 4
"""Rows that are named in integers, where the best of all are looked for, in banks of at most `SPARSE` rows."""

SPARSE = 4096
"""Rows of a bank in which hardly more than four lie within the rounding of the nearest."""

WIDE = 8
"""A column that varies so many times as much as columns do on average is counted in full: its range is not theirs."""

CHUNK = 1024
"""Points compared with the bank at once; bounds memory."""

PIECE = 512
"""Rows of the bank multiplied at once in integers, or a few less: the products stay in the cache."""

GROUPS = 128
"""So many groups of rows, or a few more, name their best in integers."""

DOUBT = 5.0
"""Standard deviations of the rounding, of the difference of two products, within which another row may be nearer."""


class Candidates(NamedTuple):
    """Rows of a bank, among which the nearest of each point is as good as always.

    Attributes:
        rows: int [P, K].
        doubtful: bool [P, K], which of them may be nearer than the first; None for all.
    """

    rows: Tensor
    doubtful: Tensor | None = None


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
    def candidates(self, points: Tensor, excluded: Tensor | None = None) -> Candidates:
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

    def candidates(self, points: Tensor, excluded: Tensor | None = None) -> Candidates:
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
        return Candidates(torch.cat(found).clamp_max_(self.count - 1))


class IntegerSearch(RoughSearch):
    """In 8-bit integers, on the CPU: the best row of each of the best groups, eight or four of them.

    A row is the nearer, the larger its product with the point less half of its own square. Both are counted in the same
    steps, in 32 bits, of which the lowest are left to say which row of its group it is.
    """

    def __init__(self, bank: Tensor):
        """Prepare a bank."""
        super().__init__(bank)
        rows, apart = self._parted(bank)
        self.named = FEWER if len(rows) <= SPARSE else CANDIDATES
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

    def candidates(self, points: Tensor, excluded: Tensor | None = None) -> Candidates:
        """One of each of the best groups, the best first; points of one call share their steps."""
        moved, apart = self._parted(points)
        step = _step(moved)
        halves = (self.halves / step).clamp_min_(self.lowest).to(torch.int32).view(-1, self.piece)
        offsets = (halves * self.group + self.inside)[:, :, None]
        found = []
        for start in range(0, len(moved), CHUNK):
            part = slice(start, start + CHUNK)
            none = None if excluded is None else excluded[:, part]
            far = None if apart is None else self._far(apart[part], step)
            found.append(self._found(_rounded(moved[part], step), offsets, far, none))
        values, rows = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*found, strict=True))
        rounding = math.sqrt(self.square / 6 * (1 / step**2 + 1 / self.step**2))  # points as far out as rows are
        least = values[:, :1].to(torch.int64) - math.ceil(min(self.group * (DOUBT * rounding + 1), 2**32))
        return Candidates(rows.clamp_max_(self.count - 1), values >= least)

    def _far(self, points: Tensor, step: float) -> Iterator[Tensor]:
        """For each piece what wide columns take off: halves of squared distances in steps, int32 [piece, n]."""
        assert self.apart is not None
        for rows in self.apart:
            halves = _squared_distances(rows, points).mul_(-0.5 / (self.step * step))
            yield halves.clamp_min_(self.lowest).to(torch.int32)

    def _found(
        self, points: Tensor, offsets: Tensor, far: Iterator[Tensor] | None, excluded: Tensor | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the best rows come to, which in its lowest digits says where in the group, and the rows, [n, K] each."""
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
                products[: len(none)].masked_fill_(none, torch.iinfo(torch.int32).min)
            torch.amax(grouped, 0, out=highest)
        values, groups = _highest(best.flatten(0, 1).T.contiguous(), self.named)  # of [n, groups]
        return values, groups // each * self.piece + values % self.group * each + groups % each


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


def _highest(values: Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The highest of each row of int32 [n, m] and where they are, [n, min(count, m)] each; overwrites them.

    One after another by NumPy, which finds four in a sixth of the time that PyTorch's `topk` takes.
    """
    rows, here = np.arange(len(values)), values.numpy()
    found, places = [], []
    for _ in range(min(count, here.shape[1])):
        place = here.argmax(1)
        found.append(here[rows, place])
        places.append(place)
        here[rows, place] = np.iinfo(here.dtype).min
    return np.stack(found, 1), np.stack(places, 1)


def _squared_distances(rows: Tensor, others: Tensor) -> Tensor:
    """Float32 [n, m] of rows [n, c] and others [m, c], of a few columns."""
    squares = rows.square().sum(1)[:, None] + others.square().sum(1)
    return squares.addmm_(rows, others.T, alpha=-2)


def _step(values: Tensor) -> float:
    """Of 8-bit integers that hold all of these values."""
    low, high = values.aminmax()
    return max(float(high), -float(low), 1e-30) / 127


def _rounded(values: Tensor, step: float) -> Tensor:
    return (values * (1 / step)).round_().to(torch.int8)
