"""Coordinates: windows of an image, and frames that are moved, turned and scaled in it.

The unit of length is the image's side, the origin its centre, x points right and y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

Array = np.ndarray


@dataclass(frozen=True)
class Window:
    """Rows and columns of a square image.

    Attributes:
        size: side of the image in pixels.
        rows: its rows.
        columns: its columns.
    """

    size: int
    rows: slice
    columns: slice

    @classmethod
    def whole(cls, size: int) -> Window:
        """All of the image."""
        return cls(size, slice(0, size), slice(0, size))

    @classmethod
    def around(cls, size: int, x: float, y: float, reach: float) -> Window | None:
        """The square of half length `reach` around a point, cut off at the image's edge; None if nothing is left."""
        rows, columns = _span(size, y, reach), _span(size, x, reach)
        return cls(size, rows, columns) if rows.stop > rows.start and columns.stop > columns.start else None

    @property
    def pixel(self) -> float:
        """Width of a pixel."""
        return 1 / self.size

    @cached_property
    def x(self) -> Array:
        """Float32 [1, w]."""
        return ((np.arange(self.columns.start, self.columns.stop, dtype=np.float32) + 0.5) / self.size - 0.5)[None]

    @cached_property
    def y(self) -> Array:
        """Float32 [h, 1]."""
        return ((np.arange(self.rows.start, self.rows.stop, dtype=np.float32) + 0.5) / self.size - 0.5)[:, None]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def cut(self, field: Array) -> Array:
        """The window of a field [..., S, S], a view."""
        return field[..., self.rows, self.columns]


def _span(size: int, at: float, reach: float) -> slice:
    low, high = (at + 0.5 - reach) * size, (at + 0.5 + reach) * size
    return slice(max(0, math.floor(low) - 1), min(size, math.ceil(high) + 1))


@dataclass(frozen=True)
class Frame:
    """Where something lies: its origin, its angle in radians and its scale, in the image or in another frame."""

    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0
    scale: float = 1.0

    def local(self, window: Window) -> tuple[Array, Array]:
        """Coordinates of a window's pixels in this frame: [1, w] and [h, 1] where it is not turned, else [h, w]."""
        scale = np.float32(self.scale)
        x, y = (window.x - np.float32(self.x)) / scale, (window.y - np.float32(self.y)) / scale
        if self.angle == 0:
            return x, y
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return x * cos + y * sin, y * cos - x * sin

    def to_image(self, u: float, v: float) -> tuple[float, float]:
        """The point of the outer frame that has these coordinates here."""
        cos, sin = math.cos(self.angle) * self.scale, math.sin(self.angle) * self.scale
        return self.x + u * cos - v * sin, self.y + u * sin + v * cos

    def inner(self, frame: Frame) -> Frame:
        """A frame given in this one, as seen from outside."""
        x, y = self.to_image(frame.x, frame.y)
        return Frame(x, y, self.angle + frame.angle, self.scale * frame.scale)

    def moved(self, x: float = 0.0, y: float = 0.0, angle: float = 0.0, scale: float = 1.0) -> Frame:
        """The frame moved and turned in the outer frame."""
        return replace(self, x=self.x + x, y=self.y + y, angle=self.angle + angle, scale=self.scale * scale)


def sample(field: Array, column: Array, row: Array) -> Array:
    """Bilinear interpolation, the field's edge continued.

    Args:
        field: float32 [h, w] or [C, h, w].
        column: float32 [...], in pixels, 0 at the centre of the first.
        row: float32, of the same shape after broadcasting.

    Returns:
        float32 [H, W] or [C, H, W].
    """
    height, width = field.shape[-2:]
    column, row = np.broadcast_arrays(column, row)
    grid = np.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], -1).astype(np.float32, copy=False)
    planes = torch.from_numpy(np.ascontiguousarray(field).reshape(1, -1, height, width))
    values = F.grid_sample(planes, torch.from_numpy(grid[None]), padding_mode="border", align_corners=False)
    result: Array = values[0].numpy()
    return result if field.ndim == 3 else result[0]


def enlarged(field: Array, factor: int) -> Array:
    """A field [h, w] with so many times as many rows and columns, interpolated."""
    planes = torch.from_numpy(field)[None, None]
    larger = F.interpolate(planes, scale_factor=factor, mode="bilinear", align_corners=False)
    result: Array = larger[0, 0].numpy()
    return result


def step(x: Array, width: float) -> Array:
    """Soft step from 0 to 1 over the given width around 0."""
    result: Array = np.clip(x / width + 0.5, 0, 1)
    return result
