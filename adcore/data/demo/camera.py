"""Light, lens and sensor: from a surface to a picture, with the harmless variation of real ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from adcore.data.demo.grid import Field, axis
from adcore.data.demo.surface import Surface

ELEVATION = 0.9
"""Angle of the light above the table, in radians."""
NOISE = 0.007
"""Standard deviation of the sensor's noise, of a full scale of 1."""


@dataclass(frozen=True)
class Lighting:
    """The light of one exposure.

    Attributes:
        azimuth: direction that the light comes from, radians clockwise from the left.
        gain: exposure.
        tint: gain of red and of blue.
        slope: change of brightness over the image side, along x and y.
    """

    azimuth: float
    gain: float
    tint: tuple[float, float]
    slope: tuple[float, float]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Lighting:
        """The variation that every product's normals have."""
        slope = rng.uniform(-0.05, 0.05, 2)
        return cls(
            azimuth=float(np.pi / 4 + rng.uniform(-0.2, 0.2)),
            gain=float(rng.uniform(0.95, 1.05)),
            tint=(float(rng.uniform(0.99, 1.01)), float(rng.uniform(0.99, 1.01))),
            slope=(float(slope[0]), float(slope[1])),
        )


def shade(surface: Surface, light: Lighting) -> Field:
    """Light falls on the surface: float [size, size, 3], about [0, 1], without noise."""
    size = surface.size
    lx = -math.cos(light.azimuth) * math.cos(ELEVATION)
    ly = -math.sin(light.azimuth) * math.cos(ELEVATION)
    lz = math.sin(ELEVATION)
    dy, dx = np.gradient(surface.height * np.float32(size))
    norm = 1 / np.sqrt(1 + dx * dx + dy * dy)
    diffuse = np.clip((lz - dx * lx - dy * ly) * norm, 0, None) / lz
    # halfway between the light and the camera straight above
    hz = math.sqrt((1 + lz) / 2)
    facing = np.clip((hz - (dx * lx + dy * ly) / (2 * hz)) * norm, 0, 1)
    shine = surface.gloss * facing ** np.float32(24)
    picture = surface.albedo * ((0.35 + 0.65 * diffuse) * _shadow(surface.height, lx, ly))[..., None] + shine[..., None]
    x, y = axis(size) - 0.5, axis(size)[:, None] - 0.5
    field = light.gain * (1 + light.slope[0] * x + light.slope[1] * y)
    lit: Field = picture * (field[..., None] * np.array([light.tint[0], 1, light.tint[1]], np.float32))
    return lit


def expose(picture: Field, rng: np.random.Generator) -> np.ndarray:
    """Lens blur and sensor noise: uint8 [size, size, 3]."""
    for _ in range(2):  # [1 2 1] / 4 down the rows, then, transposed, along them
        padded = np.pad(picture, ((1, 1), (0, 0), (0, 0)), mode="edge")
        picture = (0.25 * (padded[:-2] + padded[2:]) + 0.5 * padded[1:-1]).swapaxes(0, 1)
    picture = picture + np.float32(NOISE) * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _shadow(height: Field, lx: float, ly: float) -> Field:
    """Share of the light that reaches each pixel past its higher neighbours, soft-edged."""
    size = len(height)
    rows, columns = round(-ly * 0.025 * size), round(-lx * 0.025 * size)
    blocker = np.roll(gaussian_filter(height, 0.012 * size, truncate=2.5), (rows, columns), (0, 1))
    light: Field = 1 - np.float32(0.55) * np.clip((blocker - height) * np.float32(30), 0, 1)
    return light
