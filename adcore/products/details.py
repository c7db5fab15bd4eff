"""Smaller parts that products carry: holes, studs, prints, traces, the parts of a board."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from adcore.products import arrangement, glyphs, outlines, shapes
from adcore.products.colours import Palette
from adcore.products.draws import Random, chance, log_uniform, pick
from adcore.products.irregular import Flat
from adcore.products.materials import material
from adcore.products.parts import Part
from adcore.products.plane import Frame
from adcore.products.shapes import Shape
from adcore.products.textures import Texture


def details(rng: Random, palette: Palette, body: Shape, below: Texture, count: int) -> tuple[Part, ...]:
    """Parts on a body: single ones, and groups of equal ones in a row, a grid or a circle."""
    parts: list[Part] = []
    reach = min(body.reach, 0.5)
    taken: list[tuple[Frame, float]] = []
    for _ in range(count):
        how = rng.random()
        if how < 0.25:
            parts += _group(rng, palette, body, below, reach, len(parts))
            continue
        radius = reach * log_uniform(rng, 0.06, 0.4)
        frame = Frame() if chance(rng, 0.25) else arrangement.free_place(rng, taken, radius, (reach, reach))
        if frame is None or not arrangement.inside(body, frame, radius):
            continue
        frame = replace(frame, angle=0.0 if chance(rng, 0.6) else rng.uniform(0, 2 * math.pi))
        if how < 0.45:
            parts.append(_print(rng, palette, below, glyphs.draw(rng, 0.6 * radius, 4), frame))
        else:
            parts.append(replace(material(rng, palette, outlines.draw(rng, radius), below), frame=frame))
    return tuple(parts)


def _group(rng: Random, palette: Palette, body: Shape, below: Texture, reach: float, group: int) -> list[Part]:
    frames = arrangement.regular(rng, reach, 12, rng.uniform(0.4, 0.9))
    radius = arrangement.spacing(frames) * rng.uniform(0.15, 0.45)
    part = material(rng, palette, outlines.draw(rng, radius, simple=True), below)
    return [replace(part, frame=frame, group=group) for frame in frames if arrangement.inside(body, frame, radius)]


def _print(rng: Random, palette: Palette, below: Texture, shape: Shape, frame: Frame) -> Part:
    """Ink, or an engraving of the material itself."""
    if chance(rng, 0.25):
        return Part(shape, below, frame, form="sunk", height=rng.uniform(0.003, 0.01), bevel=0.006)
    colour = palette.accent(rng, below.mean)
    texture = replace(Texture.draw(rng, palette, kinds={Flat: 1.0}), colours=np.stack([colour] * 3), relief=0.0)
    return Part(shape, texture, frame, opacity=rng.uniform(0.6, 1.0), play=(0.004 * rng.random() ** 3, 0.0))


def prints(rng: Random, palette: Palette, below: Texture, half: tuple[float, float], count: int) -> tuple[Part, ...]:
    """Lines of text, bars and logos in a rectangle."""
    parts: list[Part] = []
    taken: list[tuple[Frame, float]] = []
    for _ in range(count):
        height = log_uniform(rng, 0.035, 0.2)
        text = glyphs.draw(rng, height, max(1, int(0.8 / height)))
        shape: Shape = text if chance(rng, 0.75) else outlines.draw(rng, height)
        frame = arrangement.free_place(rng, taken, 0.8 * min(shape.reach, 0.4), half)
        if frame is not None:
            parts.append(
                _print(rng, palette, below, shape, replace(frame, angle=pick(rng, (0.0, 0.0, 0.0, math.pi / 2))))
            )
    return tuple(parts)


def parts_of_board(rng: Random, palette: Palette, below: Texture, half: tuple[float, float]) -> tuple[Part, ...]:
    """Traces, pads, chips with legs, round and square parts, texts."""
    parts: list[Part] = []
    taken: list[tuple[Frame, float]] = []
    for _ in range(int(rng.integers(0, 7))):
        parts.append(_trace(rng, palette, below, half))
    colours = palette if chance(rng, 0.4) or palette.kind == "grey" else Palette("any", palette.hue)
    library = [_component(rng, colours, below, half, i) for i in range(int(rng.integers(2, 6)))]
    for _ in range(int(rng.integers(6, 24))):
        component, radius = pick(rng, library)
        frame = arrangement.free_place(rng, taken, radius, half)
        if frame is None:
            continue
        frame = replace(frame, angle=pick(rng, (0.0, math.pi / 2)))
        parts += [replace(part, frame=frame.inner(part.frame)) for part in component]
    return tuple(parts[:70])


def _trace(rng: Random, palette: Palette, below: Texture, half: tuple[float, float]) -> Part:
    at = rng.uniform(-1, 1, 2) * half
    points = [at]
    for _ in range(int(rng.integers(1, 4))):
        direction = int(rng.integers(8)) * math.pi / 4
        at = np.clip(at + rng.uniform(0.1, 0.5) * np.array([math.cos(direction), math.sin(direction)]), -0.6, 0.6)
        points.append(at)
    middle = np.mean(points, 0)
    shape = shapes.Path((np.array(points) - middle).astype(np.float32), rng.uniform(0.003, 0.015))
    return _print(rng, palette, below, shape, Frame(float(middle[0]), float(middle[1])))


def _component(
    rng: Random, palette: Palette, below: Texture, half: tuple[float, float], group: int
) -> tuple[list[Part], float]:
    """A kind of component and the radius that it needs."""
    radius = min(half) * log_uniform(rng, 0.06, 0.4)
    kinds = {"box": 4.0, "ellipse": 2.0, "rod": 1.0, "regular": 0.4, "turned": 0.4}
    part = replace(material(rng, palette, outlines.draw(rng, radius, kinds, simple=True), below), group=group)
    parts = [part]
    if isinstance(part.shape, shapes.Box) and part.texture is not None and chance(rng, 0.5):  # legs
        n, (a, b) = int(rng.integers(2, 7)), (part.shape.a, part.shape.b)
        leg = material(rng, Palette("grey", 0.0), shapes.Box(0.3 * a / n, 0.25 * b), below)
        if leg.texture is not None:
            leg = replace(leg, play=(0.0, 0.0), tints=None, group=-1)
            legs = [
                replace(leg, frame=Frame((2 * i + 1 - n) * a / n, side * 1.1 * b)) for i in range(n) for side in (-1, 1)
            ]
            parts = [*legs, part]
    if part.texture is not None and chance(rng, 0.4):
        parts.append(_print(rng, palette, part.texture, glyphs.draw(rng, 0.4 * radius, 3), Frame()))
    return parts, 1.1 * radius
