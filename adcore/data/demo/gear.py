"""A freely rotated part: a brass gear wheel held by five screws, on a mat."""

from __future__ import annotations

import numpy as np

from adcore.data.demo import noise, shapes
from adcore.data.demo.defects import Defect, blob, scratch
from adcore.data.demo.grid import Field, Pose
from adcore.data.demo.surface import Surface

MAT, BRASS, STEEL = (0.17, 0.20, 0.25), (0.80, 0.60, 0.25), (0.60, 0.62, 0.66)
DARK, LOCKER = (0.05, 0.05, 0.06), (0.10, 0.24, 0.52)
WRONG = ((0.66, 0.30, 0.17), (0.12, 0.12, 0.14), (0.22, 0.36, 0.66))
TEETH, SCREWS = 20, 5
TOP = 0.03
"""Height of the wheel's web."""


def paint(size: int, rng: np.random.Generator, defect: Defect | None = None) -> Surface:
    """A wheel at any angle, some pixels off the centre."""
    x, y = 0.5 + rng.uniform(-0.035, 0.035, 2)
    wheel = Pose(float(x), float(y), float(rng.uniform(0, 2 * np.pi)))
    turns = rng.uniform(0, 2 * np.pi, SCREWS)
    tone = float(rng.normal(1, 0.04))
    rough, cloud, turned = noise.grain(rng, size), noise.smooth(rng, size, 5), noise.smooth(rng, size, 3)

    texture = 1 + np.float32(0.07) * rough + np.float32(0.05) * cloud
    surface = Surface(size, np.array(MAT, np.float32) * texture[..., None])
    mat, outline, brass = surface.albedo.copy(), shapes.cog(TEETH, 0.345, 0.405), np.array(BRASS) * tone
    surface.lay(outline, wheel, 0.42, brass, top=TOP, bevel=0.014, gloss=0.30)
    surface.lay(shapes.ring(0.20, 0.18), wheel, 0.31, brass * 0.86, top=TOP - 0.012, bevel=0.014, gloss=0.22)
    surface.lay(shapes.ring(0.092, 0.05), wheel, 0.13, brass * 1.03, top=TOP + 0.012, bevel=0.012, gloss=0.35)
    surface.lay(shapes.circle(0.066), wheel, 0.08, DARK, top=0.0, bevel=0.008, gloss=0.0)
    surface.lay(shapes.box(0.05, 0.044), wheel.at(0.066, 0), 0.04, DARK, top=0.0, bevel=0.008, gloss=0.0)  # keyway
    body = surface.coverage(shapes.ring(0.21, 0.25), wheel)  # flat metal, off the teeth and the bore
    surface.albedo *= 1 + (np.float32(0.03) * turned * surface.coverage(shapes.circle(0.40), wheel))[..., None]

    victim = defect.one_of(*range(SCREWS)) if defect else None
    if defect and defect.kind == "missing" and defect.one_of(True, False):
        _break_tooth(surface, defect, wheel, mat, surface.coverage(outline, wheel))
        victim = None
    for i in range(SCREWS):
        pose = wheel.at(*_on_circle(0.20, 2 * np.pi * (i + 0.5) / SCREWS), float(turns[i]))
        surface.lay(shapes.circle(0.052), pose, 0.06, LOCKER, top=TOP - 0.016, bevel=0.008, gloss=0.1)
        surface.lay(shapes.circle(0.032), pose, 0.06, DARK, top=0.004, bevel=0.008, gloss=0.0)
        colour = STEEL
        if defect and i == victim:
            if defect.kind == "missing":
                continue
            if defect.kind == "misplaced":
                way, shift = defect.rng.uniform(0, 2 * np.pi), defect.between(0.045, 0.065)
                pose = Pose(pose.x + shift * np.cos(way), pose.y + shift * np.sin(way), pose.angle)
            elif defect.kind == "colour":
                colour = defect.one_of(*WRONG)
        _screw(surface, pose, colour)
    if defect and defect.kind == "scratch":
        scratch(surface, defect, body, defect.one_of((0.97, 0.90, 0.70), (0.22, 0.15, 0.08)))
    elif defect and defect.kind == "blob":
        blob(surface, defect, body, defect.one_of((0.16, 0.10, 0.06), (0.28, 0.50, 0.36)), gloss=0.45)
    return surface


def _on_circle(radius: float, angle: float) -> tuple[float, float]:
    return radius * float(np.cos(angle)), radius * float(np.sin(angle))


def _break_tooth(surface: Surface, defect: Defect, wheel: Pose, mat: Field, metal: Field) -> None:
    """A tooth or two broken out of the rim."""
    at = 2 * np.pi * defect.one_of(*range(TEETH)) / TEETH
    pose = wheel.at(*_on_circle(0.395, at))
    radius = defect.between(0.07, 0.10)
    surface.lay(shapes.circle(radius), pose, 0.12, mat, top=0.0, bevel=0.012, gloss=0.0, within=metal)


def _screw(surface: Surface, pose: Pose, colour: tuple[float, float, float]) -> None:
    surface.lay(shapes.circle(0.044), pose, 0.05, colour, top=TOP + 0.008, bevel=0.012, gloss=0.45)
    surface.lay(shapes.polygon(6, 0.020), pose, 0.03, DARK, top=TOP - 0.006, bevel=0.006, gloss=0.0)
