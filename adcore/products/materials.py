"""What parts are made of: metal, plastic, paint, print, openings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from adcore.products.colours import Palette
from adcore.products.draws import Random, chance, log_uniform, strength, weighted
from adcore.products.irregular import Brushed, Flat, Grain
from adcore.products.parts import Part
from adcore.products.pattern import Pattern
from adcore.products.plane import Array
from adcore.products.shapes import Box, Profile, Shape
from adcore.products.textures import IRREGULAR, Texture

FORMS = {"flat": 1.0, "bevel": 2.0, "dome": 1.2, "sunk": 0.6}
SMOOTH: dict[type[Pattern], float] = {Flat: 3.0, Grain: 1.5, Brushed: 1.0}


def solid(rng: Random, palette: Palette, shape: Shape, away: Array | None = None) -> Part:
    """An object of its own: any texture, raised."""
    texture = Texture.draw(rng, palette, 0.12, contrast=0.8, fixed=0.15, kinds=SMOOTH if chance(rng, 0.45) else None)
    if away is not None and float(np.abs(texture.mean - away).max()) < 0.15:
        texture = texture.recoloured(palette.accent(rng, away))
    part = _formed(rng, shape, texture, {"flat": 0.5, "bevel": 2.0, "dome": 1.5})
    return replace(part, body=True, halo=rng.uniform(0.1, 0.5) if chance(rng, 0.4) else 0.0)


def material(rng: Random, palette: Palette, shape: Shape, below: Texture) -> Part:
    """A part on something else: of another material, of the same, or an opening in it."""
    kind = weighted(rng, {"other": 4.0, "same": 1.0, "opening": 1.0})
    if kind == "opening":
        return Part(shape, None)
    if kind == "same":  # an embossed or milled form
        part = _formed(rng, shape, below, {"bevel": 1.0, "dome": 0.5, "sunk": 1.5})
        return replace(part, height=max(part.height, 0.004))
    texture = Texture.draw(rng, palette, 0.1, contrast=0.5, fixed=0.2, kinds=SMOOTH if chance(rng, 0.7) else IRREGULAR)
    if float(np.abs(texture.mean - below.mean).max()) < 0.15:
        texture = texture.recoloured(palette.accent(rng, below.mean))
    part = _formed(rng, shape, texture, FORMS)
    if chance(rng, 0.07):  # several colours are normal
        colours = np.stack([palette.colour(rng) for _ in range(int(rng.integers(2, 4)))])
        part = replace(part, tints=colours)
    play = (strength(rng, 0.01), strength(rng, 0.12)) if chance(rng, 0.4) else (0.0, 0.0)
    return replace(part, play=play, halo=rng.uniform(0.1, 0.6) if chance(rng, 0.4) else 0.0)


def _formed(rng: Random, shape: Shape, texture: Texture, forms: dict[str, float]) -> Part:
    form = weighted(rng, forms)
    reach = shape.reach
    height, bevel = reach * log_uniform(rng, 0.02, 0.5), reach * log_uniform(rng, 0.04, 0.5)
    if isinstance(shape, Profile) or (isinstance(shape, Box) and min(shape.a, shape.b) < 0.4 * max(shape.a, shape.b)):
        form = "round" if chance(rng, 0.7) else form
        bevel = float(shape.widths.max()) if isinstance(shape, Profile) else min(shape.a, shape.b)
        if isinstance(shape, Box) and shape.a < shape.b:
            form = "bevel"
    if form == "round":
        height = bevel * rng.uniform(0.3, 1)
    gloss = 0.0 if chance(rng, 0.4) else log_uniform(rng, 0.03, 0.6)
    return Part(shape, texture, form=form, height=min(height, 0.08), bevel=max(bevel, 0.004), gloss=gloss)
