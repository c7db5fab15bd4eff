"""Signed distances, negative inside, of the outlines that parts are made of (in the part's own coordinates)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from adcore.data.demo.grid import Field

Shape = Callable[[Field, Field], Field]
"""Signed distance of local coordinates: ``shape(x, y)``."""


def circle(radius: float) -> Shape:
    """A disc."""
    return lambda x, y: np.hypot(x, y) - np.float32(radius)


def ring(radius: float, width: float) -> Shape:
    """A band of this width along a circle."""
    return lambda x, y: np.abs(np.hypot(x, y) - np.float32(radius)) - np.float32(width / 2)


def box(width: float, height: float, corner: float = 0.0) -> Shape:
    """A rectangle with rounded corners."""
    half_width, half_height = np.float32(width / 2 - corner), np.float32(height / 2 - corner)

    def distance(x: Field, y: Field) -> Field:
        dx, dy = np.abs(x) - half_width, np.abs(y) - half_height
        outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
        edge: Field = outside + np.minimum(np.maximum(dx, dy), 0) - np.float32(corner)
        return edge

    return distance


def row(shape: Shape, pitch: float, count: int) -> Shape:
    """`count` copies of a shape along x, centred, `pitch` apart."""

    def distance(x: Field, y: Field) -> Field:
        middle = (count - 1) / 2
        index = np.clip(np.round(x / np.float32(pitch) + middle), 0, count - 1)
        return shape(x - (index - np.float32(middle)) * np.float32(pitch), y)

    return distance


def polygon(sides: int, radius: float) -> Shape:
    """A regular polygon with this inner radius."""

    def distance(x: Field, y: Field) -> Field:
        step = 2 * np.pi / sides
        angle = np.arctan2(y, x)
        off = angle - np.round(angle / step).astype(np.float32) * np.float32(step)
        edge: Field = np.hypot(x, y) * np.cos(off) - np.float32(radius)
        return edge

    return distance


def cog(teeth: int, root: float, tip: float) -> Shape:
    """A toothed wheel; the distance is good near its outline only."""

    def distance(x: Field, y: Field) -> Field:
        wave = np.cos(np.arctan2(y, x) * np.float32(teeth))
        tooth = np.clip(wave * np.float32(2.2) + np.float32(0.4), -1, 1)  # flat crests and troughs, steep flanks
        edge: Field = np.hypot(x, y) - np.float32((root + tip) / 2) - tooth * np.float32((tip - root) / 2)
        edge *= np.float32(0.7)  # the flanks are steeper than a circle
        return edge

    return distance


def arc(length: float, width: float, bend: float) -> Shape:
    """A thin line along x, tapered to its ends, whose middle stands off its ends by `bend`."""

    def distance(x: Field, y: Field) -> Field:
        t = x / np.float32(length / 2)
        taper = np.clip(1 - t * t, 0, None) ** np.float32(0.35)
        across = np.abs(y - np.float32(bend) * (1 - t * t)) - np.float32(width / 2) * taper
        edge: Field = np.maximum(across, np.abs(x) - np.float32(length / 2))
        return edge

    return distance


def blot(radius: float, lobes: np.ndarray) -> Shape:
    """An irregular spot: the harmonics `lobes`, complex [n], of order 2 and up modulate the radius of a disc."""

    def distance(x: Field, y: Field) -> Field:
        angle = np.arctan2(y, x)
        lobed = np.ones_like(angle)
        for order, lobe in enumerate(lobes, start=2):
            lobed += (abs(lobe) * np.cos(order * angle + np.angle(lobe))).astype(np.float32)
        edge: Field = np.hypot(x, y) - np.float32(radius) * lobed
        return edge

    return distance


def inverse(shape: Shape) -> Shape:
    """Everything outside of a shape."""
    return lambda x, y: -shape(x, y)
