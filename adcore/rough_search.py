"""Which few rows of a bank may be the nearest, told from products of reduced precision."""

from __future__ import annotations

import math
import weakref
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.precision import multiplies_int8, multiply_int8

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

PIECE = 4096
"""Rows of the bank multiplied at once in integers; bounds memory."""

GROUP = 16
"""Rows of which one is named in integers, or of fewer, where that would leave less than `GROUPS` of them."""

GROUPS = 64

TINY = 1e-12
"""The least range of numbers, where they are all the same."""

FLAT = 1e-4
"""The least range of points, as a share of the largest number among them: float32 tells no more steps apart."""

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

    A row is the nearer, the larger its product with the point less half of its own square. Points are rounded to 0 to
    255, rows to -127 to 127; their products are exact.
    """

    def __init__(self, bank: Tensor):
        """Prepare a bank."""
        super().__init__(bank)
        rows, apart = self._parted(bank)
        self.named = FEWER if len(rows) <= SPARSE else CANDIDATES
        low, high = rows.aminmax()
        self.step = max(float(high), -float(low), TINY) / 127
        self.square = float(rows.square().sum(1).mean())
        group = min(GROUP, max(1, len(rows) // GROUPS))
        self.pieces = [
            _Piece(start, rows[start : start + PIECE], self.step, group, apart) for start in range(0, len(rows), PIECE)
        ]

    def candidates(self, points: Tensor, excluded: Tensor | None = None) -> Candidates:
        """One of each of the best groups, the best first; points of one call share their steps."""
        apart = None
        origin = self.origin
        if len(self.wide):
            apart = points[:, self.wide] - origin[self.wide]
            points, origin = points[:, self.narrow], origin[self.narrow]
        lowest, highest = points.amin(0), points.amax(0)
        largest = max(-float(lowest.min()), float(highest.max()))
        low = float((lowest - origin).min())
        step = max(float((highest - origin).max()) - low, FLAT * largest, TINY) / 255
        rounded = torch.add(origin.neg().sub_(low).div_(step).add_(0.5), points, alpha=1 / step)
        whole = torch.from_numpy(rounded.numpy().astype(np.uint8))  # in half the time that PyTorch takes
        del rounded
        found = []
        for start in range(0, len(whole), CHUNK):
            chunk = slice(start, start + CHUNK)
            none = None if excluded is None else excluded[:, chunk]
            found.append(self._best(whole[chunk], low, step, None if apart is None else apart[chunk], none))
        values, rows = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*found, strict=True))
        rounding = math.sqrt(self.square / 6 * (1 / step**2 + 1 / self.step**2))  # points as far out as rows are
        doubtful = values >= (values[:, 0] - DOUBT * rounding)[:, None]
        doubtful[:, 0] = True  # also where it is no number
        return Candidates(rows.clamp_max_(self.count - 1), doubtful)

    def _best(
        self, points: Tensor, low: float, step: float, apart: Tensor | None, excluded: Tensor | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values of the best rows for points, uint8 [n, C], and which these are, [n, K] each."""
        values, rows = [], []
        for piece in self.pieces:
            products = piece.times(points, low, step)
            if apart is not None and piece.apart is not None:
                squares = _squared_distances(apart, piece.apart)
                products[:, : len(piece.apart)].sub_(squares, alpha=0.5 / (self.step * step))
            if excluded is not None:
                none = excluded[piece.start : piece.start + PIECE].T
                products[:, : none.shape[1]].masked_fill_(none, -torch.inf)
            grouped = products.view(len(points), piece.group, -1)
            best, groups = _highest(grouped.amax(1).numpy(), self.named)
            inside = grouped.numpy()[np.arange(len(points))[:, None], :, groups].argmax(2)
            values.append(best)
            rows.append(piece.start + inside * grouped.shape[2] + groups)
        if len(self.pieces) == 1:
            return values[0], rows[0]
        best, places = _highest(np.concatenate(values, 1), self.named)
        return best, np.take_along_axis(np.concatenate(rows, 1), places, 1)


class _Piece:
    """Some rows of a bank, laid out as oneDNN multiplies them."""

    def __init__(self, start: int, rows: Tensor, step: float, group: int, apart: Tensor | None):
        """Round and lay out `rows` [m, C], those from place `start` on; of `apart` [M, c] theirs are kept."""
        self.start, self.step, self.group = start, step, group
        self.apart = None if apart is None else apart[start : start + len(rows)]
        whole = F.pad((rows / step).round_(), (0, 0, 0, -len(rows) % group))
        self.halves = F.pad(rows.square().sum(1).mul_(-0.5), (0, len(whole) - len(rows)), value=-torch.inf)
        self.sums = whole.sum(1)
        self.weight = torch.ops.onednn.qlinear_prepack(whole.to(torch.int8), [CHUNK, whole.shape[1]])
        self.ones, self.zeros = torch.ones(len(whole)), torch.zeros(len(whole), dtype=torch.int32)

    def times(self, points: Tensor, low: float, step: float) -> Tensor:
        """For points, uint8 [n, C] from `low` on in steps, the larger the nearer a row is, float32 [n, rows].

        Halves of squared distances, with another sign, in steps of both and but for a summand of each point.
        """
        bias = torch.add(self.halves / (self.step * step), self.sums, alpha=low / step)
        return multiply_int8(points, self.weight, self.ones, self.zeros, bias)


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


def _highest(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The highest of each row of float [n, m] and where they are, [n, min(count, m)] each; overwrites them.

    One after another: NumPy finds four in a third of the time that PyTorch's `topk` takes.
    """
    rows, found, places = np.arange(len(values)), [], []
    for _ in range(min(count, values.shape[1])):
        place = values.argmax(1)
        found.append(values[rows, place])
        places.append(place)
        values[rows, place] = -np.inf
    return np.stack(found, 1), np.stack(places, 1)


def _squared_distances(rows: Tensor, others: Tensor) -> Tensor:
    """Float32 [n, m] of rows [n, c] and others [m, c], of a few columns."""
    squares = rows.square().sum(1)[:, None] + others.square().sum(1)
    return squares.addmm_(rows, others.T, alpha=-2)
