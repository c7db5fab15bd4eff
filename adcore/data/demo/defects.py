"""What can go wrong with every product: where and how strongly, scratches and blobs. The rest is the product's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from adcore.data.demo import shapes
from adcore.data.demo.grid import Field, Pose
from adcore.data.demo.surface import Colour, Surface

T = TypeVar("T")
KINDS = ("scratch", "blob", "missing", "colour", "misplaced")


@dataclass(frozen=True)
class Defect:
    """One defect that a product is painted with.

    Attributes:
        kind: one of `KINDS`.
        severity: 0 small and faint, 1 large and plain.
        rng: where all its random choices come from, so that the product around it stays the same.
    """

    kind: str
    severity: float
    rng: np.random.Generator

    def between(self, faint: float, strong: float) -> float:
        """A quantity that grows with the severity."""
        return faint + self.severity * (strong - faint)

    def one_of(self, *options: T) -> T:
        """A random choice."""
        return options[int(self.rng.integers(len(options)))]

    def place(self, allowed: Field) -> Pose:
        """A random pose where `allowed`, [size, size], is above a half."""
        size = len(allowed)
        for _ in range(200):
            x, y = self.rng.uniform(0.06, 0.94, 2)
            if allowed[int(y * size), int(x * size)] > 0.5:
                return Pose(float(x), float(y), float(self.rng.uniform(0, 2 * np.pi)))
        raise AssertionError("the product leaves no room for its defect")


def scratch(surface: Surface, defect: Defect, allowed: Field, colour: Colour, depth: float = 0.006) -> None:
    """A single curved groove in another colour."""
    length, width = defect.between(0.30, 0.55), defect.between(0.032, 0.044)
    line = shapes.arc(length, width, float(defect.rng.uniform(-0.1, 0.1)) * length)
    pose = defect.place(allowed)
    deep, opacity = surface.level(pose) - depth, defect.between(0.8, 1.0)
    surface.lay(line, pose, 0.6 * length, colour, top=deep, opacity=opacity, gloss=0.0, within=allowed)


def blob(surface: Surface, defect: Defect, allowed: Field, colour: Colour, gloss: float) -> None:
    """An irregular drop of something that does not belong there."""
    radius = defect.between(0.048, 0.08)
    outline, pose = blot(defect, radius), defect.place(allowed)
    top, opacity = surface.level(pose) + radius / 3, defect.between(0.75, 0.95)
    surface.lay(outline, pose, 1.6 * radius, colour, top=top, bevel=radius, gloss=gloss, opacity=opacity)


def blot(defect: Defect, radius: float) -> shapes.Shape:
    """An irregular outline of about this radius."""
    lobes = defect.rng.uniform(0.03, 0.11, 3) * np.exp(2j * np.pi * defect.rng.random(3))
    return shapes.blot(radius, lobes)
