"""What a pattern is: a function of the plane from which textures are coloured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from adcore.products.draws import Random
from adcore.products.plane import Array


class Pattern(ABC):
    """A random function of the plane, drawn anew for each image unless its parts are fixed.

    Attributes:
        regular: whether it has a period, so that a break in it is a defect.
    """

    regular: ClassVar[bool] = False

    @property
    def period(self) -> tuple[float, float]:
        """Width and height of what is repeated, in units; of a regular pattern."""
        return 0.1, 0.1

    @abstractmethod
    def __call__(self, u: Array, v: Array, rng: Random, pixel: float) -> Array:
        """Values about within [-1, 1], float32 [h, w].

        Args:
            u: float32 [1, w] or [h, w], in units.
            v: float32 [h, 1] or [h, w], in units.
            rng: decides what differs from image to image.
            pixel: distance of neighbouring points, for soft edges.
        """

    @classmethod
    @abstractmethod
    def draw(cls, rng: Random, fixed: int | None) -> Pattern:
        """One pattern of this class.

        Args:
            rng: decides its settings.
            fixed: key of what is the same in all images; None if it is drawn for each.
        """
