"""Colours that go together: greys, one hue, or any."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from adcore.products.draws import Random, chance, weighted
from adcore.products.plane import Array

KINDS = {"grey": 1.2, "muted": 1.4, "hue": 0.9, "any": 0.6}


@dataclass(frozen=True)
class Palette:
    """Where a product's colours come from.

    Attributes:
        kind: ``grey`` (metal, X-ray, monochrome cameras), ``muted`` (tinted greys), ``hue`` (around one hue), ``any``.
        hue: the main hue, in [0, 1).
    """

    kind: str
    hue: float

    @classmethod
    def draw(cls, rng: Random) -> Palette:
        """One palette."""
        return cls(weighted(rng, KINDS), float(rng.random()))

    def colour(self, rng: Random, low: float = 0.08, high: float = 0.92) -> Array:
        """One colour, float32 [3], of a brightness within a range."""
        value = rng.uniform(low, high)
        if self.kind == "grey":
            return np.full(3, value, np.float32)
        hue = self.hue + (rng.normal(0, 0.05) if self.kind != "any" else rng.random())
        saturation = rng.uniform(0, 0.2) if self.kind == "muted" else 0.08 + 0.75 * rng.random() ** 1.5
        return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)

    def accent(self, rng: Random, away: Array, least: float = 0.25) -> Array:
        """A colour that stands out from another one [3] by at least a difference in one channel."""
        best = self.colour(rng)
        for _ in range(8):
            if float(np.abs(best - away).max()) >= least:
                break
            other = self.colour(rng, 0.02, 0.98)
            best = max(best, other, key=lambda colour: float(np.abs(colour - away).max()))
        return best

    def ramp(self, rng: Random, contrast: float) -> Array:
        """Three colours, float32 [3, 3]: low, high and of the mottling, of a contrast in [0, 1]."""
        middle, other = self.colour(rng, 0.15, 0.85), self.colour(rng)
        away = other - middle if chance(rng, 0.4) else np.full(3, rng.choice([-1, 1]), np.float32)
        away = away / max(1e-3, float(np.abs(away).max())) * contrast / 2
        third = middle + (self.colour(rng) - middle) * np.float32(0.3)
        result: Array = np.clip(np.stack([middle - away, middle + away, third]), 0.01, 0.99).astype(np.float32)
        return result
