"""The layers of a picture before light falls on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adcore.products.plane import Array, Window


@dataclass
class Canvas:
    """What is where.

    Attributes:
        albedo: float32 [3, S, S], colour.
        height: float32 [S, S], in units.
        gloss: float32 [S, S].
        cover: float32 [S, S], 1 on objects, 0 on the background.
        ground: float32 [3, S, S], the background's colour alone.
    """

    albedo: Array
    height: Array
    gloss: Array
    cover: Array
    ground: Array

    @classmethod
    def of(cls, albedo: Array, relief: Array, gloss: float, beneath: Array | None) -> Canvas:
        """A canvas of a background, or of a surface that is itself the object, with what a hole in it shows [3]."""
        size = albedo.shape[-1]
        cover = np.full((size, size), float(beneath is not None), np.float32)
        ground = albedo.copy() if beneath is None else np.broadcast_to(beneath[:, None, None], albedo.shape)
        return cls(albedo, relief, np.full((size, size), gloss, np.float32), cover, ground)

    @property
    def size(self) -> int:
        """Side in pixels."""
        return int(self.height.shape[0])

    def copy(self) -> Canvas:
        """An independent canvas; the ground is shared."""
        return Canvas(self.albedo.copy(), self.height.copy(), self.gloss.copy(), self.cover.copy(), self.ground)

    def cover_with(
        self, window: Window, albedo: Array, height: Array | np.float32, gloss: float, cover: Array, solid: bool
    ) -> None:
        """Lay something over a window.

        Args:
            window: where.
            albedo: float32 [3, h, w].
            height: over what is below, float32 [h, w].
            gloss: of it.
            cover: share of each pixel that it takes, float32 [h, w].
            solid: whether the object grows by it.
        """
        for layer, value in ((window.cut(self.albedo), albedo), (window.cut(self.gloss), np.float32(gloss))):
            layer += (value - layer) * cover
        below = window.cut(self.height)
        below += height * cover
        if solid:
            objects = window.cut(self.cover)
            np.maximum(objects, cover, out=objects)

    def open(self, window: Window, cover: Array) -> None:
        """Cut an opening through which the background is seen."""
        albedo, ground = window.cut(self.albedo), window.cut(self.ground)
        albedo += (ground * np.float32(0.85) - albedo) * cover
        for layer in (self.height, self.gloss, self.cover):
            values = window.cut(layer)
            values *= 1 - cover
