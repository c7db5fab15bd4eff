"""Pixel coordinates and poses. Lengths are shares of the image side, so a scene looks alike at every size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""One number per pixel, [h, w], or a colour per pixel, [h, w, 3]."""


@lru_cache(maxsize=8)
def axis(size: int) -> Field:
    """Pixel centres along one side, float32 [size], read-only."""
    centres = ((np.arange(size) + 0.5) / size).astype(np.float32)
    centres.setflags(write=False)
    return centres


@dataclass(frozen=True)
class Pose:
    """Where something lies: its origin in the image (y downwards) and its angle in radians (clockwise)."""

    x: float = 0.5
    y: float = 0.5
    angle: float = 0.0

    def at(self, x: float, y: float, angle: float = 0.0) -> Pose:
        """The pose, in the image, of something that lies at (x, y, angle) relative to this one."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return Pose(self.x + c * x - s * y, self.y + s * x + c * y, self.angle + angle)

    def jitter(self, rng: np.random.Generator, shift: float, turn: float) -> Pose:
        """This pose, a little off: standard deviations of the shift along each axis and of the angle."""
        x, y, angle = rng.normal(0, (shift, shift, turn))
        return self.at(float(x), float(y), float(angle))

    def local(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Coordinates relative to this pose of the columns `x` [w] and rows `y` [h]: two fields [h, w]."""
        c, s = np.float32(math.cos(self.angle)), np.float32(math.sin(self.angle))
        dx, dy = x - np.float32(self.x), (y - np.float32(self.y))[:, None]
        return c * dx + s * dy, c * dy - s * dx
