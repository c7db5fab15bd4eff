"""Patterns with a period: gratings, weaves, twill, knits, tiles, meshes, lattices of dots, checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adcore.products.draws import Random, chance, log_uniform, pick
from adcore.products.pattern import Pattern
from adcore.products.plane import Array, step

TAU = np.float32(2 * np.pi)


def _full(u: Array, v: Array, value: Array) -> Array:
    return np.broadcast_to(value, np.broadcast_shapes(u.shape, v.shape)).astype(np.float32)


@dataclass(frozen=True)
class Periodic(Pattern):
    """Cells of a width and a height, the origin of which differs from image to image unless it is fixed.

    Attributes:
        width: of a cell, in units.
        height: of a cell, in units.
        fixed: whether the origin is the same in all images.
    """

    regular = True
    width: float
    height: float
    fixed: bool

    @property
    def period(self) -> tuple[float, float]:
        """See `Pattern`."""
        return self.width, self.height

    def at(self, u: Array, v: Array, rng: Random) -> tuple[Array, Array]:
        """Coordinates in cells."""
        shift = rng.random(2) if not self.fixed else (0.25, 0.25)
        return u / np.float32(self.width) + np.float32(shift[0]), v / np.float32(self.height) + np.float32(shift[1])


def _sizes(rng: Random, low: float = 0.025, high: float = 0.2, square: float = 0.5) -> tuple[float, float]:
    width = log_uniform(rng, low, high)
    return width, width if chance(rng, square) else min(high, max(low, width * log_uniform(rng, 0.5, 2)))


@dataclass(frozen=True)
class Grating(Periodic):
    """Parallel ribs along u: sine, square or saw."""

    profile: str
    duty: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        _, b = self.at(u, v, rng)
        if self.profile == "sine":
            return _full(u, v, np.sin(TAU * b))
        phase, soft = np.mod(b, 1), 1.5 * pixel / self.height
        if self.profile == "square":
            return _full(u, v, step(self.duty / 2 - np.abs(phase - 0.5), soft) * 2 - 1)
        return _full(u, v, np.minimum(phase / self.duty, (1 - phase) / (1 - self.duty)) * 2 - 1)

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        size = log_uniform(rng, 0.02, 0.15)
        return cls(size, size, fixed is not None, pick(rng, ("sine", "square", "saw")), rng.uniform(0.2, 0.8))


@dataclass(frozen=True)
class Weave(Periodic):
    """Threads over and under each other; with a float of more than one it is a twill or a satin."""

    over: int
    contrast: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        a, b = self.at(u, v, rng)
        i, j = np.floor(a), np.floor(b)
        across_u, across_v = np.sin(np.pi * (a - i)), np.sin(np.pi * (b - j))  # rounded threads
        up = np.mod(i + j, self.over + 1) < self.over
        warp = across_u * np.float32(1.2) - np.float32(0.5 + self.contrast)
        weft = across_v * np.float32(1.2) - np.float32(0.5 - self.contrast)
        result: Array = np.where(up, warp * (0.6 + 0.4 * across_v), weft * (0.6 + 0.4 * across_u)).astype(np.float32)
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        width, height = _sizes(rng, 0.018, 0.09, 0.7)
        return cls(width, height, fixed is not None, int(rng.integers(1, 4)), rng.uniform(-0.3, 0.3))


@dataclass(frozen=True)
class Knit(Periodic):
    """Rows of loops, or a herringbone."""

    slant: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        a, b = self.at(u, v, rng)
        loop = np.abs(np.mod(a, 1) - np.float32(0.5))
        result: Array = np.sin(TAU * (b + np.float32(self.slant) * loop)) * (1 - loop) - np.float32(0.1)
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        width, height = _sizes(rng, 0.03, 0.12, 0.3)
        return cls(width, height, fixed is not None, rng.uniform(0.7, 3))


@dataclass(frozen=True)
class Tiles(Periodic):
    """Rectangles with joints, in rows that may be offset, each tile of a tone of its own."""

    joint: float
    offset: float
    uneven: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        a, b = self.at(u, v, rng)
        j = np.floor(b)
        a = a + np.float32(self.offset) * np.mod(j, 2)
        i = np.floor(a)
        inside = np.minimum(self._depth(a - i, self.width), self._depth(b - j, self.height))  # units
        tones = rng.random((64, 64), np.float32)
        tone = tones[np.mod(j, 64).astype(np.int32), np.mod(i, 64).astype(np.int32)]
        body = 1 - self.uneven * tone
        result: Array = step(inside - self.joint / 2, 1.5 * pixel) * (1 + body) - 1
        return result

    @staticmethod
    def _depth(phase: Array, length: float) -> Array:
        result: Array = np.minimum(phase, 1 - phase) * np.float32(length)
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        width, height = _sizes(rng, 0.06, 0.35, 0.4)
        joint = log_uniform(rng, 0.06, 0.25) * min(width, height)
        return cls(width, height, fixed is not None, joint, pick(rng, (0.0, 0.5, 0.33)), rng.uniform(0, 1))


@dataclass(frozen=True)
class Mesh(Periodic):
    """Wires around openings, square or round."""

    wire: float
    round: bool

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        a, b = self.at(u, v, rng)
        du = np.abs(np.mod(a, 1) - np.float32(0.5)) * np.float32(self.width)
        dv = np.abs(np.mod(b, 1) - np.float32(0.5)) * np.float32(self.height)
        open_u, open_v = (0.5 * (1 - self.wire) * length for length in (self.width, self.height))
        hole = (
            (1 - np.hypot(du / open_u, dv / open_v)) * min(open_u, open_v)
            if self.round
            else np.minimum(open_u - du, open_v - dv)
        )
        return 1 - 2 * step(hole, 1.5 * pixel)

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        width, height = _sizes(rng, 0.03, 0.16, 0.7)
        return cls(width, height, fixed is not None, rng.uniform(0.15, 0.6), chance(rng, 0.4))


@dataclass(frozen=True)
class Dots(Periodic):
    """A lattice of round studs or prints, in line or staggered."""

    radius: float
    staggered: bool
    domed: bool

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        a, b = self.at(u, v, rng)
        if self.staggered:
            a = a + np.float32(0.5) * np.mod(np.floor(b), 2)
        du = (np.mod(a, 1) - np.float32(0.5)) * np.float32(self.width)
        dv = (np.mod(b, 1) - np.float32(0.5)) * np.float32(self.height)
        radius = self.radius * min(self.width, self.height)
        distance = np.hypot(du, dv)
        if self.domed:
            result: Array = np.sqrt(np.clip(1 - (distance / np.float32(radius)) ** 2, 0, 1)) * 2 - 1
            return result
        return step(radius - distance, 1.5 * pixel) * 2 - 1

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        width, height = _sizes(rng, 0.03, 0.18, 0.8)
        return cls(width, height, fixed is not None, rng.uniform(0.2, 0.47), chance(rng, 0.5), chance(rng, 0.4))


@dataclass(frozen=True)
class Checks(Periodic):
    """Crossing stripes as in gingham and tartan, or a chessboard."""

    duty: float
    crossed: bool

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        a, b = self.at(u, v, rng)
        in_u = step(self.duty / 2 - np.abs(np.mod(a, 1) - 0.5), 1.5 * pixel / self.width)
        in_v = step(self.duty / 2 - np.abs(np.mod(b, 1) - 0.5), 1.5 * pixel / self.height)
        both = in_u + in_v if not self.crossed else 2 * (in_u + in_v - 2 * in_u * in_v)
        return _full(u, v, both - 1)

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        width, height = _sizes(rng, 0.05, 0.25, 0.7)
        return cls(width, height, fixed is not None, rng.uniform(0.25, 0.6), chance(rng, 0.3))
