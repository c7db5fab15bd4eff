"""Wrong colours: a piece of the image in another tone or hue, its texture and shading kept."""

from __future__ import annotations

import torch
from torch import Tensor

from adcore.interfaces import Synthesizer
from adcore.synthesis.change import first_visible
from adcore.synthesis.colour import is_grey, jitter, random_colour
from adcore.synthesis.draws import Range, chance, check_within, log_uniform, uniform
from adcore.synthesis.foreground import foreground
from adcore.synthesis.region import coherent_region, soft


class Recolour(Synthesizer):
    """Piece of the image in another colour: the wrong variant of a part, a faded print, a heated or oxidised patch.

    The piece is a coherent region of similar colour around a place of strong contrast. It keeps its texture and
    shading. Where the image has a plain background, the piece lies on the object. Grey images stay grey.

    Args:
        size: smallest and largest diameter of the piece, as fractions of the image's side.
        strength: smallest and largest change, from 0 (none) to 1 (any colour).
        object_share: how much of the piece shall lie on the object.
        visible: change of colour, in [0, 1], that is labelled 0.5 in the soft mask.
    """

    def __init__(
        self,
        size: Range = (0.04, 0.4),
        strength: Range = (0.15, 1.0),
        object_share: float = 0.5,
        visible: float = 0.04,
    ):
        check_within("recolour: size", size, (0.001, 1))
        check_within("recolour: strength", strength, (0, 1))
        check_within("recolour: object_share", object_share, (0, 1))
        check_within("recolour: visible", visible, (0.001, 1))
        self.size = size
        self.strength = strength
        self.object_share = object_share
        self.visible = visible

    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Synthesizer.synthesize`."""
        objects = foreground(image)

        def propose() -> Tensor:
            region = coherent_region(image, objects, self.size, self.object_share, generator)
            strength = uniform(generator, self.strength)
            mean = image[:, region].mean(1)[:, None, None]
            if is_grey(image) or chance(generator, 0.5):  # towards another colour, all differences kept
                other = image + strength * (random_colour(image, generator) - mean)
            else:  # hue, saturation and brightness
                other = jitter(image, strength, generator)
            return image.lerp(other, soft(region, log_uniform(generator, (0.6, 3))))

        return first_visible(image, propose, self.visible)
