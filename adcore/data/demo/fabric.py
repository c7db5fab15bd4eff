"""A texture: woven twill of two yarns."""

from __future__ import annotations

import numpy as np

from adcore.data.demo import noise
from adcore.data.demo.defects import Defect, blot, scratch
from adcore.data.demo.grid import Field, Pose, axis
from adcore.data.demo.surface import Surface

WARP, WEFT = (0.18, 0.30, 0.53), (0.64, 0.68, 0.69)
DYES = ((0.72, 0.22, 0.16), (0.80, 0.58, 0.16), (0.16, 0.46, 0.30))
BACKING = (0.10, 0.09, 0.09)
YARNS = 17
"""Yarns over the image side."""


def paint(size: int, rng: np.random.Generator, defect: Defect | None = None) -> Surface:
    """A piece of cloth: it may lie at any phase, a little turned and stretched; yarns differ a little."""
    pitch = YARNS * float(rng.uniform(0.98, 1.02))
    pose = Pose(0.5, 0.5, float(rng.normal(0, 0.02)))
    phase = rng.uniform(0, 16, 2).astype(np.float32)
    u, v = pose.local(axis(size), axis(size))  # along the weft, along the warp
    u = u * np.float32(pitch) + 64 + phase[0] + np.float32(0.06) * noise.smooth(rng, size, 6)
    v = v * np.float32(pitch) + 64 + phase[1] + np.float32(0.06) * noise.smooth(rng, size, 6)
    shades = rng.normal(1, 0.035, (2, 256)).astype(np.float32)
    cloud, fuzz = noise.smooth(rng, size, 3), noise.grain(rng, size)

    if defect and defect.kind == "misplaced":
        u, v = _displace(defect, u, v)

    warp_number, weft_number = u.astype(np.intp), v.astype(np.intp)
    across_warp, across_weft = u - warp_number - np.float32(0.5), v - weft_number - np.float32(0.5)
    warp_up = (warp_number + weft_number) % 4 < 2
    warp, weft = np.array(WARP, np.float32), np.array(WEFT, np.float32)
    colour = np.where(warp_up[..., None], warp, weft)
    if defect and defect.kind == "colour":
        _dye(defect, colour, warp_up, u, v)
    bulge = np.sqrt(np.clip(1 - 3.6 * np.where(warp_up, across_warp, across_weft) ** 2, 0, 1))
    dip = np.cos(np.pi * np.where(warp_up, across_weft, across_warp))
    tone = np.where(warp_up, shades[0][warp_number], shades[1][weft_number])
    tone = tone * (0.55 + 0.45 * bulge) * (1 + np.float32(0.05) * cloud + np.float32(0.03) * fuzz)

    surface = Surface(size, colour * tone[..., None], gloss=0.02)
    surface.height = (bulge * (0.7 + 0.3 * dip)).astype(np.float32) * np.float32(0.007)
    everywhere = np.ones((size, size), np.float32)
    if defect and defect.kind == "scratch":
        worn = defect.one_of(0.88, 0.12)
        scratch(surface, defect, everywhere, (worn, worn, worn), depth=-0.004)
    elif defect and defect.kind == "blob":
        _stain(surface, defect, everywhere)
    elif defect and defect.kind == "missing":
        _tear(surface, defect, everywhere)
    return surface


def _displace(defect: Defect, u: Field, v: Field) -> tuple[Field, Field]:
    """A spot where the yarns are pushed aside by up to two of them."""
    size = len(u)
    pose = defect.place(np.ones_like(u))
    x, y = pose.local(axis(size), axis(size))
    wide = np.float32(defect.between(0.075, 0.115))
    bump = np.exp(-((x / wide) ** 2 + (y / (np.float32(0.75) * wide)) ** 2))
    push = defect.between(1.4, 2.0) * np.exp(2j * np.pi * defect.rng.random())
    return u + bump * np.float32(push.real), v + bump * np.float32(push.imag)


def _dye(defect: Defect, colour: Field, warp_up: np.ndarray, u: Field, v: Field) -> None:
    """A length of two or three neighbouring yarns in a wrong colour."""
    size = len(u)
    pose = defect.place(np.ones_like(u))
    row, column = int(pose.y * size), int(pose.x * size)
    along, across, up = defect.one_of((u, v, ~warp_up), (v, u, warp_up))
    first = np.floor(across[row, column])
    yarns = 2 + int(defect.severity > 0.5)
    length = np.float32(defect.between(0.22, 0.45) * YARNS / 2)
    dyed = (across >= first) & (across < first + yarns) & (np.abs(along - along[row, column]) < length) & up
    dye = np.array(defect.one_of(*DYES), np.float32)
    colour[dyed] += np.float32(defect.between(0.8, 1)) * (dye - colour[dyed])


def _stain(surface: Surface, defect: Defect, allowed: Field) -> None:
    """Oil that soaked in: darker, browner, soft at its rim."""
    radius = defect.between(0.05, 0.09)
    outline, pose = blot(defect, radius), defect.place(allowed)
    soaked = surface.albedo * np.array((0.45, 0.37, 0.29), np.float32)
    wet = surface.coverage(outline, pose)[..., None] * np.float32(defect.between(0.8, 1.0))
    surface.albedo += wet * (soaked - surface.albedo)
    surface.gloss += wet[..., 0] * np.float32(0.08)


def _tear(surface: Surface, defect: Defect, allowed: Field) -> None:
    """A hole, through which the dark backing shows."""
    radius = defect.between(0.035, 0.065)
    surface.lay(blot(defect, radius), defect.place(allowed), 1.6 * radius, BACKING, top=-0.01, gloss=0.0)
