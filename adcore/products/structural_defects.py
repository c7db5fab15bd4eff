"""Defects of structure: each changes which parts an item has, and how they lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from adcore.products import glyphs, outlines, shapes
from adcore.products.design import Design
from adcore.products.draws import Random, chance, log_uniform, pick, seed
from adcore.products.parts import Placed
from adcore.products.plane import Frame
from adcore.products.shapes import Ellipse

Parts = list[Placed]
Defect = Callable[[Design, Parts, Random], Parts | None]
MARGIN = 0.46


def missing(design: Design, parts: Parts, rng: Random) -> Parts | None:
    """A part, or one of several objects, is not there."""
    index = _choose(design, parts, rng)
    return None if index is None else _without(parts, index)


def added(design: Design, parts: Parts, rng: Random) -> Parts | None:
    """One part too many: another of a kind, on the same body."""
    index = _choose(design, parts, rng)
    if index is None:
        return None
    placed = parts[index]
    around = parts[placed.parent].frame if placed.parent >= 0 else Frame()
    reach = parts[placed.parent].part.shape.reach if placed.parent >= 0 else 0.45
    x, y = around.to_image(*rng.uniform(-0.7, 0.7, 2) * min(reach, 0.45))
    extra = replace(placed, frame=replace(placed.frame, x=x, y=y, angle=rng.uniform(0, 6.28)), key=seed(rng))
    return [*parts, extra]


def moved(design: Design, parts: Parts, rng: Random) -> Parts | None:
    """A part lies off its place."""
    index = _choose(design, parts, rng)
    if index is None:
        return None
    placed = parts[index]
    least = 4 * _play(design, placed)[0] + 0.012
    distance, angle = least + log_uniform(rng, 0.005, 0.15), rng.uniform(0, 2 * math.pi)
    return _relaid(parts, index, placed.frame.moved(distance * math.cos(angle), distance * math.sin(angle)))


def turned(design: Design, parts: Parts, rng: Random) -> Parts | None:
    """A part is turned the wrong way."""
    index = _choose(design, parts, rng, lambda placed: not _round(placed))
    if index is None or _play(design, parts[index])[1] > 0.5:
        return None
    angle = 4 * _play(design, parts[index])[1] + log_uniform(rng, 0.15, math.pi)
    return _relaid(parts, index, parts[index].frame.moved(angle=angle * rng.choice([-1, 1])))


def resized(design: Design, parts: Parts, rng: Random) -> Parts | None:
    """A part of the wrong size."""
    index = _choose(design, parts, rng)
    if index is None:
        return None
    factor = log_uniform(rng, 1.25, 1.9)
    return _relaid(parts, index, parts[index].frame.moved(scale=factor if chance(rng, 0.5) else 1 / factor))


def recoloured(design: Design, parts: Parts, rng: Random) -> Parts | None:
    """A part of the wrong colour or material."""
    index = _choose(design, parts, rng, lambda placed: placed.part.texture is not None)
    if index is None:
        return None
    part = parts[index].part
    assert part.texture is not None
    normal = np.concatenate([part.texture.mean[None], part.tints if part.tints is not None else part.texture.colours])
    best = max(
        (design.palette.colour(rng, 0.02, 0.98) for _ in range(4)),
        key=lambda colour: float(np.abs(normal - colour).max(1).min()),
    )
    least = 0.12 + 3 * design.tint
    if float(np.abs(normal - best).max(1).min()) < least:
        return None
    share = max(rng.uniform(0.3, 1), min(1.0, least / max(1e-3, float(np.abs(part.texture.mean - best).max()))))
    colour = part.texture.mean + (best - part.texture.mean) * np.float32(share)
    other = replace(parts[index], part=replace(part, texture=part.texture.recoloured(colour), tints=None))
    return [*parts[:index], replace(other, tint=np.zeros(3, np.float32)), *parts[index + 1 :]]


def reshaped(design: Design, parts: Parts, rng: Random) -> Parts | None:
    """A part of the wrong shape."""
    index = _choose(design, parts, rng)
    if index is None:
        return None
    part = parts[index].part
    shape: shapes.Shape
    if isinstance(part.shape, glyphs.Glyphs):
        shape = glyphs.draw(rng, part.shape.height, max(1, len(part.shape.text)))
    else:
        shape = outlines.draw(rng, part.shape.reach * rng.uniform(0.8, 1.1))
    return [*parts[:index], replace(parts[index], part=replace(part, shape=shape)), *parts[index + 1 :]]


def swapped(design: Design, parts: Parts, rng: Random) -> Parts | None:
    """Two different parts of one body have changed places."""
    index = _choose(design, parts, rng)
    if index is None:
        return None
    one = parts[index]
    others = [
        i
        for i, placed in enumerate(parts)
        if placed.parent == one.parent >= 0 and placed.part.shape is not one.part.shape and _near(placed)
    ]
    if not others:
        return None
    other = pick(rng, others)
    result = list(parts)
    result[index], result[other] = one.moved(parts[other].frame), parts[other].moved(one.frame)
    return result


def faded(design: Design, parts: Parts, rng: Random) -> Parts | None:
    """A print is missing in part: too thin, or printed twice."""
    index = _choose(design, parts, rng, lambda placed: isinstance(placed.part.shape, glyphs.Glyphs))
    if index is None:
        return None
    placed = parts[index]
    if chance(rng, 0.5):
        part = replace(placed.part, opacity=placed.part.opacity * rng.uniform(0.1, 0.6), height=0.0)
        return [*parts[:index], replace(placed, part=part), *parts[index + 1 :]]
    shift = rng.uniform(0.15, 0.4, 2) * getattr(placed.part.shape, "height", 0.05)
    return [*parts, placed.moved(placed.frame.moved(*(shift * rng.choice([-1, 1], 2))))]


def misplaced(design: Design, parts: Parts, rng: Random) -> Parts | None:
    """The object lies beyond its tolerance, is turned, or is not there at all."""
    pose = design.pose
    if design.surface or pose.free or pose.shift > 0.012 or len(design.bodies) != 1 or not parts:
        return None
    body = parts[0]
    if body.part.shape.reach > 0.6:
        return None
    if chance(rng, 0.1):
        return []
    shift = 5 * pose.shift + log_uniform(rng, 0.02, 0.12)
    turn = 0.0
    if not _round(body) and pose.turn < 0.06 and chance(rng, 0.5):
        shift, turn = 0.0, (5 * pose.turn + log_uniform(rng, 0.1, 3)) * rng.choice([-1, 1])
    angle = rng.uniform(0, 2 * math.pi)
    return _relaid(parts, 0, body.frame.moved(shift * math.cos(angle), shift * math.sin(angle), turn))


def _choose(
    design: Design, parts: Parts, rng: Random, fits: Callable[[Placed], bool] = lambda placed: True
) -> int | None:
    """A part in the picture: one of those that a body carries, or one of several arranged objects."""
    several = len(design.bodies) > 1
    found = [
        i
        for i, placed in enumerate(parts)
        if (placed.parent >= 0 or (several and not design.poured)) and _near(placed) and fits(placed)
    ]
    return pick(rng, found) if found else None


def _near(placed: Placed) -> bool:
    return max(abs(placed.frame.x), abs(placed.frame.y)) < MARGIN and placed.part.shape.reach < 0.45


def _round(placed: Placed) -> bool:
    shape = placed.part.shape
    return isinstance(shape, Ellipse) and max(shape.a, shape.b) < 1.2 * min(shape.a, shape.b)


def _play(design: Design, placed: Placed) -> tuple[float, float]:
    """Standard deviations of a part's place and angle in its body, or of a body's."""
    if placed.parent >= 0:
        return placed.part.play
    return design.pose.shift, 9.0 if design.pose.free else design.pose.turn


def _without(parts: Parts, index: int) -> Parts:
    """Leave out a part and what it carries."""
    kept = [i for i, placed in enumerate(parts) if i != index and placed.parent != index]
    places = {old: new for new, old in enumerate(kept)}
    return [replace(parts[i], parent=places[parts[i].parent] if parts[i].parent >= 0 else -1) for i in kept]


def _relaid(parts: Parts, index: int, frame: Frame) -> Parts:
    """Put a part, and what it carries, elsewhere."""
    before = parts[index].frame
    turn, scale = frame.angle - before.angle, frame.scale / before.scale
    cos, sin = math.cos(turn) * scale, math.sin(turn) * scale

    def along(placed: Placed) -> Placed:
        x, y = placed.frame.x - before.x, placed.frame.y - before.y
        at = Frame(frame.x + x * cos - y * sin, frame.y + x * sin + y * cos, placed.frame.angle + turn)
        return placed.moved(replace(at, scale=placed.frame.scale * scale))

    return [along(placed) if i == index or placed.parent == index else placed for i, placed in enumerate(parts)]


DEFECTS: dict[str, tuple[Defect, float]] = {
    "missing": (missing, 1.5),
    "added": (added, 0.7),
    "moved": (moved, 1.0),
    "turned": (turned, 0.8),
    "resized": (resized, 0.6),
    "recoloured": (recoloured, 1.0),
    "reshaped": (reshaped, 0.7),
    "swapped": (swapped, 0.5),
    "faded": (faded, 0.6),
    "misplaced": (misplaced, 0.5),
}
"""By name, what makes it and how frequent it is."""
