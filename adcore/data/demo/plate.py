"""One part made on two lines: a steel plate, brushed on line a, polished on line b."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adcore.data.demo import noise, shapes
from adcore.data.demo.defects import Defect, blob, blot, scratch
from adcore.data.demo.grid import Field, Pose
from adcore.data.demo.surface import Surface

TABLE, STEEL, DARK = (0.13, 0.19, 0.28), (0.60, 0.63, 0.66), (0.05, 0.06, 0.07)
PAPER, INK, BAND = (0.84, 0.83, 0.79), (0.16, 0.16, 0.18), (0.88, 0.42, 0.10)
ZINC, BRASS = (0.74, 0.75, 0.78), (0.78, 0.58, 0.24)
STRAW, BLUE = (0.70, 0.52, 0.26), (0.28, 0.34, 0.62)
TOP = 0.02
"""Height of the bare plate."""

OUTLINE, STICKER = shapes.box(0.88, 0.88, 0.07), shapes.box(0.36, 0.15, 0.008)
HOLES = ((-0.34, -0.34), (0.34, -0.34), (-0.34, 0.34), (0.34, 0.34))
SCREWS = ((-0.30, 0.0), (0.30, 0.0))
BORE = (0.0, -0.14)
LABEL = (0.0, 0.24)


@dataclass(frozen=True)
class Brushing:
    """Fine parallel strokes over the steel.

    Attributes:
        amount: range that the amount is drawn from, in [0, 1].
        rng: where the strokes come from, so that the plate beneath stays the same.
    """

    amount: tuple[float, float]
    rng: np.random.Generator


def paint(
    size: int, rng: np.random.Generator, defect: Defect | None = None, brushing: Brushing | None = None
) -> Surface:
    """A plate that lies up to a pixel off.

    Args:
        size: image side in pixels.
        rng: its normal variation.
        defect: what is wrong with it.
        brushing: its brushing; None leaves it polished.
    """
    plate = Pose().jitter(rng, 0.006, 0.01)
    label = plate.at(*LABEL).jitter(rng, 0.005, 0.01)
    turns = rng.uniform(0.3, 0.6, len(SCREWS))  # all driven to about the same stop
    sheen, cloud, rough = noise.smooth(rng, size, 2), noise.smooth(rng, size, 4), noise.grain(rng, size)
    victim = _victim(defect)

    surface = Surface(size, np.array(TABLE, np.float32) * (1 + np.float32(0.06) * cloud)[..., None])
    table, metal = surface.albedo.copy(), surface.coverage(OUTLINE, plate)
    tone = 1 + np.float32(0.07) * sheen + np.float32(0.012) * rough
    if brushing:
        tone = tone + _strokes(brushing, size)
    surface.albedo += metal[..., None] * (np.array(STEEL, np.float32) * tone[..., None] - surface.albedo)
    surface.lay(OUTLINE, plate, 0.66, top=TOP, bevel=0.014, gloss=0.22)

    for i, (x, y) in enumerate(HOLES):
        pose = plate.at(x, y)
        if defect and victim == f"hole {i}":
            inwards = defect.between(0.07, 0.11)
            pose = plate.at(x - np.sign(x) * inwards * defect.rng.uniform(0.6, 1), y - np.sign(y) * inwards)
        _hole(surface, pose, 0.042)
    _hole(surface, plate.at(*BORE), 0.105)
    collar = shapes.ring(0.128, 0.02)
    surface.lay(collar, plate.at(*BORE), 0.15, (0.50, 0.53, 0.57), top=TOP + 0.008, bevel=0.008, gloss=0.4)
    for i, (x, y) in enumerate(SCREWS):
        pose, colour = plate.at(x, y, float(turns[i])), ZINC
        surface.lay(shapes.circle(0.046), pose, 0.06, BRASS, top=TOP + 0.004, bevel=0.006, gloss=0.3)  # threaded insert
        _hole(surface, pose, 0.028)
        if defect and victim == f"screw {i}":
            if defect.kind == "missing":
                continue
            colour = defect.one_of(BRASS, (0.16, 0.16, 0.18))
        _screw(surface, pose, colour)
    if defect and victim == "label":
        label = label.at(float(defect.rng.uniform(-0.05, 0.05)), 0.0, defect.one_of(-1, 1) * defect.between(0.2, 0.4))
    _label(surface, label)

    bare = surface.coverage(shapes.box(0.80, 0.80, 0.06), plate) * (1 - surface.coverage(STICKER, label))
    bare = bare * (np.abs(surface.height - TOP) < 0.002)
    if defect and defect.kind == "scratch":
        scratch(surface, defect, bare, defect.one_of((0.14, 0.13, 0.13), (0.38, 0.17, 0.10)), depth=0.008)
    elif defect and defect.kind == "blob":
        blob(surface, defect, bare, defect.one_of((0.36, 0.20, 0.10), (0.12, 0.10, 0.10)), gloss=0.4)
    elif defect and victim == "edge":
        _chip(surface, defect, plate, table, metal)
    elif defect and victim == "steel":
        _heat(surface, defect, bare)
    return surface


def _victim(defect: Defect | None) -> str | None:
    """What goes wrong where a defect can befall several things, large ones and small ones in turn."""
    if defect is None or defect.kind in ("scratch", "blob"):
        return None
    hole, screw = defect.one_of("hole 0", "hole 1", "hole 2", "hole 3"), defect.one_of("screw 0", "screw 1")
    if defect.kind == "missing":
        return screw if defect.severity >= 0.6 else "edge"
    if defect.kind == "colour":
        return screw if defect.severity >= 0.5 else "steel"
    return "label" if defect.severity >= 0.5 else hole


def _strokes(brushing: Brushing, size: int) -> Field:
    """Fine parallel strokes in patches: change of brightness [size, size]."""
    rng = brushing.rng
    pose = Pose(0.5, 0.5, float(rng.normal(0, 0.2)))
    amount = float(rng.uniform(*brushing.amount))
    strokes = noise.streaks(rng, size, pose, across=70, along=4)
    patches = np.clip(noise.smooth(rng, size, 3) * np.float32(0.8) + np.float32(2.2 * amount - 0.7), 0, 1)
    change: Field = np.float32(0.14 + 0.06 * amount) * patches * strokes
    return change


def _hole(surface: Surface, pose: Pose, radius: float) -> None:
    surface.lay(shapes.circle(radius), pose, radius + 0.02, DARK, top=0.0, bevel=0.010, gloss=0.0)


def _screw(surface: Surface, pose: Pose, colour: tuple[float, float, float]) -> None:
    surface.lay(shapes.circle(0.044), pose, 0.05, colour, top=TOP + 0.014, bevel=0.016, gloss=0.4)
    for turn in (0.0, np.pi / 2):
        slot = shapes.box(0.056, 0.014)
        surface.lay(slot, pose.at(0, 0, turn), 0.04, DARK, top=TOP + 0.004, bevel=0.004, gloss=0.0)


def _chip(surface: Surface, defect: Defect, plate: Pose, table: Field, metal: Field) -> None:
    """A piece broken out of the edge."""
    along, radius = float(defect.rng.uniform(-0.3, 0.3)), defect.between(0.10, 0.13)
    pose = plate.at(0, 0, np.pi / 2 * defect.one_of(0, 1, 2, 3)).at(0.44, along)
    surface.lay(blot(defect, radius), pose, 1.6 * radius, table, top=0.0, bevel=0.014, gloss=0.0, within=metal)


def _label(surface: Surface, pose: Pose) -> None:
    surface.lay(STICKER, pose, 0.21, PAPER, top=TOP + 0.003, bevel=0.004, gloss=0.0)
    surface.lay(shapes.box(0.36, 0.032), pose.at(0, -0.059), 0.2, BAND)
    for x, width in ((-0.13, 0.024), (-0.08, 0.036), (-0.035, 0.02), (0.01, 0.036)):
        surface.lay(shapes.box(width, 0.07), pose.at(x, 0.016), 0.05, INK)
    surface.lay(shapes.row(shapes.box(0.028, 0.03), 0.044, 3), pose.at(0.105, 0.016), 0.06, INK)


def _heat(surface: Surface, defect: Defect, bare: Field) -> None:
    """Annealing colours where the steel got too hot."""
    pose, radius = defect.place(bare), defect.between(0.10, 0.14)
    for share, colour in ((1.0, STRAW), (0.55, BLUE)):
        spot = shapes.circle(share * radius)
        surface.lay(spot, pose, 2 * radius, colour, opacity=0.85, softness=0.02, within=bare)
