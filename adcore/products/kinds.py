"""Kinds of products, from an even surface to a board full of parts; each draws a design."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from adcore.products import arrangement, outlines, poses, shapes
from adcore.products.camera import Camera
from adcore.products.colours import Palette
from adcore.products.design import Design
from adcore.products.details import details, parts_of_board, prints
from adcore.products.draws import Random, chance, log_uniform, strength, weighted
from adcore.products.irregular import Bands, Brushed, Flat, Grain, Pores
from adcore.products.lighting import Lighting, LightPlay
from adcore.products.materials import material, solid
from adcore.products.parts import Part
from adcore.products.pattern import Pattern
from adcore.products.plane import Array, Frame
from adcore.products.poses import Pose
from adcore.products.textures import IRREGULAR, REGULAR, Texture
from adcore.products.wear import Wear

Weights = dict[type[Pattern], float]
Bodies = tuple[tuple[Part, tuple[Part, ...]], ...]
PLAIN: Weights = {Flat: 3.0, Grain: 1.5, Bands: 0.5, Brushed: 0.5, Pores: 0.3}


def draw(rng: Random, kinds: dict[str, float]) -> Design:
    """One design of one of these kinds, given with their weights."""
    kind = weighted(rng, kinds)
    palette = Palette.draw(rng)
    control = weighted(rng, {0.15: 0.35, 0.5: 0.35, 1.0: 0.3})  # how much is left to chance in the plant
    ground, gloss, bodies, pose, apart, view = KINDS[kind](rng, palette, control)
    poured = len(bodies) > 3 and apart and pose.free
    lighting = Lighting.draw(rng)
    return Design(
        kind,
        palette,
        ground,
        kind in SURFACES,
        gloss,
        bodies,
        pose,
        apart,
        poured,
        view,
        control * strength(rng, 0.12),
        (rng.uniform(0.2, 0.7), log_uniform(rng, 0.01, 0.06)) if chance(rng, 0.5) else (0.0, 0.01),
        _beneath(rng, palette),
        lighting,
        LightPlay.draw(rng, control),
        Camera.draw(rng, palette.kind == "grey", control),
        Wear.draw(rng, palette, control),
    )


Drawn = tuple[Texture, float, Bodies, Pose, bool, Pose]


def _uniform(rng: Random, palette: Palette, control: float) -> Drawn:
    """An even surface: cast, brushed, leather, wood, stone."""
    texture = Texture.draw(rng, palette, 0.0, contrast=1.2, fixed=0.1, kinds=IRREGULAR)
    return texture, _gloss(rng), (), poses.FIXED, False, poses.view(rng, control)


def _regular(rng: Random, palette: Palette, control: float) -> Drawn:
    """A surface with a period: fabric, mesh, tiles, prints."""
    texture = Texture.draw(rng, palette, 1.0, contrast=1.4, fixed=0.25, kinds=REGULAR)
    low, high, _ = texture.colours
    if float(np.abs(high - low).max()) < 0.15 and texture.relief < 0.002:
        texture = texture.recoloured(texture.mean, 3)
    return texture, _gloss(rng), (), poses.FIXED, False, poses.view(rng, control)


def _printed(rng: Random, palette: Palette, control: float) -> Drawn:
    """A surface with marks at fixed places: labels, panels, dials."""
    texture = Texture.draw(rng, palette, 0.15, contrast=0.4, fixed=0.3)
    frame = Part(shapes.Box(0.8, 0.8), None)
    marks = prints(rng, palette, texture, (0.46, 0.46), int(rng.integers(2, 10)))
    marks += details(rng, palette, shapes.Box(0.46, 0.46), texture, int(rng.integers(0, 4)))
    carrier = replace(frame, texture=texture, body=True)
    ground = Texture.draw(rng, palette, kinds={Flat: 1.0})  # is covered
    ground = replace(ground, grain=(ground.grain[0], 0.0), mottle=(ground.mottle[0], 0.0))
    return ground, _gloss(rng), ((carrier, marks),), poses.pose(rng, control), False, poses.FIXED


def _object(rng: Random, palette: Palette, control: float) -> Drawn:
    """One object on a background."""
    radius = rng.uniform(0.22, 0.44)
    body = solid(rng, palette, outlines.draw(rng, radius))
    children = details(rng, palette, body.shape, _surface(body), int(rng.integers(0, 7)))
    pose = poses.pose(rng, control)
    body = replace(body, frame=poses.near_centre(rng, 0.02))
    return _background(rng, palette, body), 0.0, ((body, children),), pose, False, poses.backdrop(rng)


def _closeup(rng: Random, palette: Palette, control: float) -> Drawn:
    """An object that fills the frame, seen to its edge or beyond."""
    kinds = {"ellipse": 2.0, "box": 2.5, "regular": 0.5, "free": 0.4, "star": 0.4}
    body = solid(rng, palette, outlines.draw(rng, rng.uniform(0.45, 0.75), kinds, simple=chance(rng, 0.7)))
    children: tuple[Part, ...] = ()
    if isinstance(body.shape, shapes.Ellipse) and chance(rng, 0.7):  # rings: bottles, bearings, lids
        radius, rings = body.shape.a, []
        for _ in range(int(rng.integers(1, 6))):
            radius *= rng.uniform(0.5, 0.92)
            ratio = body.shape.b / body.shape.a
            ring: shapes.Shape = shapes.Ellipse(radius, radius * ratio)
            if chance(rng, 0.3):
                ring = shapes.Hollow(ring, radius * rng.uniform(0.04, 0.3))
            rings.append(material(rng, palette, ring, _surface(body)))
        children = tuple(rings)
    children += details(rng, palette, body.shape, _surface(body), int(rng.integers(0, 7)))
    pose = poses.pose(rng, control)
    body = replace(body, frame=poses.near_centre(rng, 0.03))
    return _background(rng, palette, body), 0.0, ((body, children),), pose, False, poses.backdrop(rng)


def _several(rng: Random, palette: Palette, control: float) -> Drawn:
    """Several objects of one design, arranged or poured."""
    poured = chance(rng, 0.45)
    if poured:
        taken: list[tuple[Frame, float]] = []
        radius = log_uniform(rng, 0.05, 0.16)
        for _ in range(int(rng.integers(4, 24))):
            arrangement.free_place(rng, taken, radius * 1.1, (0.5, 0.5))
        frames = [frame.moved(angle=rng.uniform(0, 2 * math.pi)) for frame, _ in taken]
    else:
        frames = arrangement.regular(rng, 0.5, 16, rng.uniform(0.7, 0.95))
        radius = min(0.2, arrangement.spacing(frames) * rng.uniform(0.32, 0.5))
    body = solid(rng, palette, outlines.draw(rng, radius))
    children = details(rng, palette, body.shape, _surface(body), int(rng.integers(0, 3)))[: max(2, 50 // len(frames))]
    bodies = tuple((replace(body, frame=frame, group=0), children) for frame in frames)
    pose = poses.pose(rng, control)
    pose = replace(pose, shift=min(pose.shift, 0.2 * radius), free=poured)
    return _background(rng, palette, body), 0.0, bodies, pose, poured or chance(rng, 0.7), poses.backdrop(rng)


def _assembly(rng: Random, palette: Palette, control: float) -> Drawn:
    """A board or a housing with many parts: circuits, connectors, instruments."""
    texture = Texture.draw(
        rng, palette, 0.15, contrast=0.3, fixed=0.3, kinds=PLAIN | REGULAR if chance(rng, 0.2) else PLAIN
    )
    filling = chance(rng, 0.6)
    half = (0.75, 0.75) if filling else (rng.uniform(0.3, 0.46), rng.uniform(0.25, 0.46))
    board = Part(shapes.Box(*half, rng.uniform(0, 0.05)), texture, height=0.004, form="bevel", bevel=0.01, body=True)
    area = (min(half[0], 0.48), min(half[1], 0.48))
    children = parts_of_board(rng, palette, texture, area)
    pose = poses.pose(rng, control * (0.5 if filling else 1))
    board = replace(board, frame=Frame(angle=0.0 if chance(rng, 0.8) else poses.angle(rng)))
    return _background(rng, palette, board), 0.0, ((board, children),), pose, False, poses.backdrop(rng)


def _array(rng: Random, palette: Palette, control: float) -> Drawn:
    """One part repeated along a strip or over a plate: zippers, chains, connectors, perforated sheets."""
    texture = Texture.draw(rng, palette, 0.3, contrast=0.5, fixed=0.1)
    along = chance(rng, 0.6)
    half = (0.8, rng.uniform(0.12, 0.35)) if along else (0.8, 0.8)
    body = Part(shapes.Box(*half), texture, body=True, height=0.004, form="bevel", gloss=_gloss(rng))
    n, children = int(rng.integers(6, 22 if along else 12)), []
    pitch = 1.3 / n
    kinds = {"ellipse": 1.0, "box": 2.0, "rod": 1.0, "regular": 0.6, "turned": 0.6}
    size = pitch * rng.uniform(0.3, 0.48)
    part = solid(rng, palette, outlines.draw(rng, size, kinds), away=texture.mean)
    if along and chance(rng, 0.5):
        part = replace(
            part, shape=shapes.Box(size * rng.uniform(0.5, 0.9), half[1] * rng.uniform(0.3, 0.8), size * 0.3)
        )
    if chance(rng, 0.2):
        part = replace(part, texture=None)
    part = replace(part, body=False)
    rows = int(rng.integers(1, 3)) if along else n
    step = pitch if not along else half[1]
    stagger = 0.5 * pitch if chance(rng, 0.4) else 0.0
    turn = rng.uniform(0, math.pi) if chance(rng, 0.2) else 0.0
    for row in range(rows):
        for column in range(n):
            x, y = (column - (n - 1) / 2) * pitch + stagger * (row % 2), (row - (rows - 1) / 2) * step
            if max(abs(x), abs(y)) < 0.75:
                children.append(replace(part, frame=Frame(x, y, turn * (1 - 2 * (row % 2))), group=0))
    pose = poses.pose(rng, control)
    angle = 0.0 if chance(rng, 0.5) else float(rng.choice([math.pi / 2, rng.uniform(0, math.pi)]))
    body = replace(body, frame=Frame(angle=angle))
    return _background(rng, palette, body), 0.0, ((body, tuple(children[:120])),), pose, False, poses.backdrop(rng)


def _beneath(rng: Random, palette: Palette) -> Array:
    """What a hole in a surface shows: mostly darkness."""
    return np.full(3, rng.uniform(0, 0.15), np.float32) if chance(rng, 0.6) else palette.colour(rng)


def _surface(body: Part) -> Texture:
    assert body.texture is not None
    return body.texture


def _gloss(rng: Random) -> float:
    return 0.0 if chance(rng, 0.6) else log_uniform(rng, 0.03, 0.5)


def _background(rng: Random, palette: Palette, body: Part) -> Texture:
    """Plain for most products, and of another tone than the object."""
    other = palette if chance(rng, 0.6) or palette.kind == "grey" else Palette.draw(rng)
    if chance(rng, 0.75):
        texture = Texture.draw(rng, other, 0.0, contrast=0.25, fixed=0.5, kinds=PLAIN)
        texture = replace(texture, mottle=(texture.mottle[0], 0.4 * texture.mottle[1]), relief=0.0)
    else:
        texture = Texture.draw(rng, other, 0.3, contrast=0.6, fixed=0.4)
    tone = _surface(body).mean
    if float(np.abs(texture.mean - tone).max()) < 0.2:
        extreme = rng.uniform(0.02, 0.15) if float(tone.mean()) > 0.5 or chance(rng, 0.3) else rng.uniform(0.8, 0.97)
        colour = other.accent(rng, tone) if chance(rng, 0.3) else np.full(3, extreme, np.float32)
        texture = texture.recoloured(colour)
    return texture


KINDS: dict[str, Callable[[Random, Palette, float], Drawn]] = {
    "uniform": _uniform,
    "regular": _regular,
    "printed": _printed,
    "object": _object,
    "closeup": _closeup,
    "several": _several,
    "assembly": _assembly,
    "array": _array,
}
WEIGHTS = {
    "uniform": 0.2,
    "regular": 0.12,
    "printed": 0.08,
    "object": 0.2,
    "closeup": 0.14,
    "several": 0.08,
    "assembly": 0.11,
    "array": 0.07,
}
SURFACES = ("uniform", "regular", "printed")
