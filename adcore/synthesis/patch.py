"""Where a defect lies: its place on the object, its window in the image, and coordinates that turn with it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Point = tuple[float, float]
"""Row and column, in pixels."""


def side(image: Tensor) -> float:
    """The length that sizes are fractions of: the side of a square of the image's area, so 20 x 900 counts as 134."""
    height, width = image.shape[-2:]
    return math.sqrt(height * width)


def place(objects: Tensor, size: tuple[float, float], share: float, generator: torch.Generator) -> Point:
    """Draw a centre on the object.

    Args:
        objects: bool [H, W], True on the object, somewhere.
        size: height and width of what shall be placed, in pixels.
        share: how much of it shall lie on the object; the best of several tries where that is not to be had.
        generator: source of randomness.

    Returns:
        The centre, a pixel of the object.
    """
    width = objects.shape[1]
    candidates = objects.flatten().nonzero()[:, 0]
    best, best_share = (0.0, 0.0), -1.0
    for index in torch.randint(len(candidates), (10,), generator=generator).tolist():
        y, x = divmod(int(candidates[index]), width)
        top, left = max(0, int(y - size[0] / 2)), max(0, int(x - size[1] / 2))
        window = objects[top : max(top + 1, int(y + size[0] / 2)), left : max(left + 1, int(x + size[1] / 2))]
        covered = float(window.float().mean())
        if covered > best_share:
            best, best_share = (float(y), float(x)), covered
        if covered >= share:
            break
    return best


@dataclass(frozen=True)
class Patch:
    """A window of an image, with coordinates centred on a defect and turned with it.

    Attributes:
        rows: rows of the window.
        columns: columns of the window.
        u: float [h, w], pixels along the defect, 0 at its centre.
        v: float [h, w], pixels across the defect.
    """

    rows: slice
    columns: slice
    u: Tensor
    v: Tensor

    @classmethod
    def at(cls, image: Tensor, centre: Point, half: tuple[float, float], angle: float = 0.0) -> Patch:
        """The window around a turned rectangle, cut off at the image's edge.

        Args:
            image: float [3, H, W].
            centre: of the rectangle; inside the image.
            half: half its length along u and along v, in pixels.
            angle: of u against the image's rows, in radians.
        """
        height, width = image.shape[-2:]
        cos, sin = math.cos(angle), math.sin(angle)
        reach_y = abs(half[0] * sin) + abs(half[1] * cos) + 1  # one more pixel, for soft edges and as Poisson's border
        reach_x = abs(half[0] * cos) + abs(half[1] * sin) + 1
        top, bottom = max(0, math.floor(centre[0] - reach_y)), min(height, math.ceil(centre[0] + reach_y) + 1)
        left, right = max(0, math.floor(centre[1] - reach_x)), min(width, math.ceil(centre[1] + reach_x) + 1)
        y = torch.arange(top, bottom, device=image.device)[:, None] - centre[0]
        x = torch.arange(left, right, device=image.device)[None] - centre[1]
        return cls(slice(top, bottom), slice(left, right), x * cos + y * sin, y * cos - x * sin)

    def cut(self, image: Tensor) -> Tensor:
        """The window of an image, [..., H, W] -> [..., h, w]; a view."""
        return image[..., self.rows, self.columns]

    def rectangle(self, half: tuple[float, float]) -> Tensor:
        """Cover of each pixel by the rectangle of these half lengths, float [h, w] in [0, 1]."""
        inside = torch.minimum(half[0] - self.u.abs(), half[1] - self.v.abs())
        return (inside + 0.5).clamp(0, 1)

    def sample(self, source: Tensor, centre: Point, scale: float = 1.0, angle: float = 0.0) -> Tensor:
        """Texture for the window, taken from another place, resized and turned.

        Args:
            source: float [C, H, W].
            centre: what comes to lie on the defect's centre; moved inwards where the window would leave `source`.
            scale: how much larger the texture becomes.
            angle: by which its u axis is turned in `source`, in radians.

        Returns:
            float [C, h, w]; where `source` is too small, it is mirrored.
        """
        height, width = source.shape[-2:]
        cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
        x = _within(centre[1] + self.u * cos - self.v * sin, width)
        y = _within(centre[0] + self.u * sin + self.v * cos, height)
        grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)  # [h, w, 2]
        return F.grid_sample(source[None], grid[None], padding_mode="reflection", align_corners=False)[0]


def _within(at: Tensor, length: int) -> Tensor:
    """Coordinates moved to lie between the first and the last pixel, if they fit."""
    low, high = float(at.min()), float(at.max())
    return at - min(low, 0.0) - max(high - (length - 1), 0.0) if high - low <= length - 1 else at
