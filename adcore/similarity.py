"""Similarity transforms: how an image lies in the frame of another, and laying it there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Aspect = tuple[float, float]
"""Width and height of a frame in units of the longer side."""


@dataclass(frozen=True)
class Similarity:
    """Where an image lies in the frame of another: turned and enlarged about the centre, then shifted.

    Attributes:
        size: height and width, in pixels, of the frame.
        dx: shift to the right, in pixels.
        dy: shift down, in pixels.
        degrees: rotation, counter-clockwise.
        scale: above 1 where it is enlarged.
    """

    size: tuple[int, int]
    dx: float = 0.0
    dy: float = 0.0
    degrees: float = 0.0
    scale: float = 1.0

    @property
    def identity(self) -> bool:
        """Whether it leaves images as they are."""
        return self == Similarity(self.size)

    def __str__(self) -> str:
        """For people: ``shift (3.1, -2.0) px, rotation 1.50 deg, scale 1.010``."""
        return f"shift ({self.dx:.1f}, {self.dy:.1f}) px, rotation {self.degrees:.2f} deg, scale {self.scale:.3f}"

    @property
    def aspect(self) -> Aspect:
        """Of the frame."""
        return self.size[1] / max(self.size), self.size[0] / max(self.size)

    @property
    def inverse(self) -> Tensor:
        """The map from the frame to the image, x -> [[a, -b], [b, a]] x + (tx, ty), as float32 (a, b, tx, ty).

        Here x is counted from the centre in halves of the longer side, so that the map holds at any resolution.
        """
        half = max(self.size) / 2
        a, b = (part(math.radians(self.degrees)) / self.scale for part in (math.cos, math.sin))
        dx, dy = self.dx / half, self.dy / half
        return torch.tensor([a, b, b * dy - a * dx, -b * dx - a * dy])

    @classmethod
    def of(cls, inverse: Tensor, size: tuple[int, int]) -> Similarity:
        """The transform that has an `inverse`."""
        a, b, tx, ty = inverse.tolist()
        square, half = a * a + b * b, max(size) / 2
        return cls(
            size,
            dx=-(a * tx + b * ty) / square * half,
            dy=-(a * ty - b * tx) / square * half,
            degrees=math.degrees(math.atan2(b, a)),
            scale=1 / math.sqrt(square),
        )


def warp(image: Tensor, transform: Similarity) -> tuple[Tensor, Tensor]:
    """Lay an image in the frame of another.

    Args:
        image: float [3, h, w], at any resolution.
        transform: from the image to the frame.

    Returns:
        The image, float [3, h, w], edges repeated where it shows nothing, and where it shows something, bool [h, w].
    """
    if transform.identity:
        return image, image.new_ones(image.shape[-2:], dtype=torch.bool)
    warped, inside = sample(image[None], transform.inverse[None].to(image), transform.aspect)
    return warped[0], inside[0]


def sample(planes: Tensor, inverses: Tensor, aspect: Aspect) -> tuple[Tensor, Tensor]:
    """Lay planes in the frame of another image, once for each of n transforms.

    Args:
        planes: float [1, C, h, w].
        inverses: float [n, 4], see `Similarity.inverse`.
        aspect: of the frame, which may have been resized without keeping it.

    Returns:
        The planes, float [n, C, h, w], edges repeated, and which pixels come from inside, bool [n, h, w].
    """
    a, b, tx, ty = inverses.unbind(-1)
    wide, high = aspect
    theta = torch.stack([a, -b * high / wide, tx / wide, b * wide / high, a, ty / high], -1).view(-1, 2, 3)
    grid = F.affine_grid(theta, [len(theta), *planes.shape[1:]], align_corners=False)
    planes = planes.expand(len(grid), -1, -1, -1)
    sampled = F.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled, ((grid >= -1) & (grid <= 1)).all(-1)
