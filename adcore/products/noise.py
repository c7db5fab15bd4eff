"""Random fields: Gaussian noise of any spectrum, and cells around scattered points (Worley, SIGGRAPH 1996)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.fft import irfft2

from adcore.products.draws import Random, stream
from adcore.products.plane import Array, enlarged, sample

CELLS = 48
"""Cells after which scattered points repeat."""


@dataclass(frozen=True)
class Noise:
    """Gaussian noise, mean 0, standard deviation 1, of spectrum ``(f^2 + corner^2)^(-slope / 2)``.

    Attributes:
        slope: 0 is white; the larger the smoother.
        corner: frequency below which it is white, in cycles per unit.
        stretch: how much longer it is along u than along v.
        fixed: key that decides it once and for all; None to draw it anew.
        coarse: pixels to a sample; smooth noise needs few.
    """

    slope: float
    corner: float = 1.0
    stretch: float = 1.0
    fixed: int | None = None
    coarse: int = 1

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """Values at points, float32 [h, w].

        Args:
            u: float32 [1, w] or [h, w].
            v: float32 [h, 1] or [h, w].
            rng: what draws it where it is not fixed.
            pixel: distance of neighbouring points.
        """
        pixel *= self.coarse
        if self.fixed is not None:
            n = max(16, round(1 / pixel))
            padded = _tile(self, self.fixed, n)  # repeats after one unit
            return sample(padded, np.mod(u, 1) * n, np.mod(v, 1) * n)
        if u.shape[0] == 1 and v.shape[1] == 1:
            height, width = v.shape[0], u.shape[1]
            if self.coarse > 1:
                tile = self._draw(_even(height // self.coarse + 2), _even(width // self.coarse + 2), pixel, rng)
                return enlarged(tile, self.coarse)[:height, :width]
            return self._draw(_even(height), _even(width), pixel, rng)[:height, :width]
        left, top = float(u.min()), float(v.min())
        width, height = ((float(x.max()) - low) / pixel + 2 for x, low in ((u, left), (v, top)))
        tile = self._draw(_even(math.ceil(height)), _even(math.ceil(width)), pixel, rng)
        return sample(tile, (u - left) / pixel, (v - top) / pixel)

    def _draw(self, height: int, width: int, pixel: float, rng: Random) -> Array:
        amplitude = _amplitude(self.slope, self.corner, self.stretch, height, width, pixel)
        draws = rng.standard_normal((height, width // 2 + 1, 2), np.float32).view(np.complex64)[..., 0]
        field: Array = irfft2(draws * amplitude, (height, width), norm="ortho")
        return field


def _even(n: int) -> int:
    """A length at least n whose transform is fast."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(max(8, n), real=True))


@lru_cache(128)
def _amplitude(slope: float, corner: float, stretch: float, height: int, width: int, pixel: float) -> Array:
    fv, fu = np.fft.fftfreq(height, pixel)[:, None], np.fft.rfftfreq(width, pixel)[None]
    amplitude = (corner**2 + fu**2 * stretch + fv**2 / stretch) ** (-slope / 2)
    amplitude *= np.exp(-0.7 * pixel**2 * (fu**2 + fv**2))  # no sensor is sharper
    amplitude[0, 0] = 0
    weights = np.full(width // 2 + 1, 2.0)
    weights[0] = 1
    power = (amplitude**2 * weights).sum() / (height * width)
    return (amplitude / math.sqrt(2 * power)).astype(np.float32)


@lru_cache(48)
def _tile(noise: Noise, key: int, n: int) -> Array:
    tile = noise._draw(n, n, 1 / n, stream(key))
    return np.pad(tile, ((0, 1), (0, 1)), mode="wrap")


class Cells(NamedTuple):
    """What `cells` says of each point.

    Attributes:
        nearest: distance to the nearest scattered point, in cells.
        second: distance to the second nearest.
        level: a number in [0, 1) of the nearest point's own.
    """

    nearest: Array
    second: Array
    level: Array


def cells(u: Array, v: Array, disorder: float, rng: Random) -> Cells:
    """Distances to points scattered one to each square.

    Args:
        u: float32 [1, w] or [h, w], in squares.
        v: float32 [h, 1] or [h, w], in squares.
        disorder: 0 for the squares' centres, 1 for anywhere in them.
        rng: what scatters them.
    """
    at_u, at_v = (0.5 + disorder * (rng.random((CELLS, CELLS), np.float32) - np.float32(0.5)) for _ in "uv")
    levels = rng.random((CELLS, CELLS), np.float32)
    low_u, low_v = np.floor(u), np.floor(v)
    i, j = low_u.astype(np.int32), low_v.astype(np.int32)
    u, v = u - low_u, v - low_v
    nearest = np.full(np.broadcast_shapes(u.shape, v.shape), 9, np.float32)
    second, owner = nearest.copy(), np.zeros(nearest.shape, np.int32)
    columns = [np.mod(i + di, CELLS) for di in (-1, 0, 1)]
    rows = [np.mod(j + dj, CELLS) * CELLS for dj in (-1, 0, 1)]
    flat_u, flat_v = at_u.ravel(), at_v.ravel()
    for dj in (-1, 0, 1):
        for di in (-1, 0, 1):
            at = rows[dj + 1] + columns[di + 1]
            du, dv = flat_u.take(at), flat_v.take(at)
            du -= u - di
            dv -= v - dj
            du *= du
            dv *= dv
            du += dv  # squared distance
            closer = du < nearest
            np.minimum(second, np.maximum(du, nearest), out=second)
            np.minimum(nearest, du, out=nearest)
            np.copyto(owner, at, where=closer)
    return Cells(np.sqrt(nearest), np.sqrt(second), levels.ravel().take(owner))
