"""What the camera looks at: colour, height and gloss of every pixel, and how parts are laid onto it."""

from __future__ import annotations

import numpy as np

from adcore.data.demo.grid import Field, Pose, axis
from adcore.data.demo.shapes import Shape

Colour = tuple[float, float, float] | np.ndarray


class Surface:
    """A scene seen from above, before light falls on it.

    Attributes:
        albedo: colour, [size, size, 3].
        height: height above the ground, [size, size], in shares of the image side.
        gloss: strength of highlights, [size, size].
    """

    def __init__(self, size: int, colour: Colour, gloss: float = 0.0):
        self.size = size
        self.albedo: Field = np.broadcast_to(np.asarray(colour, np.float32), (size, size, 3)).copy()
        self.height: Field = np.zeros((size, size), np.float32)
        self.gloss: Field = np.full((size, size), gloss, np.float32)

    def lay(
        self,
        shape: Shape,
        pose: Pose,
        reach: float,
        colour: Colour | None = None,
        top: float | None = None,
        bevel: float = 0.01,
        gloss: float | None = None,
        opacity: float = 1.0,
        softness: float = 0.0,
        within: Field | None = None,
    ) -> None:
        """Lay a shape on the surface.

        Args:
            shape: its outline.
            pose: where it lies.
            reach: radius around the pose beyond which it has nothing; only this window is computed.
            colour: its colour, or a picture [size, size, 3] that it uncovers; None keeps what is there.
            top: height of its plateau above the ground; None leaves the relief.
            bevel: width over which the height goes from what is there to `top`.
            gloss: its gloss; None keeps what is there.
            opacity: how much of the colour and gloss covers what is there.
            softness: width of the transition at the outline, on top of one pixel.
            within: coverage [size, size] that the shape is clipped to.
        """
        centres = axis(self.size)
        rows, columns = (_window(centre, reach, self.size) for centre in (pose.y, pose.x))
        x, y = pose.local(centres[columns], centres[rows])
        distance = shape(x, y)
        coverage = np.clip(0.5 - distance / np.float32(softness + 1 / self.size), 0, 1)
        if within is not None:
            coverage = coverage * within[rows, columns]
        if top is not None:
            climb = coverage * np.clip(-distance / np.float32(bevel), 0, 1)
            height = self.height[rows, columns]
            height += (climb * climb * (3 - 2 * climb)) * (np.float32(top) - height)
        paint = coverage * np.float32(opacity)
        if colour is not None:
            albedo = self.albedo[rows, columns]
            colours = np.asarray(colour, np.float32)
            albedo += paint[..., None] * ((colours[rows, columns] if colours.ndim == 3 else colours) - albedo)
        if gloss is not None:
            shine = self.gloss[rows, columns]
            shine += paint * (np.float32(gloss) - shine)

    def level(self, pose: Pose) -> float:
        """Height at a pose's origin."""
        return float(self.height[int(pose.y * self.size), int(pose.x * self.size)])

    def coverage(self, shape: Shape, pose: Pose) -> Field:
        """How much of each pixel a shape covers, [size, size]."""
        x, y = pose.local(axis(self.size), axis(self.size))
        covered: Field = np.clip(0.5 - shape(x, y) * np.float32(self.size), 0, 1)
        return covered


def _window(centre: float, reach: float, size: int) -> slice:
    return slice(max(0, int((centre - reach) * size)), max(0, int((centre + reach) * size) + 2))
