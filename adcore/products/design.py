"""Designs: what a product is, the same in all images, and the items made to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from adcore.products.arrangement import free_place
from adcore.products.camera import Camera
from adcore.products.canvas import Canvas
from adcore.products.colours import Palette
from adcore.products.draws import Random, seed
from adcore.products.lighting import Lighting, LightPlay
from adcore.products.parts import Part, Placed, paint
from adcore.products.plane import Array, Frame, Window
from adcore.products.poses import Pose
from adcore.products.textures import Texture
from adcore.products.wear import Wear


@dataclass(frozen=True)
class Design:
    """A product.

    Attributes:
        kind: one of `adcore.products.kinds.KINDS`.
        palette: its colours.
        ground: the background, or the surface itself.
        surface: whether the ground is what is inspected.
        ground_gloss: gloss of the ground.
        bodies: objects, each with the parts that it carries, which lie in its frame.
        pose: of the objects, together or, with `apart`, each for itself.
        apart: see `pose`.
        poured: whether the objects lie anywhere, clear of each other, anew in each image.
        view: of the camera over the ground.
        tint: standard deviation of the colour between parts of a kind.
        shadow: darkness and softness (units) of the shadow that objects cast; none if 0.
        beneath: colour [3] that a hole in a surface shows.
        lighting: the light.
        light_play: its variation.
        camera: the camera with its variation.
        wear: normal dirt and wear.
    """

    kind: str
    palette: Palette
    ground: Texture
    surface: bool
    ground_gloss: float
    bodies: tuple[tuple[Part, tuple[Part, ...]], ...]
    pose: Pose
    apart: bool
    poured: bool
    view: Pose
    tint: float
    shadow: tuple[float, float]
    beneath: Array
    lighting: Lighting
    light_play: LightPlay
    camera: Camera
    wear: Wear

    def item(self, rng: Random) -> Item:
        """One item made to the design."""
        view, ground_key = self.view.vary(Frame(), rng), seed(rng)
        together = self.pose.vary(Frame(), rng)
        placed: list[Placed] = []
        taken: list[tuple[Frame, float]] = []
        for body, children in self.bodies:
            if self.poured:
                spot = free_place(rng, taken, 1.05 * body.shape.reach, (0.5, 0.5))
                if spot is None:
                    continue
                frame = self.pose.vary(spot, rng)
            else:
                frame = self.pose.vary(body.frame, rng) if self.apart else together.inner(body.frame)
            place = len(placed)
            placed.append(self._place(body, frame, -1, rng))
            for child in children:
                placed.append(self._place(child, _loose(frame.inner(child.frame), child, rng), place, rng))
        return Item(view, ground_key, placed)

    def _place(self, part: Part, frame: Frame, parent: int, rng: Random) -> Placed:
        tint = (self.tint * rng.standard_normal(3) * 0.5 + self.tint * rng.standard_normal()).astype(np.float32)
        key = seed(rng)
        if part.tints is not None and part.texture is not None:
            tint = tint + (part.tints[int(rng.integers(len(part.tints)))] - part.texture.mean)
        return Placed(part, frame, key, tint, parent)

    def canvas(self, item: Item, size: int) -> Canvas:
        """The ground of an item."""
        window = Window.whole(size)
        u, v = item.view.local(window)
        albedo, relief = self.ground.paint(u, v, item.ground_key, window.pixel / item.view.scale)
        return Canvas.of(
            np.broadcast_to(albedo, (3, size, size)).copy(),
            relief,
            self.ground_gloss,
            self.beneath if self.surface else None,
        )

    def build(self, canvas: Canvas, parts: list[Placed]) -> None:
        """Put parts on a canvas."""
        for placed in parts:
            if placed.parent < 0 and self.shadow[0] and not self.surface:
                self._cast(canvas, placed)
            paint(canvas, placed)

    def _cast(self, canvas: Canvas, placed: Placed) -> None:
        window = Window.around(canvas.size, placed.frame.x, placed.frame.y, placed.part.shape.reach + 0.1)
        if window is None:
            return
        darkness, softness = self.shadow
        out = 0.6 * softness
        light = self.lighting.azimuth
        frame = placed.frame.moved(-out * math.cos(light), -out * math.sin(light))
        depth = placed.part.shape.depth(*frame.local(window))
        shade = np.clip(depth / np.float32(softness) + np.float32(0.5), 0, 1)
        albedo = window.cut(canvas.albedo)
        albedo *= 1 - np.float32(darkness) * shade


@dataclass(frozen=True, eq=False)
class Item:
    """One item: where everything lies, before it is painted.

    Attributes:
        view: of the ground.
        ground_key: of the piece of the ground that is shown.
        parts: bodies, each followed by what it carries, in painting order.
    """

    view: Frame
    ground_key: int
    parts: list[Placed]


def _loose(frame: Frame, part: Part, rng: Random) -> Frame:
    shift, turn = part.play
    n = np.clip(rng.standard_normal(3), -2, 2)
    return frame.moved(shift * n[0], shift * n[1], turn * n[2]) if shift or turn else frame
