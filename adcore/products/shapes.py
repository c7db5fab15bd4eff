"""Outlines: how deep inside a shape a point lies, so that edges can be soft, bevelled or hollowed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from adcore.products.plane import Array, Frame

ANGLES = 720


class Shape(ABC):
    """An outline in its own frame.

    Attributes:
        reach: radius of the circle around the origin that holds it, in units.
    """

    reach: float

    @abstractmethod
    def depth(self, u: Array, v: Array) -> Array:
        """About the distance to the outline, in units, positive inside, float32 [h, w]."""


@dataclass(frozen=True)
class Ellipse(Shape):
    """An ellipse of two half axes."""

    a: float
    b: float

    @property
    def reach(self) -> float:  # type: ignore[override]
        """See `Shape`."""
        return max(self.a, self.b)

    def depth(self, u: Array, v: Array) -> Array:
        """See `Shape`."""
        p, q = u / np.float32(self.a), v / np.float32(self.b)
        k = np.hypot(p, q)
        slope = np.hypot(p / np.float32(self.a), q / np.float32(self.b)) / np.maximum(k, 1e-6)
        result: Array = (1 - k) / np.maximum(slope, 1 / max(self.a, self.b))
        return result


@dataclass(frozen=True)
class Box(Shape):
    """A rectangle of two half sides with rounded corners; a rod or capsule if they are round enough."""

    a: float
    b: float
    radius: float = 0.0

    @property
    def reach(self) -> float:  # type: ignore[override]
        """See `Shape`."""
        return math.hypot(self.a, self.b)

    def depth(self, u: Array, v: Array) -> Array:
        """See `Shape`."""
        r = min(self.radius, self.a, self.b)
        p, q = np.abs(u) - np.float32(self.a - r), np.abs(v) - np.float32(self.b - r)
        outside = np.hypot(np.maximum(p, 0), np.maximum(q, 0))
        result: Array = np.float32(r) - outside - np.minimum(np.maximum(p, q), 0)
        return result


@dataclass(frozen=True, eq=False)
class Polar(Shape):
    """A star-shaped outline given by its radius in each direction: polygons, gears, stars, free outlines.

    Attributes:
        radii: float32 [ANGLES].
    """

    radii: Array

    @property
    def reach(self) -> float:  # type: ignore[override]
        """See `Shape`."""
        return float(self.radii.max())

    def depth(self, u: Array, v: Array) -> Array:
        """See `Shape`."""
        at = np.arctan2(v, u) * np.float32(ANGLES / (2 * np.pi))
        low = np.floor(at)
        part = at - low
        index = low.astype(np.int32) % ANGLES
        following = np.roll(self.radii, -1)
        radius = self.radii.take(index) * (1 - part) + following.take(index) * part
        slope = (following - self.radii) * np.float32(ANGLES / (2 * np.pi)) / self.radii
        result: Array = (radius - np.hypot(u, v)) / np.sqrt(1 + np.minimum(slope.take(index) ** 2, 8))
        return result


@dataclass(frozen=True, eq=False)
class Profile(Shape):
    """A turned part seen from the side, along u: screws, pins, bottles, capsules, plugs.

    Attributes:
        half: half its length.
        widths: float32 [n], half width at equal steps along it.
    """

    half: float
    widths: Array

    @property
    def reach(self) -> float:  # type: ignore[override]
        """See `Shape`."""
        return math.hypot(self.half, float(self.widths.max()))

    def depth(self, u: Array, v: Array) -> Array:
        """See `Shape`."""
        n = len(self.widths) - 1
        at = np.clip((u / np.float32(self.half) + 1) * np.float32(n / 2), 0, n - 1e-3)
        low = np.floor(at)
        index = low.astype(np.int32)
        step = self.widths[1:] - self.widths[:-1]
        width = self.widths.take(index) + step.take(index) * (at - low)
        slope = np.minimum(np.abs(step) * np.float32(n / (2 * self.half)), 3).take(index)
        result: Array = np.minimum((width - np.abs(v)) / np.sqrt(1 + slope**2), np.float32(self.half) - np.abs(u))
        return result


@dataclass(frozen=True)
class Hollow(Shape):
    """The rim of a shape: rings, frames, tubes seen from the end."""

    outer: Shape
    width: float

    @property
    def reach(self) -> float:  # type: ignore[override]
        """See `Shape`."""
        return self.outer.reach

    def depth(self, u: Array, v: Array) -> Array:
        """See `Shape`."""
        outer = self.outer.depth(u, v)
        result: Array = np.minimum(outer, np.float32(self.width) - outer)
        return result


@dataclass(frozen=True)
class Joined(Shape):
    """Two shapes in one, or the first without the second."""

    first: Shape
    second: Shape
    frame: Frame
    minus: bool

    @property
    def reach(self) -> float:  # type: ignore[override]
        """See `Shape`."""
        if self.minus:
            return self.first.reach
        return max(self.first.reach, math.hypot(self.frame.x, self.frame.y) + self.second.reach)

    def depth(self, u: Array, v: Array) -> Array:
        """See `Shape`."""
        cos, sin = np.float32(math.cos(self.frame.angle)), np.float32(math.sin(self.frame.angle))
        x, y = u - np.float32(self.frame.x), v - np.float32(self.frame.y)
        second = self.second.depth(x * cos + y * sin, y * cos - x * sin)
        first = self.first.depth(u, v)
        result: Array = np.minimum(first, -second) if self.minus else np.maximum(first, second)
        return result


@dataclass(frozen=True, eq=False)
class Path(Shape):
    """A line of some width along points: traces, wires, threads, cracks.

    Attributes:
        points: float32 [n, 2].
        width: half its width.
    """

    points: Array
    width: float

    @property
    def reach(self) -> float:  # type: ignore[override]
        """See `Shape`."""
        return float(np.hypot(*self.points.T).max()) + self.width

    def depth(self, u: Array, v: Array) -> Array:
        """See `Shape`."""
        nearest: Array | None = None
        for (x0, y0), (x1, y1) in zip(self.points[:-1], self.points[1:], strict=True):
            dx, dy = x1 - x0, y1 - y0
            along = np.clip(((u - x0) * dx + (v - y0) * dy) / max(1e-9, float(dx * dx + dy * dy)), 0, 1)
            distance = np.hypot(u - x0 - along * dx, v - y0 - along * dy)
            nearest = distance if nearest is None else np.minimum(nearest, distance)
        assert nearest is not None
        result: Array = np.float32(self.width) - nearest
        return result
