"""Outlines of defects: irregular blobs, and thin lines that wander or branch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from adcore.products.colours import Palette
from adcore.products.draws import Random, chance, log_uniform
from adcore.products.noise import Noise
from adcore.products.plane import Array, Frame, Window
from adcore.products.shapes import Path


@dataclass(frozen=True)
class Spot:
    """Where a defect goes, and how large and strong it is.

    Attributes:
        x: place in the image, in units.
        y: place in the image.
        size: its largest length, in units.
        amount: 0 (unseen) to 1 (as strong as it gets).
        palette: of the product.
        tones: colours [n, 3] around it and of the product elsewhere; the first is at its place.
    """

    x: float
    y: float
    size: float
    amount: float
    palette: Palette
    tones: Array

    def colour(self, rng: Random) -> Array:
        """A colour that differs from what is there, [3]."""
        if chance(rng, 0.4):
            dark = float(self.tones[0].mean()) > rng.uniform(0.15, 0.75)
            return np.full(3, rng.uniform(0, 0.15) if dark else rng.uniform(0.8, 1), np.float32)
        return self.palette.accent(rng, self.tones[0])

    def window(self, size: int, reach: float) -> Window:
        """The window around it, never empty as it lies in the image."""
        window = Window.around(size, self.x, self.y, reach)
        assert window is not None
        return window


def blob(window: Window, spot: Spot, rng: Random, soft: float = 1.0) -> Array:
    """Cover of an irregular blob, float32 [h, w]; its edge is `soft` pixels wide."""
    aspect = math.sqrt(log_uniform(rng, 0.35, 1))
    a, b = spot.size / 2 * aspect**-0.5, spot.size / 2 * aspect**1.5
    u, v = Frame(spot.x, spot.y, rng.uniform(0, math.pi)).local(window)
    ragged = rng.uniform(0.05, 0.35) * Noise(2.2, 0.8 / spot.size)(u, v, rng, window.pixel)
    distance = 1 - np.hypot(u / np.float32(a), v / np.float32(b)) + ragged
    cover: Array = np.clip(distance * np.float32(min(a, b) * window.size / soft) + np.float32(0.5), 0, 1)
    return cover


def wander(rng: Random, length: float, bend: float, jagged: float) -> Array:
    """Points of a line that keeps its direction more or less, centred on its middle, float32 [n, 2]."""
    n = 3 + min(5, int(length / 0.02))
    turns = rng.normal(0, bend / n, n).cumsum() + rng.normal(0, jagged, n)
    angle = rng.uniform(0, 2 * math.pi)
    steps = np.stack([np.cos(angle + turns), np.sin(angle + turns)], 1) * length / n
    points = np.r_[[[0.0, 0.0]], steps.cumsum(0)]
    centred: Array = (points - points[len(points) // 2]).astype(np.float32)
    return centred


def line(window: Window, spot: Spot, points: Array, width: float) -> Array:
    """Cover of a line through points around the spot, float32 [h, w]; thinner than a pixel it is fainter."""
    half = max(width / 2, 0.35 * window.pixel)
    depth = Path(points, half).depth(*Frame(spot.x, spot.y).local(window))
    cover: Array = np.clip(depth * np.float32(window.size) + np.float32(0.5), 0, 1)
    result: Array = cover * np.float32(min(1, width / (0.7 * window.pixel)))
    return result
