"""An aligned part: a small circuit board under a fixed camera."""

from __future__ import annotations

import numpy as np

from adcore.data.demo import noise, shapes
from adcore.data.demo.defects import Defect, blob, scratch
from adcore.data.demo.grid import Pose
from adcore.data.demo.surface import Surface

TABLE, MASK, TRACE = (0.30, 0.30, 0.32), (0.05, 0.30, 0.19), (0.08, 0.40, 0.25)
GOLD, TIN, BLACK, SILK = (0.86, 0.66, 0.26), (0.72, 0.73, 0.75), (0.08, 0.08, 0.09), (0.85, 0.88, 0.84)
TOP = 0.012
"""Height of the bare board."""

TRACES = (  # centre x, y, length, angle
    (-0.29, -0.02, 0.44, np.pi / 2),
    (-0.25, -0.06, 0.34, np.pi / 2),
    (0.04, 0.06, 0.44, 0.0),
    (0.06, 0.10, 0.40, 0.0),
    (0.20, -0.34, 0.24, 0.0),
    (-0.02, -0.37, 0.5, 0.0),
)
PARTS = {  # x, y, angle on the board
    "chip": (-0.04, -0.12, 0.0),
    "can_left": (-0.27, 0.24, 0.0),
    "can_right": (-0.08, 0.26, 0.0),
    "resistor_a": (0.11, 0.19, 0.0),
    "resistor_b": (0.11, 0.29, 0.0),
    "capacitor": (0.20, -0.24, np.pi / 2),
    "led": (-0.28, -0.29, 0.0),
    "header": (0.31, 0.04, np.pi / 2),
}
# those that a defect can befall
SMALL = ("can_left", "can_right", "resistor_a", "resistor_b", "capacitor", "led")
BODY = {  # colour
    "chip": BLACK,
    "can_left": TIN,
    "can_right": TIN,
    "resistor_a": (0.10, 0.10, 0.13),
    "resistor_b": (0.10, 0.10, 0.13),
    "capacitor": (0.62, 0.45, 0.27),
    "led": (0.93, 0.90, 0.62),
    "header": (0.12, 0.12, 0.13),
}
WRONG = {  # colours of the wrong component, by the first letters of the right one
    "can": ((0.20, 0.28, 0.62), (0.55, 0.42, 0.16)),
    "res": ((0.48, 0.16, 0.12), (0.16, 0.30, 0.62)),
    "cap": ((0.20, 0.22, 0.26), (0.80, 0.72, 0.30)),
    "led": ((0.80, 0.25, 0.18), (0.30, 0.62, 0.85)),
}


def paint(size: int, rng: np.random.Generator, defect: Defect | None = None) -> Surface:
    """A populated board: it lies a pixel or two off, and its components sit a little off on it."""
    board = Pose().jitter(rng, 0.011, 0.018)
    poses = {part: board.at(*place).jitter(rng, 0.002, 0.02) for part, place in PARTS.items()}
    tone = float(rng.normal(1, 0.05))
    cloud = noise.smooth(rng, size, 3)

    surface = Surface(size, np.array(TABLE, np.float32) * (1 + np.float32(0.08) * cloud)[..., None])
    surface.lay(shapes.box(0.9, 0.9, 0.05), board, 0.66, np.array(MASK) * tone, top=TOP, bevel=0.008, gloss=0.10)
    for x, y, length, angle in TRACES:
        surface.lay(shapes.box(length, 0.016, 0.008), board.at(x, y, angle), length / 2 + 0.02, np.array(TRACE) * tone)
    for x, y in ((-0.39, -0.39), (0.39, -0.39), (-0.39, 0.39), (0.39, 0.39)):
        surface.lay(shapes.circle(0.036), board.at(x, y), 0.05, GOLD, gloss=0.3)
        surface.lay(shapes.circle(0.019), board.at(x, y), 0.03, (0.04, 0.04, 0.05), top=0.0, gloss=0.0)
    surface.lay(shapes.row(shapes.box(0.014, 0.05), 0.024, 6), board.at(0.22, 0.38), 0.1, GOLD, gloss=0.35)
    surface.lay(shapes.row(shapes.box(0.016, 0.022), 0.026, 5), board.at(-0.16, 0.395), 0.08, SILK)

    bare = surface.coverage(shapes.box(0.84, 0.84, 0.03), board)  # where scratches and solder can be
    victim = defect.one_of(*SMALL) if defect and defect.kind not in ("scratch", "blob") else None
    for part, pose in poses.items():
        colour = BODY[part]
        _land(surface, part, board.at(*PARTS[part]))
        if defect and part == victim:
            if defect.kind == "missing":
                continue
            if defect.kind == "misplaced":
                pose = _misplace(defect, pose)
            elif defect.kind == "colour":
                colour = defect.one_of(*WRONG[part[:3]])
        _component(surface, part, pose, colour)
    if defect and defect.kind == "scratch":
        scratch(surface, defect, bare * (surface.height < TOP + 0.004), defect.one_of(GOLD, SILK))
    elif defect and defect.kind == "blob":
        blob(surface, defect, bare, TIN, gloss=0.5)
    return surface


