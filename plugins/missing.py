"""Missing parts: a piece of the image gives way to what surrounds it."""

from __future__ import annotations

import torch
from torch import Tensor

from adcore.interfaces import Synthesizer
from adcore.synthesis.change import first_visible
from adcore.synthesis.draws import Range, check_within
from adcore.synthesis.foreground import foreground
from adcore.synthesis.inpainting import inpaint
from adcore.synthesis.region import coherent_region


class Missing(Synthesizer):
    """Piece of the image that differs from its surroundings, filled from them: a part was never mounted, or fell off.

    The piece is a coherent region of similar colour around a place of strong contrast; the fill continues the colours
    of its border (harmonic inpainting: Laplace's equation) with the grain of its surroundings. Where the image has a
    plain background, the piece lies on the object.

    Args:
        size: smallest and largest diameter of the piece, as fractions of the image's side.
        object_share: how much of the piece shall lie on the object.
        visible: change of colour, in [0, 1], that is labelled 0.5 in the soft mask.
    """

    def __init__(self, size: Range = (0.04, 0.35), object_share: float = 0.5, visible: float = 0.04):
        check_within("missing: size", size, (0.001, 1))
        check_within("missing: object_share", object_share, (0, 1))
        check_within("missing: visible", visible, (0.001, 1))
        self.size = size
        self.object_share = object_share
        self.visible = visible

    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Synthesizer.synthesize`."""
        objects = foreground(image)

        def propose() -> Tensor:
            region = coherent_region(image, objects, self.size, self.object_share, generator)
            return inpaint(image, region)

        return first_visible(image, propose, self.visible)
