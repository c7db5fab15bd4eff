"""Random fields: smooth, and streaked along a direction."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import map_coordinates

from adcore.data.demo.grid import Field, Pose, axis


@lru_cache(maxsize=64)
def _spline(size: int, cells: int) -> Field:
    """Uniform cubic B-spline basis, [size, cells + 3]."""
    position = axis(size)[:, None] * cells - np.arange(-1, cells + 2)
    t = np.abs(position)
    near, far = 2 / 3 - t**2 + t**3 / 2, np.clip(2 - t, 0, None) ** 3 / 6
    basis: Field = np.where(t < 1, near, far).astype(np.float32)
    return basis


def smooth(rng: np.random.Generator, size: int, cells: int) -> Field:
    """Smooth noise [size, size] of about zero mean and unit variance, with about `cells` bumps along a side."""
    basis = _spline(size, cells)
    knots = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
    # einsum, because a threaded matrix product costs more than it saves at these sizes
    field: Field = np.einsum("yi,xi->yx", np.einsum("yi,ij->yj", basis, knots), basis)
    field /= np.float32(0.479)  # the share of the knots' deviation that the basis keeps
    return field


def grain(rng: np.random.Generator, size: int) -> Field:
    """White noise [size, size]."""
    return rng.standard_normal((size, size), dtype=np.float32)


def streaks(rng: np.random.Generator, size: int, pose: Pose, across: int, along: int) -> Field:
    """Noise [size, size] stretched along the pose's x axis: `across` streaks over a side, 1 / `along` of it long."""
    u, v = pose.local(axis(size), axis(size))
    table = rng.standard_normal((2 * across, 2 * along), dtype=np.float32)
    # 0.71 reaches the corners of the image from its centre
    row, column = (v + 0.75) / 1.5 * (2 * across - 1), (u + 0.75) / 1.5 * (2 * along - 1)
    field: Field = map_coordinates(table, (row, column), order=1, mode="nearest")
    return field