def _misplace(defect: Defect, pose: Pose) -> Pose:
    """Shifted and turned, as if it had slipped before soldering."""
    way = float(defect.rng.uniform(0, 2 * np.pi))
    shift = defect.between(0.04, 0.06)
    turn = defect.one_of(-1, 1) * defect.between(0.4, 0.8)
    return Pose(pose.x + shift * np.cos(way), pose.y + shift * np.sin(way), pose.angle + turn)


def _land(surface: Surface, part: str, pose: Pose) -> None:
    """The solder pads under a component, and its outline in white print."""
    if part.startswith(("res", "cap", "led")):
        surface.lay(shapes.row(shapes.box(0.042, 0.062), 0.088, 2), pose, 0.1, TIN, gloss=0.3)
    elif part.startswith("can"):
        surface.lay(shapes.ring(0.082, 0.010), pose, 0.1, SILK)
        surface.lay(shapes.row(shapes.circle(0.02), 0.075, 2), pose, 0.07, TIN, gloss=0.3)


def _component(surface: Surface, part: str, pose: Pose, colour: tuple[float, float, float]) -> None:
    if part == "chip":
        for side in (-0.125, 0.125):
            pins = shapes.row(shapes.box(0.020, 0.05, 0.004), 0.042, 6)
            surface.lay(pins, pose.at(0, side), 0.15, TIN, top=TOP + 0.004, bevel=0.006, gloss=0.4)
        surface.lay(shapes.box(0.28, 0.21, 0.01), pose, 0.2, colour, top=TOP + 0.028, bevel=0.014, gloss=0.06)
        surface.lay(shapes.circle(0.014), pose.at(-0.11, 0.075), 0.03, (0.30, 0.30, 0.31))
        text = shapes.row(shapes.box(0.016, 0.026), 0.026, 5)
        surface.lay(text, pose.at(0.01, -0.03), 0.1, (0.42, 0.43, 0.44))
        surface.lay(text, pose.at(0.01, 0.02), 0.1, (0.36, 0.37, 0.38))
    elif part.startswith("can"):
        surface.lay(shapes.circle(0.07), pose, 0.1, colour, top=TOP + 0.045, bevel=0.016, gloss=0.35)
        lid = surface.coverage(shapes.circle(0.06), pose)
        surface.lay(shapes.box(0.03, 0.10), pose.at(-0.04, 0), 0.06, (0.10, 0.10, 0.12), gloss=0.1, within=lid)
        surface.lay(shapes.box(0.07, 0.008), pose.at(0.01, 0), 0.05, (0.45, 0.46, 0.48))
    elif part == "header":
        surface.lay(shapes.box(0.40, 0.085, 0.006), pose, 0.22, colour, top=TOP + 0.03, bevel=0.008, gloss=0.05)
        pins = shapes.row(shapes.box(0.030, 0.030, 0.004), 0.064, 6)
        surface.lay(pins, pose, 0.22, GOLD, top=TOP + 0.05, bevel=0.010, gloss=0.4)
    else:
        surface.lay(shapes.box(0.125, 0.062, 0.004), pose, 0.07, TIN, top=TOP + 0.018, bevel=0.008, gloss=0.35)
        surface.lay(shapes.box(0.077, 0.066, 0.002), pose, 0.06, colour, top=TOP + 0.020, bevel=0.006, gloss=0.08)
