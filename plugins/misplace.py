"""Misplaced parts: a piece of the image lies elsewhere, is turned, or is there twice."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.interfaces import Synthesizer
from adcore.synthesis.change import first_visible
from adcore.synthesis.draws import Range, check_within, log_uniform, uniform
from adcore.synthesis.foreground import foreground
from adcore.synthesis.inpainting import inpaint
from adcore.synthesis.patch import place, side
from adcore.synthesis.region import coherent_region, soft

KINDS = ("move", "turn", "copy")


class Misplace(Synthesizer):
    """Piece of the image that lies off its place, is turned in it, or is there once more.

    The piece is a coherent region of similar colour around a place of strong contrast; where it was is filled from its
    surroundings. Where the image has a plain background, it is taken from the object and put on it.

    Args:
        kind: ``move`` by `distance`, ``turn`` on the spot, ``copy`` to anywhere on the object, or ``any`` to draw one
            of them each time.
        size: smallest and largest diameter of the piece, as fractions of the image's side.
        distance: smallest and largest shift of a moved piece, likewise.
        rotation: smallest and largest angle of a turned piece, in degrees.
        object_share: how much of the piece shall lie on the object.
        visible: change of colour, in [0, 1], that is labelled 0.5 in the soft mask.
    """

    def __init__(
        self,
        kind: Literal["move", "turn", "copy", "any"] = "any",
        size: Range = (0.05, 0.35),
        distance: Range = (0.02, 0.2),
        rotation: Range = (10.0, 180.0),
        object_share: float = 0.5,
        visible: float = 0.04,
    ):
        check_within("misplace: size", size, (0.001, 1))
        check_within("misplace: distance", distance, (0.001, 1))
        check_within("misplace: rotation", rotation, (0.1, 180))
        check_within("misplace: object_share", object_share, (0, 1))
        check_within("misplace: visible", visible, (0.001, 1))
        self.kind = kind
        self.size = size
        self.distance = distance
        self.rotation = rotation
        self.object_share = object_share
        self.visible = visible

    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Synthesizer.synthesize`."""
        objects = foreground(image)

        def propose() -> Tensor:
            kind = KINDS[int(torch.randint(3, (), generator=generator))] if self.kind == "any" else self.kind
            region = coherent_region(image, objects, self.size, self.object_share, generator)
            y, x = (float(at.float().mean()) for at in region.nonzero().T)
            angle, to_y, to_x = 0.0, y, x
            if kind == "turn":
                angle = math.radians(uniform(generator, self.rotation)) * (1 if uniform(generator, (-1, 1)) > 0 else -1)
            elif kind == "copy":
                to_y, to_x = place(objects, (1.0, 1.0), 0.0, generator)
                angle = uniform(generator, (0, 2 * math.pi))
            else:
                direction = uniform(generator, (0, 2 * math.pi))
                distance = max(2.0, log_uniform(generator, self.distance) * side(image))
                to_y, to_x = y + distance * math.sin(direction), x + distance * math.cos(direction)
            ground = image if kind == "copy" else inpaint(image, region)
            piece = torch.cat([image, soft(region)[None]])  # [4, H, W]
            laid = _laid(piece, (y, x), (to_y, to_x), angle)
            return ground.lerp(laid[:3], laid[3])

        return first_visible(image, propose, self.visible)


def _laid(piece: Tensor, centre: tuple[float, float], to: tuple[float, float], angle: float) -> Tensor:
    """Move a layer [C, H, W] so that one point comes to lie on another, turned about it; 0 where nothing was."""
    height, width = piece.shape[-2:]
    y = torch.arange(height, device=piece.device)[:, None] - to[0]
    x = torch.arange(width, device=piece.device)[None] - to[1]
    cos, sin = math.cos(angle), math.sin(angle)
    at_x, at_y = centre[1] + x * cos + y * sin, centre[0] + y * cos - x * sin
    grid = torch.stack([(2 * at_x + 1) / width - 1, (2 * at_y + 1) / height - 1], -1)  # [H, W, 2]
    return F.grid_sample(piece[None], grid[None], padding_mode="zeros", align_corners=False)[0]
