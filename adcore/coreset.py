"""Greedy k-centre selection: which few points cover all of them best."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

POOL = 512
"""Candidates that are decided among before all points are looked at again."""

ROWS = 2048
"""Points brought up to date at once; bounds memory."""


def k_centre_greedy(points: Tensor, count: int, first: int | None = None) -> Tensor:
    """Pick points one after another, each the farthest from those picked.

    Picks only ever come from the points with the largest distance, and distances only fall. So the farthest points are
    taken as a pool, the greedy rule runs inside it while its best exceeds all that is outside, and then every point is
    brought up to date for the whole group of picks in one matrix product. The picks are those of the textbook loop in
    double precision: single precision, with a margin for its error, only says who is in the pool. Where half of the
    points or more repeat others, as in images that were recorded twice, the rule runs over the distinct ones.
    Source: Gonzalez, 1985; as a coreset Sener and Savarese, ICLR 2018.

    Args:
        points: float [N, D]; no copy of them is made, except of the distinct ones among many that repeat.
        count: how many to pick, at most N.
        first: index of the first pick, of equal points the first; by default that farthest from the mean.

    Returns:
        int [count], indices in the order of picking; once the picks coincide with all points, the first of the rest.
    """
    first = _farthest_from_mean(points) if first is None else first
    distinct = _distinct(points) if count > 1 else torch.arange(len(points))
    if 2 * len(distinct) > len(points):
        return _greedy(points, count, first)
    start = int((distinct == first).nonzero())
    picks = distinct[_greedy(points[distinct], min(count, len(distinct)), start)]
    left = torch.ones(len(points), dtype=torch.bool, device=points.device)
    left[picks] = False
    return torch.cat([picks, left.nonzero()[: count - len(picks), 0]])


def _greedy(points: Tensor, count: int, start: int) -> Tensor:
    """`k_centre_greedy` from a first pick on."""
    cover = _Cover(points, start)
    while len(cover.picks) < count:
        pool, near, outside = cover.pool()
        if not near.any():
            rest = cover.nearest.isfinite().nonzero()[:, 0]
            return torch.cat([torch.tensor(cover.picks, device=points.device), rest[: count - len(cover.picks)]])
        between = cover.between(pool)
        new: list[int] = []
        while len(cover.picks) + len(new) < count:
            best = int(near.argmax())  # of equal ones the first, as in the loop
            if new and near[best] <= outside:
                break
            new.append(best)
            near = torch.minimum(near, between[best])
        cover.add(pool[new].tolist())
    return torch.tensor(cover.picks, device=points.device)


class _Cover:
    """How far points are from the picks so far.

    Attributes:
        picks: indices, in order.
        nearest: squared distance of each point to the nearest pick, [N], wrong by `margin` at most; -inf for picks.
        margin: largest error of a squared distance in the points' own precision.
    """

    def __init__(self, points: Tensor, start: int):
        self.points = points
        self._centre = _mean(points)
        self._squares = torch.cat(
            [(rows.double() - self._centre).square().sum(1) for rows in torch.split(points, ROWS)]
        )
        longest = float(self._squares.max().sqrt())
        size = longest * (longest + float(self._centre.norm()))
        self.margin = 8 * math.sqrt(points.shape[1]) * torch.finfo(points.dtype).eps * size
        self.nearest = points.new_full((len(points),), math.inf)
        self.picks: list[int] = []
        self.add([start])

    def add(self, new: list[int]) -> None:
        """Pick further points."""
        self.picks += new
        to_new = self._to(new)
        for start in range(0, len(self.points), ROWS):
            rows = slice(start, start + ROWS)
            found = to_new(rows).amin(1).add_(self._squares[rows])
            torch.minimum(self.nearest[rows], found, out=self.nearest[rows])
        self.nearest[new] = -math.inf

    def pool(self) -> tuple[Tensor, Tensor, float]:
        """The farthest points by index, their squared distances in double precision, and a bound of all others."""
        left = len(self.points) - len(self.picks)
        values, rows = self.nearest.topk(min(POOL, left))
        rows = rows.sort().values
        near = self._exact(rows)
        outside = float(values[-1]) + self.margin if len(rows) < left else -math.inf
        if near.max() > outside:
            return rows, near, outside
        # Single precision cannot tell which is farthest: double precision looks at all that may be.
        rows = (self.nearest >= values[0] - 2 * self.margin).nonzero()[:, 0]
        near = torch.cat([self._exact(part) for part in torch.split(rows, POOL)])
        best = near.topk(min(POOL, len(rows)))
        kept = best.indices.sort().values
        outside = max(float(values[0]) - self.margin, float(best.values[-1]) if len(kept) < len(rows) else -math.inf)
        return rows[kept], near[kept], outside

    def between(self, rows: Tensor) -> Tensor:
        """Squared distances of points to each other, [n, n] in double precision; -inf to themselves."""
        inside, squares = self.points[rows].double() - self._centre, self._squares[rows]
        return (squares[:, None] + squares - 2 * inside @ inside.T).clamp_min_(0).fill_diagonal_(-math.inf)

    def _exact(self, rows: Tensor) -> Tensor:
        """Squared distance of points to the nearest pick in double precision, [n]."""
        rough = torch.cat(
            [self._to(self.picks[start : start + POOL])(rows) for start in range(0, len(self.picks), POOL)], 1
        )
        row, pick = (rough <= rough.amin(1, keepdim=True) + 2 * self.margin).nonzero(as_tuple=True)
        picks = torch.tensor(self.picks, device=rows.device)
        squares = (self.points[rows[row]].double() - self.points[picks[pick]].double()).square().sum(1)
        return squares.new_full((len(rows),), math.inf).scatter_reduce(0, row, squares, "amin")

    def _to(self, picks: list[int]) -> Callable[[slice | Tensor], Tensor]:
        """Gives the squared distances of some points to picks, [n, len(picks)], less the points' own squares."""
        centred = self.points[picks].double() - self._centre
        offset = (self._squares[picks] + 2 * centred @ self._centre).to(self.points)
        turned = centred.to(self.points).T.contiguous()
        return lambda rows: torch.addmm(offset[None], self.points[rows], turned, alpha=-2)


