"""Bent and squeezed spots: the image is smoothly deformed around a place."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.interfaces import Synthesizer
from adcore.synthesis.change import first_visible
from adcore.synthesis.draws import Range, chance, check_within, log_uniform, uniform
from adcore.synthesis.foreground import foreground
from adcore.synthesis.patch import Patch, side
from adcore.synthesis.region import salient_place


class Warp(Synthesizer):
    """Place pulled aside, swollen, shrunk or twisted: bent leads, warped outlines, distorted weaves.

    The deformation is smooth and dies out towards the rim of an ellipse, so nothing is torn. It is put where the image
    has contrast, as elsewhere it would not be seen; on the object where the background is plain.

    Args:
        size: smallest and largest diameter of what is deformed, as fractions of the image's side, 12 pixels at least.
        strength: smallest and largest shift, as fractions of half that diameter; above 0.7 the image would fold.
        visible: change of colour, in [0, 1], that is labelled 0.5 in the soft mask.
    """

    def __init__(self, size: Range = (0.08, 0.5), strength: Range = (0.15, 0.5), visible: float = 0.04):
        check_within("warp: size", size, (0.001, 1))
        check_within("warp: strength", strength, (0, 0.7))
        check_within("warp: visible", visible, (0.001, 1))
        self.size = size
        self.strength = strength
        self.visible = visible

    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Synthesizer.synthesize`."""
        objects = foreground(image)

        def propose() -> Tensor:
            centre = salient_place(image, objects, generator)
            diameter = max(12.0, log_uniform(generator, self.size) * side(image))
            stretch, angle = math.sqrt(log_uniform(generator, (0.5, 2))), uniform(generator, (0, math.pi))
            half = (diameter * stretch / 2, diameter / stretch / 2)
            patch = Patch.at(image, centre, half, angle)
            fade = (1 - (patch.u / half[0]).square() - (patch.v / half[1]).square()).clamp(min=0).square()  # [h, w]
            du, dv = self._shift(patch, fade, diameter / 2, generator)
            cos, sin = math.cos(angle), math.sin(angle)
            changed = image.clone()
            target = patch.cut(changed)
            target.copy_(torch.where(fade > 0, _taken(image, patch, du * cos - dv * sin, du * sin + dv * cos), target))
            return changed

        return first_visible(image, propose, self.visible)

    def _shift(self, patch: Patch, fade: Tensor, radius: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """How far along u and v each pixel [h, w] is from where it is taken."""
        amount = uniform(generator, self.strength)
        if chance(generator, 0.5):  # pulled aside
            direction = uniform(generator, (0, 2 * math.pi))
            shift = 0.65 * amount * radius * fade
            return shift * math.cos(direction), shift * math.sin(direction)
        sign = 1 if chance(generator, 0.5) else -1
        if chance(generator, 0.6):  # swollen or shrunk
            return sign * amount * fade * patch.u, sign * amount * fade * patch.v
        turn = 2 * sign * amount * fade  # twisted
        cos, sin = turn.cos() - 1, turn.sin()
        return patch.u * cos - patch.v * sin, patch.u * sin + patch.v * cos


def _taken(image: Tensor, patch: Patch, dx: Tensor, dy: Tensor) -> Tensor:
    """The patch's pixels taken from so many columns and rows further on, [3, h, w]; the image's edge is continued."""
    height, width = image.shape[-2:]
    x = torch.arange(patch.columns.start, patch.columns.stop, device=image.device) + dx
    y = torch.arange(patch.rows.start, patch.rows.stop, device=image.device)[:, None] + dy
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)  # [h, w, 2]
    return F.grid_sample(image[None], grid[None], padding_mode="border", align_corners=False)[0]
