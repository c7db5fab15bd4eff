"""Parts: a shape of some material, its form in height, and where it sits; and how they are painted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from adcore.products.canvas import Canvas
from adcore.products.plane import Array, Frame, Window
from adcore.products.shapes import Shape
from adcore.products.textures import Texture


@dataclass(frozen=True)
class Part:
    """What a part is, the same in all images.

    Attributes:
        shape: its outline.
        texture: its surface; None for an opening through which the background is seen.
        frame: where it sits in the body, or in the image for a body.
        form: ``flat``, ``bevel``, ``dome``, ``round`` (a rod along u) or ``sunk``.
        height: of the form, in units.
        bevel: width over which it rises, in units.
        gloss: how much it mirrors the light, in [0, 1].
        play: how far it may lie off its place, in units, and be turned, in radians.
        tints: colours [n, 3] of which each item has one, where several are normal.
        group: parts of one group are alike and arranged together; -1 for none.
        opacity: of the surface; prints are at times thin.
        halo: darkness of the contact shadow around it.
        body: whether it carries the parts that follow.
    """

    shape: Shape
    texture: Texture | None
    frame: Frame = field(default_factory=Frame)
    form: str = "flat"
    height: float = 0.0
    bevel: float = 0.02
    gloss: float = 0.0
    play: tuple[float, float] = (0.0, 0.0)
    tints: Array | None = None
    group: int = -1
    opacity: float = 1.0
    halo: float = 0.0
    body: bool = False


@dataclass(frozen=True, eq=False)
class Placed:
    """A part in one image.

    Attributes:
        part: what it is.
        frame: where it is in the image.
        key: of the piece of texture that it shows.
        tint: shift of its colour, [3].
        parent: index of the body that carries it among the placed parts; -1 for a body.
    """

    part: Part
    frame: Frame
    key: int
    tint: Array
    parent: int = -1

    def moved(self, frame: Frame) -> Placed:
        """The same elsewhere."""
        return replace(self, frame=frame)


def paint(canvas: Canvas, placed: Placed) -> None:
    """Put a part on the canvas."""
    part, frame = placed.part, placed.frame
    shadow = 0.012 if part.halo else 0.0
    window = Window.around(canvas.size, frame.x, frame.y, part.shape.reach * frame.scale + shadow)
    if window is None:
        return
    u, v = frame.local(window)
    pixel = window.pixel / frame.scale
    depth = part.shape.depth(u, v).astype(np.float32, copy=False)
    cover = np.clip(depth / np.float32(1.2 * pixel) + np.float32(0.5), 0, 1)
    if part.texture is None:
        canvas.open(window, cover)
        return
    if part.halo:
        albedo = window.cut(canvas.albedo)
        albedo *= 1 - np.float32(part.halo) * np.clip(1 + depth / np.float32(shadow), 0, 1)
    albedo, relief = part.texture.paint(u, v, placed.key, pixel)
    albedo += placed.tint[:, None, None]
    if part.opacity < 1:
        alpha = cover * np.float32(part.opacity)
        canvas.cover_with(window, albedo, relief + _form(part, depth, v), part.gloss, alpha, part.body)
        return
    canvas.cover_with(window, albedo, relief + _form(part, depth, v), part.gloss, cover, part.body)


def _form(part: Part, depth: Array, v: Array) -> Array:
    """Height of the part over what it lies on, float32 [h, w] in units."""
    if not part.height or part.form == "flat":
        return np.zeros((), np.float32)
    if part.form == "dome":
        rise = np.clip(depth / np.float32(max(1e-3, float(depth.max()))), 0, 1)
        rise = np.sqrt(rise * (2 - rise))
    elif part.form == "round":
        rise = np.sqrt(np.clip(1 - (v / np.float32(part.bevel)) ** 2, 0, 1))
    else:
        rise = np.clip(depth / np.float32(part.bevel), 0, 1)
        rise = rise * rise * (3 - 2 * rise)
    height: Array = np.float32(-part.height if part.form == "sunk" else part.height) * rise
    return height
