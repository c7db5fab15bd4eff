"""How objects lie and how a camera looks: held, laid by hand, turned at will."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from adcore.products.draws import Random, chance, log_uniform, strength, weighted
from adcore.products.plane import Frame


@dataclass(frozen=True)
class Pose:
    """How far objects lie off their place between images, as standard deviations.

    Attributes:
        shift: in units.
        turn: in radians.
        scale: of the logarithm of the size.
        free: whether objects are turned at will.
    """

    shift: float
    turn: float
    scale: float
    free: bool

    def vary(self, frame: Frame, rng: Random) -> Frame:
        """A place in one image."""
        n = [float(value) for value in np.clip(rng.standard_normal(4), -2, 2)]
        turn = rng.uniform(0, 2 * math.pi) if self.free else self.turn * n[2]
        return frame.moved(self.shift * n[0], self.shift * n[1], turn, math.exp(self.scale * n[3]))


FIXED = Pose(0.0, 0.0, 0.0, False)


def angle(rng: Random) -> float:
    """The angle at which an object is mounted, in radians."""
    return 0.0 if chance(rng, 0.5) else float(rng.choice([math.pi / 2, math.pi / 4, rng.uniform(0, 2 * math.pi)]))


def near_centre(rng: Random, spread: float) -> Frame:
    """A place off the image's centre by a standard deviation, at any mounting angle."""
    return Frame(float(rng.normal(0, spread)), float(rng.normal(0, spread)), angle(rng))


def pose(rng: Random, control: float) -> Pose:
    """Held in place, laid by hand, or turned at will."""
    how = weighted(rng, {"held": 0.35, "laid": 0.4, "turned": 0.25})
    if how == "held":
        return Pose(strength(rng, 0.004), strength(rng, 0.01), 0.0, False)
    shift = log_uniform(rng, 0.003, 0.02 + 0.04 * control)
    return Pose(shift, log_uniform(rng, 0.01, 0.2 * control + 0.02), strength(rng, 0.06 * control), how == "turned")


def view(rng: Random, control: float) -> Pose:
    """How a camera looks at a surface."""
    free = chance(rng, 0.06)
    return Pose(0.0, control * strength(rng, 0.3), control * strength(rng, 0.15), free)


def backdrop(rng: Random) -> Pose:
    """How a background moves behind an object: mostly not at all."""
    return FIXED if chance(rng, 0.8) else Pose(0.02, 0.02, 0.0, False)
