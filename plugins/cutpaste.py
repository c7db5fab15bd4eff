"""CutPaste: a piece of the image, recoloured and turned, pasted elsewhere."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from adcore.interfaces import Synthesizer
from adcore.synthesis.change import first_visible
from adcore.synthesis.colour import jitter
from adcore.synthesis.draws import Range, chance, check_within, log_uniform, uniform
from adcore.synthesis.foreground import foreground
from adcore.synthesis.patch import Patch, place, side


class CutPaste(Synthesizer):
    """Rectangle or thin scar cut from the image and pasted elsewhere, recoloured and turned.

    Li et al., CutPaste, CVPR 2021. Where the image has a plain background, defects are put on the object.

    Args:
        variant: ``rectangle``, ``scar``, or ``any`` to draw one of them each time.
        texture: what is pasted: a piece of the ``image`` itself, as published, or of ``source``, another normal image.
        size: smallest and largest square root of a rectangle's area, as fractions of the image's side.
        aspect: largest ratio of a rectangle's sides.
        scar_width: smallest and largest width of a scar, as fractions of the image's side; never below 2 pixels.
        scar_length: smallest and largest length of a scar, likewise.
        rotation: largest angle by which a piece is turned, in degrees.
        jitter: largest relative change of brightness, contrast and saturation; 1 turns the hue by up to half a
            circle.
        object_share: how much of a defect shall lie on the object.
        visible: change of colour, in [0, 1], that is labelled 0.5 in the soft mask.
    """

    def __init__(
        self,
        variant: Literal["rectangle", "scar", "any"] = "any",
        texture: Literal["image", "source"] = "image",
        size: Range = (0.04, 0.3),
        aspect: float = 3.3,
        scar_width: Range = (0.01, 0.06),
        scar_length: Range = (0.06, 0.3),
        rotation: float = 45.0,
        jitter: float = 0.2,
        object_share: float = 0.5,
        visible: float = 0.04,
    ):
        check_within("cutpaste: size", size, (0.001, 1))
        check_within("cutpaste: aspect", aspect, (1, 100))
        check_within("cutpaste: scar_width", scar_width, (0.001, 1))
        check_within("cutpaste: scar_length", scar_length, (0.001, 1))
        check_within("cutpaste: rotation", rotation, (0, 180))
        check_within("cutpaste: jitter", jitter, (0, 1))
        check_within("cutpaste: object_share", object_share, (0, 1))
        check_within("cutpaste: visible", visible, (0.001, 1))
        self.variant = variant
        self.texture = texture
        self.size = size
        self.aspect = aspect
        self.scar_width = scar_width
        self.scar_length = scar_length
        self.rotation = rotation
        self.jitter = jitter
        self.object_share = object_share
        self.visible = visible

    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Synthesizer.synthesize`."""
        texture = image if self.texture == "image" else source
        objects, texture_objects = foreground(image), foreground(texture)

        def propose() -> Tensor:
            length, width = self._lengths(image, generator)
            angle = math.radians(uniform(generator, (-self.rotation, self.rotation)))
            cut_from = place(texture_objects, (width, length), 0.0, generator)
            centre = place(objects, (width, length), self.object_share, generator)
            half = (length / 2, width / 2)
            patch = Patch.at(image, centre, half, angle)
            piece = jitter(patch.sample(texture, cut_from), self.jitter, generator)
            changed = image.clone()
            target = patch.cut(changed)
            target.copy_(target.lerp(piece, patch.rectangle(half)))
            return changed

        return first_visible(image, propose, self.visible)

    def _lengths(self, image: Tensor, generator: torch.Generator) -> tuple[float, float]:
        """Length and width of a defect in pixels."""
        if self.variant == "scar" or (self.variant == "any" and chance(generator, 0.5)):
            length = max(6.0, log_uniform(generator, self.scar_length) * side(image))
            return length, min(length, max(2.0, log_uniform(generator, self.scar_width) * side(image)))
        size = max(4.0, log_uniform(generator, self.size) * side(image))
        stretch = math.sqrt(log_uniform(generator, (1 / self.aspect, self.aspect)))
        return size * stretch, size / stretch
