"""Defects of regular patterns: a cell, a row or a patch of the weave, grid or print is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from adcore.products.canvas import Canvas
from adcore.products.design import Design, Item
from adcore.products.draws import Random, chance
from adcore.products.marks import Spot
from adcore.products.parts import Placed
from adcore.products.plane import Frame
from adcore.products.textures import Texture

Defect = Callable[[Canvas, Design, Item, Spot, Random], bool]


def broken(canvas: Canvas, design: Design, item: Item, spot: Spot, rng: Random) -> bool:
    """Cells are shifted, missing or of another tone; False where nothing regular is at the spot."""
    found = _regular(canvas, design, item, spot)
    if found is None:
        return False
    texture, frame, key, owner = found
    window = spot.window(canvas.size, 0.75 * spot.size + 2 * max(texture.pattern.period))
    u, v = frame.local(window)
    cos, sin = math.cos(texture.angle), math.sin(texture.angle)
    a, b = u * np.float32(cos) + v * np.float32(sin), v * np.float32(cos) - u * np.float32(sin)
    x, y = (spot.x - frame.x) / frame.scale, (spot.y - frame.y) / frame.scale
    x, y = x * math.cos(frame.angle) + y * math.sin(frame.angle), y * math.cos(frame.angle) - x * math.sin(frame.angle)
    x, y = x * cos + y * sin, y * cos - x * sin
    width, height = texture.pattern.period
    columns = max(1, round(spot.size / width)) if chance(rng, 0.7) else 1
    rows = 1 if chance(rng, 0.6) else max(1, round(0.6 * spot.size / height))
    if chance(rng, 0.3):
        columns, rows = rows, columns
    half = np.float32(0.5 * columns * width), np.float32(0.5 * rows * height)
    inside = np.minimum(half[0] - np.abs(a - np.float32(x)), half[1] - np.abs(b - np.float32(y)))
    cover = np.clip(inside * np.float32(frame.scale * canvas.size) + np.float32(0.5), 0, 1)
    cover = cover * window.cut(canvas.cover)
    pixel = window.pixel / frame.scale
    how = rng.random()
    if how < 0.5:  # shifted
        du, dv = (rng.uniform(0.25, 0.75) * length for length in (width, height))
        du, dv = (du, 0.0) if chance(rng, 0.3) else (0.0, dv) if chance(rng, 0.5) else (du, dv)
        shift_u, shift_v = du * cos - dv * sin, du * sin + dv * cos
        albedo, relief = texture.paint(u + np.float32(shift_u), v + np.float32(shift_v), key, pixel)
    else:  # missing, or of another tone
        colour = texture.colours[int(rng.integers(2))] if how < 0.8 else spot.colour(rng)
        plain = replace(texture, colours=np.stack([colour] * 3)) if how < 0.8 else texture.recoloured(colour)
        albedo, relief = plain.paint(u, v, key, pixel)
        relief = relief * np.float32(0 if how < 0.8 else 1)
    if owner is not None:
        albedo = albedo + owner.tint[:, None, None]
    albedo_now, height_now = window.cut(canvas.albedo), window.cut(canvas.height)
    albedo_now += (albedo - albedo_now) * cover
    if owner is None:
        height_now += (relief - height_now) * cover
    return True


def _regular(
    canvas: Canvas, design: Design, item: Item, spot: Spot
) -> tuple[Texture, Frame, int, Placed | None] | None:
    """The regular texture at a spot, its frame and the piece shown: of the ground, or of a body that is on top."""
    if design.surface and design.ground.pattern.regular:
        return design.ground, item.view, item.ground_key, None
    for placed in item.parts:
        if placed.parent < 0 and placed.part.texture is not None and placed.part.texture.pattern.regular:
            reach = placed.part.shape.reach * placed.frame.scale
            if math.hypot(spot.x - placed.frame.x, spot.y - placed.frame.y) < reach:
                return placed.part.texture, placed.frame, placed.key, placed
    return None


def has_regular(design: Design) -> bool:
    """Whether a product has a surface with a period."""
    textures: list[Texture | None] = [body.texture for body, _ in design.bodies]
    if design.surface:
        textures.append(design.ground)
    return any(texture is not None and texture.pattern.regular for texture in textures)
