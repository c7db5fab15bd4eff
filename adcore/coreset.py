"""Greedy k-centre selection: which few points cover all of them best."""

from __future__ import annotations

import math

import torch
from torch import Tensor

POOL = 256
"""Candidates that are decided among before all points are looked at again."""

ROWS = 8192
"""Points brought up to date at once; bounds memory."""


def k_centre_greedy(points: Tensor, count: int) -> Tensor:
    """Pick points one after another, each the farthest from those picked; the first is the farthest from the mean.

    Picks only ever come from the points with the largest distance, and distances only fall. So the farthest points are
    taken as a pool, the greedy rule runs inside it while its best exceeds all that is outside, and then every point is
    brought up to date for the whole group of picks in one matrix product. The picks are those of the textbook loop.
    Source: Gonzalez, 1985; as a coreset Sener and Savarese, ICLR 2018.

    Args:
        points: float [N, D]; computed with in double precision, in which hardly any near tie falls otherwise.
        count: how many to pick, at most N.

    Returns:
        int [count], indices in the order of picking.
    """
    x = points.double()
    x = x - x.mean(0)
    squares = x.square().sum(1)  # [N]
    picks = [int(squares.argmax())]
    nearest = _distances(x, squares, picks)  # [N] squared distance to the nearest pick
    while len(picks) < count:
        pool = nearest.topk(min(POOL, len(x))).indices.sort().values
        outside = nearest[pool].min() if len(pool) < len(x) else nearest.new_tensor(-2.0)
        inside, near = x[pool], nearest[pool]
        between = _pairwise(inside, squares[pool])  # [K, K]
        new: list[int] = []
        while len(picks) + len(new) < count:
            best = int(near.argmax())
            if new and near[best] <= outside:
                break
            new.append(int(pool[best]))
            near = torch.minimum(near, between[best])
        nearest = torch.minimum(nearest, _distances(x, squares, new))
        picks += new
    return torch.tensor(picks, device=points.device)


def project(points: Tensor, epsilon: float = 0.9, seed: int = 0) -> Tensor:
    """Random projection that keeps distances within `epsilon` (Johnson and Lindenstrauss, 1984).

    Args:
        points: float [N, C].
        epsilon: relative error of squared distances that is accepted.
        seed: of the projection.

    Returns:
        float [N, D]; the points themselves where D would be no smaller than C.
    """
    dimensions = math.ceil(4 * math.log(max(2, len(points))) / (epsilon**2 / 2 - epsilon**3 / 3))
    if dimensions >= points.shape[1]:
        return points
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(points.shape[1], dimensions, generator=generator) / math.sqrt(dimensions)
    return points @ matrix.to(points)


def _distances(x: Tensor, squares: Tensor, picks: list[int]) -> Tensor:
    """Squared distance of every point to the nearest of the picks, [N]."""
    centres, lengths = x[picks].T, squares[picks]
    parts = []
    for rows, square in zip(torch.split(x, ROWS), torch.split(squares, ROWS), strict=True):
        parts.append(torch.addmm(lengths[None], rows, centres, alpha=-2).amin(1).add_(square))
    found = torch.cat(parts).clamp_min_(0)
    found[picks] = -1  # never again, also where points coincide
    return found


def _pairwise(x: Tensor, squares: Tensor) -> Tensor:
    return (squares[:, None] + squares[None] - 2 * x @ x.T).clamp_min_(0).fill_diagonal_(-1)
