"""Defects of surfaces: each changes the layers of a canvas around a spot."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d

from adcore.products.canvas import Canvas
from adcore.products.draws import Random, chance, log_uniform, pick
from adcore.products.marks import Spot, blob, line, wander
from adcore.products.noise import Noise
from adcore.products.plane import Array, Frame, Window, sample
from adcore.products.textures import Texture
from adcore.synthesis.poisson import blend

Defect = Callable[[Canvas, Spot, Random], None]


def scratch(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """Line, curve or bundle of lines, light, dark or as a groove."""
    window = spot.window(canvas.size, 0.6 * spot.size + 0.02)
    width = log_uniform(rng, 0.0015, 0.008)
    points = wander(rng, spot.size, rng.uniform(0, 1.5) if chance(rng, 0.5) else 0.0, 0.0)
    cover = line(window, spot, points, width)
    for _ in range(int(rng.integers(1, 5)) if chance(rng, 0.25) else 0):
        shifted = points * np.float32(rng.uniform(0.5, 1)) + rng.normal(0, 0.08 * spot.size, 2).astype(np.float32)
        cover = np.maximum(cover, line(window, spot, shifted, width * rng.uniform(0.6, 1)))
    _mark(canvas, window, spot.colour(rng), cover * spot.amount, rng)
    if chance(rng, 0.5):
        window.cut(canvas.height)[...] -= cover * np.float32(0.004 * spot.amount)


def crack(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """Thin jagged dark line, at times branched."""
    window = spot.window(canvas.size, 0.8 * spot.size + 0.02)
    points, width = wander(rng, spot.size, 0.8, 0.6), log_uniform(rng, 0.0015, 0.007)
    cover = line(window, spot, points, width)
    for _ in range(int(rng.integers(0, 4))):
        start = points[int(rng.integers(len(points)))]
        branch = wander(rng, spot.size * rng.uniform(0.2, 0.6), 0.8, 0.6)
        cover = np.maximum(cover, line(window, spot, branch - branch[0] + start, 0.7 * width))
    window.cut(canvas.height)[...] -= cover * np.float32(0.006)
    _mark(canvas, window, spot.tones[0] * np.float32(rng.uniform(0, 0.4)), cover * (0.4 + 0.6 * spot.amount), rng)


def stain(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """Translucent patch that darkens, lightens or tints, with a soft or a sharp edge."""
    window = spot.window(canvas.size, spot.size)
    cover = blob(window, spot, rng, log_uniform(rng, 1, 2 + 0.3 * spot.size * canvas.size))
    if chance(rng, 0.25):  # a dried rim
        cover = cover * (1.3 - cover) * 2.4
    _mark(canvas, window, spot.colour(rng), cover * np.float32(0.8 * spot.amount), rng)


def blot(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """Opaque drop of paint, glue, solder or dirt, at times raised and glossy."""
    window = spot.window(canvas.size, spot.size)
    cover = blob(window, spot, rng)
    colour = spot.colour(rng)[:, None, None]
    layer = _inside(canvas, window, cover, rng) * np.float32(0.3 + 0.7 * spot.amount)
    raised = chance(rng, 0.4)
    height = np.sqrt(blob(window, spot, rng, 0.4 * spot.size * canvas.size)) if raised else np.float32(0)
    gloss = rng.uniform(0.1, 0.5) if raised else 0.0
    canvas.cover_with(window, colour, height * np.float32(0.2 * spot.size), gloss, layer, False)


def discolouration(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """A broad soft change of tone or hue: heat, oxide, wet patches."""
    window = spot.window(canvas.size, 1.2 * spot.size)
    cover = blob(window, spot, rng, 0.4 * spot.size * canvas.size + 1) * np.float32(0.7 * spot.amount)
    gains = 1 + rng.choice([-1, 1]) * (rng.uniform(0.3, 1) + rng.normal(0, 0.3, 3)).astype(np.float32)
    albedo = window.cut(canvas.albedo)
    albedo *= 1 + (gains[:, None, None] - 1) * _inside(canvas, window, cover, rng)


def pits(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """One or several dots: pits, bubbles, spatter, pinholes."""
    window = spot.window(canvas.size, 0.7 * spot.size + 0.03)
    n = int(log_uniform(rng, 1, 14))
    radius = min(0.03, max(1.1 * window.pixel, 0.2 * spot.size)) * rng.uniform(0.6, 1)
    u, v = Frame(spot.x, spot.y).local(window)
    depth = np.full(window.shape, -1, np.float32)
    for i in range(n):
        x, y = rng.normal(0, 0.25 * spot.size, 2) if i else (0.0, 0.0)
        one = radius * rng.uniform(0.5, 1) if i else radius
        depth = np.maximum(depth, np.float32(one) - np.hypot(u - np.float32(x), v - np.float32(y)))
    cover = np.clip(depth * canvas.size + np.float32(0.5), 0, 1)
    window.cut(canvas.height)[...] += np.maximum(depth, 0) * np.float32(rng.choice([-1, 0, 1]) * rng.uniform(0.3, 1))
    _mark(canvas, window, spot.colour(rng), cover * (0.3 + 0.7 * spot.amount), rng)


def dent(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """Dimple, bump or fold: only the light on it changes."""
    window = spot.window(canvas.size, 1.2 * spot.size)
    cover = blob(window, spot, rng, 0.35 * spot.size * canvas.size + 1)
    depth = spot.size * (0.03 + 0.25 * spot.amount) * rng.choice([-1, 1])
    window.cut(canvas.height)[...] += _inside(canvas, window, cover * cover, rng) * np.float32(depth)


def rough(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """A patch of another roughness: worn, burnt, corroded, unpolished."""
    window = spot.window(canvas.size, spot.size)
    cover = _inside(canvas, window, blob(window, spot, rng, 3), rng)
    noise = Noise(rng.uniform(0.3, 1.5), log_uniform(rng, 15, 60), log_uniform(rng, 1, 10))
    field = noise(*Frame(spot.x, spot.y, rng.uniform(0, math.pi)).local(window), rng, window.pixel)
    window.cut(canvas.height)[...] += field * cover * np.float32(0.004 * spot.amount)
    window.cut(canvas.albedo)[...] += field * cover * np.float32(0.05 + 0.25 * spot.amount)


def smear(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """What is there, wiped along one direction."""
    window = spot.window(canvas.size, spot.size)
    cover = _inside(canvas, window, blob(window, spot, rng, 3), rng)
    albedo, height = window.cut(canvas.albedo), window.cut(canvas.height)
    length, axis = max(3, int(0.5 * spot.size * canvas.size)), int(rng.integers(1, 3))
    albedo += (uniform_filter1d(albedo, length, axis) - albedo) * cover
    height += (uniform_filter1d(height, length, axis - 1) - height) * cover


def hole(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """A piece is missing: the background, or something dark, is seen."""
    window = spot.window(canvas.size, spot.size)
    cover = blob(window, spot, rng) * window.cut(canvas.cover)
    canvas.open(window, cover)


def foreign(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """Something of another texture lies on it."""
    window = spot.window(canvas.size, spot.size)
    cover = _inside(canvas, window, blob(window, spot, rng), rng) * np.float32(0.4 + 0.6 * spot.amount)
    texture = Texture.draw(rng, spot.palette, 0.3)
    if float(np.abs(texture.mean - spot.tones[0]).max()) < 0.15:
        texture = texture.recoloured(spot.colour(rng))
    u, v = Frame(spot.x, spot.y, rng.uniform(0, math.pi)).local(window)
    albedo, relief = texture.paint(u, v, int(rng.integers(2**31)), window.pixel)
    canvas.cover_with(window, albedo, relief, 0.0, cover, False)


def thread(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """A hair, fibre or chip of wire across it."""
    length = max(spot.size, 0.05)
    window = spot.window(canvas.size, 0.8 * length + 0.02)
    cover = line(window, spot, wander(rng, length, 3, 0.1), log_uniform(rng, 0.002, 0.012))
    colour = spot.colour(rng)[:, None, None]
    layer = cover * np.float32(0.4 + 0.6 * spot.amount)
    canvas.cover_with(window, colour, np.float32(0.004), 0.0, layer, False)


def paste(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """A rectangle or blob from elsewhere on the product, turned and in another tone (CutPaste)."""
    window = spot.window(canvas.size, spot.size)
    cover = _inside(canvas, window, _piece(window, spot, rng), rng)
    albedo, height = _elsewhere(canvas, window, spot, rng)
    tone = 1 + np.float32(0.5 * spot.amount * rng.choice([-1, 1])) * rng.uniform(0.2, 1)
    layer = window.cut(canvas.albedo)
    layer += (albedo * tone - layer) * cover
    layer = window.cut(canvas.height)
    layer += (height - layer) * cover


def blended(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """A patch from elsewhere without a seam (Poisson editing, as natural synthetic anomalies)."""
    window = spot.window(canvas.size, spot.size)
    region = _piece(window, spot, rng) * window.cut(canvas.cover) > 0.5
    albedo, _ = _elsewhere(canvas, window, spot, rng)
    target = window.cut(canvas.albedo)
    patch, below, inside = (
        torch.from_numpy(np.ascontiguousarray(a)) for a in (albedo * np.float32(1.2), target, region)
    )
    target[...] = blend(patch, below, inside).numpy()


def bent(canvas: Canvas, spot: Spot, rng: Random) -> None:
    """Outline and pattern are pulled aside."""
    window = spot.window(canvas.size, 1.5 * spot.size)
    u, v = Frame(spot.x, spot.y).local(window)
    pull = np.exp(-(u**2 + v**2) * np.float32(9 / spot.size**2)) * np.float32(spot.size * (0.1 + 0.3 * spot.amount))
    angle = rng.uniform(0, 2 * math.pi)
    x, y = np.arange(window.shape[1])[None], np.arange(window.shape[0])[:, None]
    column, row = x - pull * canvas.size * math.cos(angle), y - pull * canvas.size * math.sin(angle)
    layers = np.concatenate([window.cut(canvas.albedo), *(window.cut(f)[None] for f in _scalars(canvas))])
    moved = sample(layers, column.astype(np.float32), row.astype(np.float32))
    window.cut(canvas.albedo)[...] = moved[:3]
    for layer, values in zip(_scalars(canvas), moved[3:], strict=True):
        window.cut(layer)[...] = values


def _scalars(canvas: Canvas) -> tuple[Array, Array, Array]:
    return canvas.height, canvas.gloss, canvas.cover


def _mark(canvas: Canvas, window: Window, colour: Array, cover: Array, rng: Random) -> None:
    albedo = window.cut(canvas.albedo)
    albedo += (colour[:, None, None] - albedo) * _inside(canvas, window, cover, rng)


def _inside(canvas: Canvas, window: Window, cover: Array, rng: Random) -> Array:
    """Most defects end where the object ends."""
    return cover if chance(rng, 0.1) else cover * window.cut(canvas.cover)


def _piece(window: Window, spot: Spot, rng: Random) -> Array:
    if chance(rng, 0.5):
        return blob(window, spot, rng)
    u, v = Frame(spot.x, spot.y, rng.uniform(0, math.pi)).local(window)
    aspect = math.sqrt(log_uniform(rng, 0.15, 1))
    half = np.float32(spot.size / 2), np.float32(spot.size / 2 * aspect**2)
    cover: Array = np.clip(np.minimum(half[0] - np.abs(u), half[1] - np.abs(v)) * np.float32(window.size) + 0.5, 0, 1)
    return cover


def _elsewhere(canvas: Canvas, window: Window, spot: Spot, rng: Random) -> tuple[Array, Array]:
    """Albedo and height of another place, turned."""
    x, y = rng.uniform(-0.4, 0.4, 2)
    angle, scale = pick(rng, (0.0, math.pi / 2, math.pi, rng.uniform(0, 6.28))), log_uniform(rng, 0.6, 1.6)
    u, v = Frame(spot.x, spot.y, angle, scale).local(window)
    layers = np.concatenate([canvas.albedo, canvas.height[None]])
    column, row = (u + np.float32(x + 0.5)) * canvas.size - 0.5, (v + np.float32(y + 0.5)) * canvas.size - 0.5
    moved = sample(layers, np.mod(column, canvas.size - 1), np.mod(row, canvas.size - 1))
    return moved[:3], moved[3]


DEFECTS: dict[str, tuple[Defect, float]] = {
    "scratch": (scratch, 1.3),
    "crack": (crack, 1.0),
    "stain": (stain, 1.0),
    "blot": (blot, 1.0),
    "discolouration": (discolouration, 0.7),
    "pits": (pits, 1.2),
    "dent": (dent, 1.0),
    "rough": (rough, 0.9),
    "smear": (smear, 0.5),
    "hole": (hole, 0.9),
    "foreign": (foreign, 0.8),
    "thread": (thread, 0.7),
    "paste": (paste, 0.8),
    "blended": (blended, 0.5),
    "bent": (bent, 0.8),
}
"""By name, what makes it and how frequent it is."""
