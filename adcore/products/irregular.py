"""Patterns without a period: noise, brushing, veins, wood, leather, grains, spots, blotches, fibres, pores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adcore.products.draws import Random, chance, log_uniform
from adcore.products.noise import Noise, cells
from adcore.products.pattern import Pattern
from adcore.products.plane import Array, step


@dataclass(frozen=True)
class Flat(Pattern):
    """One colour."""

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        return np.zeros(np.broadcast_shapes(u.shape, v.shape), np.float32)

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        return cls()


@dataclass(frozen=True)
class Softened(Pattern):
    """Noise between -1 and 1, base of patterns that draw it in ways of their own; the gain sharpens its edges."""

    noise: Noise
    gain: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        result: Array = np.tanh(self.noise(u, v, rng, pixel) * np.float32(self.gain))
        return result


@dataclass(frozen=True)
class Grain(Softened):
    """Noise of any smoothness, along one direction if stretched: cast, sanded, brushed, ground, rolled surfaces."""

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        return cls(Noise(rng.uniform(0.4, 2.4), log_uniform(rng, 2, 40), 1.0, fixed), log_uniform(rng, 0.3, 1.5))


class Brushed(Grain):
    """Fine lines along u."""

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        noise = Noise(rng.uniform(0.6, 1.8), log_uniform(rng, 4, 40), log_uniform(rng, 8, 300), fixed)
        return cls(noise, log_uniform(rng, 0.3, 1.0))


@dataclass(frozen=True)
class Veins(Pattern):
    """Warped thin veins, as in marble and stone."""

    noise: Noise
    frequency: float
    warp: float
    sharpness: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        phase = rng.uniform(0, 1) if self.noise.fixed is None else 0.0
        wave = np.sin(np.pi * (self.frequency * v + phase + self.warp * self.noise(u, v, rng, pixel)))
        result: Array = np.float32(1) - 2 * np.abs(wave) ** np.float32(self.sharpness)
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        noise = Noise(rng.uniform(1.8, 2.6), log_uniform(rng, 1, 4), 1.0, fixed)
        return cls(noise, log_uniform(rng, 1, 8), rng.uniform(0.5, 1.5), log_uniform(rng, 0.25, 1.2))


@dataclass(frozen=True)
class Wood(Pattern):
    """Growth rings, bent by noise, with fibres along u."""

    bend: Noise
    fibre: Noise
    frequency: float
    mix: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        phase = rng.uniform(0, 1) if self.bend.fixed is None else 0.0
        ring = np.mod(self.frequency * v + phase + self.bend(u, v, rng, pixel), 1)
        ring = np.where(ring < 0.8, ring / 0.8, (1 - ring) / 0.2).astype(np.float32) * 2 - 1
        result: Array = ring * (1 - self.mix) + self.fibre(u, v, rng, pixel) * np.float32(0.6 * self.mix)
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        bend = Noise(2.2, log_uniform(rng, 0.5, 2), log_uniform(rng, 4, 40), fixed)
        fibre = Noise(rng.uniform(0.8, 1.6), 10, log_uniform(rng, 30, 300), None if fixed is None else fixed + 1)
        return cls(bend, fibre, log_uniform(rng, 3, 16), rng.uniform(0.3, 0.9))


@dataclass(frozen=True)
class Leather(Pattern):
    """Irregular bumps between creases: leather, hammered and cracked surfaces, cells under a microscope."""

    density: float
    disorder: float
    crease: float
    uneven: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        found = cells(u * self.density, v * self.density, self.disorder, rng)
        gap = (found.second - found.nearest) / np.float32(self.crease + 2 * pixel * self.density)
        result: Array = np.minimum(gap, 1) * (2 - self.uneven * found.level) - 1
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        return cls(log_uniform(rng, 6, 45), rng.uniform(0.6, 1), log_uniform(rng, 0.05, 0.7), rng.uniform(0, 0.8))


@dataclass(frozen=True)
class Grains(Pattern):
    """Grains of different brightness next to each other: granite, terrazzo, crystals, granules."""

    density: float
    rounded: float
    levels: int

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        found = cells(u * self.density, v * self.density, 1.0, rng)
        level = found.level * 2 - 1
        if self.levels:
            level = np.floor(found.level * self.levels) * np.float32(2 / max(1, self.levels - 1)) - 1
        soft = np.minimum((found.second - found.nearest) / np.float32(0.05 + 2 * pixel * self.density), 1)
        result: Array = level * (0.4 + 0.6 * soft) - np.float32(self.rounded) * found.nearest
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        return cls(log_uniform(rng, 8, 70), rng.uniform(0, 0.8), int(rng.integers(0, 4)))


@dataclass(frozen=True)
class Spots(Pattern):
    """Scattered round spots of differing sizes."""

    density: float
    radius: float
    uneven: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        found = cells(u * self.density, v * self.density, 0.7, rng)
        radius = np.float32(self.radius) * (1 - self.uneven * found.level)
        result: Array = step(radius - found.nearest, 1.5 * pixel * self.density) * 1.7 - np.float32(0.7)
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        return cls(log_uniform(rng, 6, 50), rng.uniform(0.15, 0.5), rng.uniform(0, 1.3))


@dataclass(frozen=True)
class Blotches(Pattern):
    """Two tones with irregular outlines, as camouflage, oxide or wear."""

    noise: Noise
    share: float
    sharpness: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        result: Array = np.tanh((self.noise(u, v, rng, pixel) - np.float32(self.share)) * np.float32(self.sharpness))
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        noise = Noise(rng.uniform(1.6, 2.6), log_uniform(rng, 2, 12), log_uniform(rng, 1, 6), fixed)
        return cls(noise, rng.uniform(-0.8, 1.2), log_uniform(rng, 1.5, 8))


@dataclass(frozen=True)
class Fibres(Pattern):
    """Threads in all directions: felt, paper, pressed wood, carbon."""

    noises: tuple[Noise, ...]
    angles: tuple[float, ...]

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        fields = []
        for noise, angle in zip(self.noises, self.angles, strict=True):
            cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
            fields.append(1 - 1.4 * np.abs(noise(u * cos + v * sin, v * cos - u * sin, rng, pixel)))
        result: Array = np.maximum.reduce(fields)
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        n, slope, corner, stretch = int(rng.integers(2, 4)), rng.uniform(1.5, 2.2), log_uniform(rng, 6, 25), 12.0
        keys = [None if fixed is None else fixed + i for i in range(n)]
        noises = tuple(Noise(slope, corner, log_uniform(rng, stretch, 8 * stretch), key) for key in keys)
        return cls(noises, tuple(float(a) for a in rng.uniform(0, np.pi, n)))


@dataclass(frozen=True)
class Pores(Pattern):
    """An even surface with scattered dark pits: concrete, foam, cast metal, biscuits."""

    noise: Noise
    threshold: float

    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """See `Pattern`."""
        pits = np.clip((self.noise(u, v, rng, pixel) - np.float32(self.threshold)) * 2.5, 0, 1)
        result: Array = np.float32(0.5) - 1.5 * pits
        return result

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        return cls(Noise(rng.uniform(1.5, 2.5), log_uniform(rng, 6, 40), 1.0, fixed), rng.uniform(0.8, 1.9))


@dataclass(frozen=True)
class Bands(Softened):
    """Broad stripes of uneven width along u, or a smooth change of tone: rolled, drawn and layered material."""

    @classmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """See `Pattern`."""
        noise = Noise(rng.uniform(1.6, 2.4), log_uniform(rng, 1, 8), log_uniform(rng, 300, 3000), fixed)
        return cls(noise, log_uniform(rng, 0.3, 3 if chance(rng, 0.3) else 0.8))