def _mean(points: Tensor) -> Tensor:
    """In double precision, [D]."""
    return torch.stack([rows.double().sum(0) for rows in torch.split(points, ROWS)]).sum(0) / len(points)


def _farthest_from_mean(points: Tensor) -> int:
    """The first of the points that are."""
    centre = _mean(points)
    squares = torch.cat([(rows.double() - centre).square().sum(1) for rows in torch.split(points, ROWS)])
    return int(squares.argmax())


def _distinct(points: Tensor) -> Tensor:
    """Indices of points that equal none before them, ascending; a few more where sums of points coincide."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(points.shape[1], generator=generator, dtype=torch.float64).to(points.device)
    keys = torch.cat([(rows * weights).sum(1) for rows in torch.split(points, ROWS)])  # equal where points are
    order = keys.argsort(stable=True)
    repeats = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    for start in range(1, len(points), ROWS):
        rows, before = order[start : start + ROWS], order[start - 1 : start - 1 + ROWS][: len(order) - start]
        same = keys[rows] == keys[before]
        repeats[rows[same]] = (points[rows[same]] == points[before[same]]).all(1)
    return (~repeats).nonzero()[:, 0]


def project(points: Tensor, epsilon: float = 0.9, seed: int = 0) -> Tensor:
    """Random projection that keeps distances within `epsilon` (Johnson and Lindenstrauss, 1984).

    Args:
        points: float [N, C].
        epsilon: relative error of squared distances that is accepted.
        seed: of the projection.

    Returns:
        float [N, D]; the points themselves where D would be more than half of C: they would be copied and distorted for
        little.
    """
    dimensions = math.ceil(4 * math.log(max(2, len(points))) / (epsilon**2 / 2 - epsilon**3 / 3))
    if 2 * dimensions > points.shape[1]:
        return points
    return random_projection(points, dimensions, seed)


def random_projection(points: Tensor, dimensions: int, seed: int = 0) -> Tensor:
    """Points [..., C] in so many random directions, [..., dimensions]; distances keep their expected size."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(points.shape[-1], dimensions, generator=generator) / math.sqrt(dimensions)
    return points @ matrix.to(points)
