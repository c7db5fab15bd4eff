"""Textures: a pattern, coloured, with relief, mottling and a slight distortion that is normal."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from adcore.products import irregular, regular
from adcore.products.colours import Palette
from adcore.products.draws import Random, chance, log_uniform, seed, stream, strength, weighted
from adcore.products.noise import Noise
from adcore.products.pattern import Pattern
from adcore.products.plane import Array

IRREGULAR: dict[type[Pattern], float] = {
    irregular.Flat: 0.6,
    irregular.Grain: 2,
    irregular.Brushed: 1.6,
    irregular.Veins: 0.8,
    irregular.Wood: 1,
    irregular.Leather: 1,
    irregular.Grains: 0.8,
    irregular.Spots: 0.6,
    irregular.Blotches: 0.8,
    irregular.Fibres: 0.9,
    irregular.Pores: 0.8,
    irregular.Bands: 0.7,
}
REGULAR: dict[type[Pattern], float] = {
    regular.Grating: 1,
    regular.Weave: 2,
    regular.Knit: 1,
    regular.Tiles: 1.2,
    regular.Mesh: 1,
    regular.Dots: 1,
    regular.Checks: 0.8,
}


@dataclass(frozen=True)
class Texture:
    """A coloured surface.

    Attributes:
        pattern: what it shows.
        colours: float32 [3, 3]: colour where the pattern is low, where it is high, and of the mottling.
        angle: of the pattern, in radians.
        relief: height of the pattern, in units.
        grain: fine noise on top, and its amount.
        mottle: broad noise towards the third colour, and its amount.
        warp: amount by which a pattern is bent from image to image, in units.
        fixed: key of what is the same in all images; None where each image shows another piece.
    """

    pattern: Pattern
    colours: Array
    angle: float
    relief: float
    grain: tuple[Noise, float]
    mottle: tuple[Noise, float]
    warp: float
    fixed: int | None

    def paint(self, u: Array, v: Array, key: int, pixel: float) -> tuple[Array, Array]:
        """Albedo, float32 [3, h, w], and height, float32 [h, w], at points.

        Args:
            u: float32 [1, w] or [h, w], in units.
            v: float32 [h, 1] or [h, w], in units.
            key: of the piece that is shown.
            pixel: distance of neighbouring points.
        """
        rng = stream(key, 1)
        pattern_rng = rng if self.fixed is None else stream(self.fixed, 2)
        a, b = u, v
        if self.angle:
            cos, sin = np.float32(math.cos(self.angle)), np.float32(math.sin(self.angle))
            a, b = u * cos + v * sin, v * cos - u * sin
        if self.warp:
            waves = rng.uniform(0, 2 * math.pi, 2), rng.uniform(4, 14, 2)
            a, b = (
                a + np.float32(self.warp) * np.sin(b * np.float32(waves[1][0]) + np.float32(waves[0][0])),
                b + np.float32(self.warp) * np.sin(a * np.float32(waves[1][1]) + np.float32(waves[0][1])),
            )
        value = self.pattern(a, b, pattern_rng, pixel)
        grain, amount = self.grain
        if amount and value.size >= 400:
            value = value + np.float32(amount) * grain(u, v, rng, pixel)
        mix = np.clip(np.float32(0.5) + np.float32(0.5) * value, -0.3, 1.3)
        low, high, third = self.colours[:, :, None, None]
        albedo = low + (high - low) * mix
        mottle, amount = self.mottle
        if amount and value.size >= 1600:
            albedo += np.float32(amount) * mottle(u, v, rng, pixel) * (third - (low + high) / 2)
        return albedo.astype(np.float32, copy=False), value * np.float32(self.relief)

    @property
    def mean(self) -> Array:
        """Its mean colour, about, [3]."""
        result: Array = (self.colours[0] + self.colours[1]) / 2
        return result

    def recoloured(self, colour: Array, contrast: float = 1.0) -> Texture:
        """The same texture around another colour [3]."""
        return replace(self, colours=(self.colours - self.mean) * np.float32(contrast) + colour.astype(np.float32))

    @classmethod
    def draw(
        cls,
        rng: Random,
        palette: Palette,
        periodic: float = 0.25,
        contrast: float = 1.0,
        fixed: float = 0.2,
        kinds: dict[type[Pattern], float] | None = None,
    ) -> Texture:
        """One texture.

        Args:
            rng: decides it.
            palette: where its colours come from.
            periodic: probability of a regular pattern.
            contrast: largest contrast.
            fixed: probability that all images show the same piece.
            kinds: classes of patterns, with weights; all by default.
        """
        key = seed(rng) if chance(rng, fixed) else None
        chosen = weighted(rng, kinds or (REGULAR if chance(rng, periodic) else IRREGULAR))
        pattern = chosen.draw(rng, key)
        grain = Noise(rng.uniform(0.3, 1.6), log_uniform(rng, 3, 40))
        mottle = Noise(rng.uniform(1.8, 2.6), log_uniform(rng, 1, 4), log_uniform(rng, 1, 5), key, coarse=4)
        angle = 0.0 if chance(rng, 0.55) else float(rng.choice([math.pi / 2, math.pi / 4, rng.uniform(0, math.pi)]))
        return cls(
            pattern,
            palette.ramp(rng, contrast * log_uniform(rng, 0.05, 0.7)),
            angle,
            0.0 if chance(rng, 0.4) else log_uniform(rng, 0.0003, 0.006),
            (grain, strength(rng, 0.8)),
            (mottle, strength(rng, 0.5)),
            strength(rng, 0.012) if chosen in REGULAR and key is None else 0.0,
            key,
        )
