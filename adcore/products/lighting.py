"""Light on a canvas: direction, gloss, reflections, uneven illumination; and how far it varies between images."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from adcore.products.canvas import Canvas
from adcore.products.draws import Random, chance, log_uniform, strength
from adcore.products.plane import Array, Window


@dataclass(frozen=True)
class Lighting:
    """How a scene is lit.

    Attributes:
        azimuth: direction of the light in the image, in radians.
        elevation: its height, in radians.
        ambient: share of light from all sides.
        shine: exponent of the highlight.
        reflection: strength and frequency of reflected surroundings on glossy slopes.
        slope: change of brightness across the image, along x and y.
        spot: extra brightness of a bright area, its place and its width.
    """

    azimuth: float
    elevation: float
    ambient: float
    shine: float
    reflection: tuple[float, float]
    slope: tuple[float, float] = (0.0, 0.0)
    spot: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.5)

    @classmethod
    def draw(cls, rng: Random) -> Lighting:
        """The light of one product."""
        even = chance(rng, 0.5)
        slope = (0.0, 0.0) if even else (strength(rng, 0.7) * rng.choice([-1, 1]), strength(rng, 0.7))
        spot = (0.0, 0.0, 0.0, 0.5) if chance(rng, 0.7) else (rng.uniform(0.1, 0.6), *rng.uniform(-0.4, 0.4, 2), 0.4)
        return cls(
            rng.uniform(0, 2 * math.pi),
            rng.uniform(0.4, 1.3),
            rng.uniform(0.25, 0.8),
            log_uniform(rng, 4, 60),
            (strength(rng, 0.6), rng.uniform(1, 5)),
            slope,
            spot,
        )

    def fall(self, canvas: Canvas) -> Array:
        """The lit scene, float32 [3, S, S], not clipped."""
        size = canvas.size
        window = Window.whole(size)
        level = 1 + np.float32(self.slope[0]) * window.x + np.float32(self.slope[1]) * window.y  # [S, S]
        if self.spot[0]:
            width = np.float32(2 * self.spot[3] ** 2)
            across = np.exp(-((window.x - np.float32(self.spot[1])) ** 2) / width)
            level += np.float32(self.spot[0]) * across * np.exp(-((window.y - np.float32(self.spot[2])) ** 2) / width)
        down, right = self._slopes(canvas.height)
        cos = math.cos(self.elevation)
        light = (cos * math.cos(self.azimuth), cos * math.sin(self.azimuth), math.sin(self.elevation))
        upright = 1 / np.sqrt(1 + down * down + right * right)
        towards = (light[2] - np.float32(light[0]) * right - np.float32(light[1]) * down) * upright
        shade = np.float32(self.ambient) + np.float32((1 - self.ambient) / light[2]) * np.maximum(towards, 0)
        np.minimum(shade, 2.2, out=shade)
        result = canvas.albedo * (shade * level)
        if float(canvas.gloss.max()) > 0:
            half = np.array([light[0], light[1], light[2] + 1]) / math.sqrt(2 + 2 * light[2])
            facing = (np.float32(half[2]) - np.float32(half[0]) * right - np.float32(half[1]) * down) * upright
            mirror = np.maximum(facing, 1e-3) ** np.float32(self.shine)
            if self.reflection[0]:
                amount, frequency = self.reflection
                mirror += np.float32(amount) * np.sin(np.float32(frequency) * (3 * right - 2 * down) * upright)
            result += canvas.gloss * mirror * level
        values: Array = result
        return values

    @staticmethod
    def _slopes(height: Array) -> tuple[Array, Array]:
        """Slopes along rows and columns, limited as no real edge is infinitely steep."""
        size = height.shape[0]
        down, right = np.empty_like(height), np.empty_like(height)
        down[1:-1], right[:, 1:-1] = height[2:] - height[:-2], height[:, 2:] - height[:, :-2]
        down[[0, -1]], right[:, [0, -1]] = 0, 0
        for slope in (down, right):
            slope *= np.float32(size / 2)
            np.clip(slope, -1.5, 1.5, out=slope)
        return down, right


@dataclass(frozen=True)
class LightPlay:
    """How far the light differs between images of one product, as standard deviations.

    Attributes:
        azimuth: of the direction, in radians.
        elevation: of its height, in radians.
        slope: of the change across the image.
        spot: of the place of the bright area.
    """

    azimuth: float
    elevation: float
    slope: float
    spot: float

    @classmethod
    def draw(cls, rng: Random, control: float) -> LightPlay:
        """Of one product; the more it is controlled the less there is."""
        return cls(*(control * strength(rng, most) for most in (0.8, 0.25, 0.25, 0.2)))

    def vary(self, lighting: Lighting, rng: Random) -> Lighting:
        """The light of one image."""
        n = [float(value) for value in np.clip(rng.standard_normal(6), -2, 2)]
        return replace(
            lighting,
            azimuth=lighting.azimuth + self.azimuth * n[0],
            elevation=min(1.5, max(0.3, lighting.elevation + self.elevation * n[1])),
            slope=(lighting.slope[0] + self.slope * n[2], lighting.slope[1] + self.slope * n[3]),
            spot=(
                lighting.spot[0],
                lighting.spot[1] + self.spot * n[4],
                lighting.spot[2] + self.spot * n[5],
                lighting.spot[3],
            ),
        )
