"""Dirt and wear that are normal for a product: dust, smears, hairline scratches, uneven tone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from adcore.products.canvas import Canvas
from adcore.products.colours import Palette
from adcore.products.draws import Random, chance, log_uniform, strength
from adcore.products.noise import Noise
from adcore.products.plane import Array, Frame, Window
from adcore.products.shapes import Path

EVERYWHERE = Frame()


@dataclass(frozen=True)
class Wear:
    """What lies on the items of one product without being a defect.

    Attributes:
        specks: mean number of specks of dust.
        speck_size: their largest radius, in units.
        hairlines: mean number of fine scratches.
        smear: amount of broad smears.
        streak: how much longer smears are along x than along y.
        tone: standard deviation of the tone of whole items.
        colour: of specks and hairlines, [3].
        opacity: of specks and hairlines.
    """

    specks: float
    speck_size: float
    hairlines: float
    smear: float
    streak: float
    tone: float
    colour: Array
    opacity: float

    @classmethod
    def draw(cls, rng: Random, palette: Palette, control: float) -> Wear:
        """Of one product; the more it is controlled the less there is."""
        dirty = chance(rng, 0.3 * control)
        worn = chance(rng, 0.15 * control)
        return cls(
            log_uniform(rng, 2, 40) if dirty else 0.0,
            log_uniform(rng, 0.003, 0.009),
            log_uniform(rng, 1, 12) if worn else 0.0,
            control * strength(rng, 0.16),
            log_uniform(rng, 0.1, 10),
            control * strength(rng, 0.1),
            palette.colour(rng),
            rng.uniform(0.15, 0.7),
        )

    def lie(self, canvas: Canvas, rng: Random) -> None:
        """Put the dirt and wear of one item on a canvas."""
        n, lines, tone = rng.poisson(self.specks), rng.poisson(self.hairlines), rng.normal(0, 1)
        if self.smear:
            window = Window.whole(canvas.size)
            noise = Noise(2.0, 1.5, self.streak, coarse=4)(window.x, window.y, rng, window.pixel)
            canvas.albedo *= 1 + np.float32(self.smear) * noise * canvas.cover
        if self.tone:
            canvas.albedo *= 1 + np.float32(self.tone * tone) * canvas.cover
        for _ in range(n):
            x, y = rng.uniform(-0.5, 0.5, 2)
            radius = self.speck_size * rng.uniform(0.3, 1)
            window_ = Window.around(canvas.size, x, y, radius + window_margin(canvas.size))
            if window_ is None:
                continue
            distance = np.hypot(window_.x - np.float32(x), window_.y - np.float32(y))
            cover = np.clip((np.float32(radius) - distance) * canvas.size + 0.5, 0, 1) * np.float32(self.opacity)
            canvas.cover_with(window_, self.colour[:, None, None], np.float32(0), 0.0, cover, False)
        for _ in range(lines):
            x, y, angle = *rng.uniform(-0.5, 0.5, 2), rng.uniform(0, math.pi)
            length = rng.uniform(0.02, 0.12)
            ends = np.array([[-math.cos(angle), -math.sin(angle)], [math.cos(angle), math.sin(angle)]]) * length
            path = Path(ends.astype(np.float32), 0.0012)
            window_ = Window.around(canvas.size, x, y, path.reach + window_margin(canvas.size))
            if window_ is None:
                continue
            depth = path.depth(*Frame(x, y).local(window_))
            cover = np.clip(depth * canvas.size + 0.5, 0, 1) * np.float32(0.6 * self.opacity)
            canvas.cover_with(window_, self.colour[:, None, None], np.float32(0), 0.0, cover, False)


def window_margin(size: int) -> float:
    """Room for a soft edge, in units."""
    return 1.5 / size
