"""Natural synthetic anomalies: a patch of another normal image, pasted without a seam."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from adcore.interfaces import Synthesizer
from adcore.synthesis.change import first_visible
from adcore.synthesis.draws import Range, chance, check_within
from adcore.synthesis.foreground import foreground
from adcore.synthesis.patch import Patch, place, side
from adcore.synthesis.poisson import blend


class NSA(Synthesizer):
    """Patch of another normal image, resized and blended in by Poisson editing.

    Schlueter et al., Natural Synthetic Anomalies, ECCV 2022, as AnomalyGPT trains on it. Half the patch's height and
    width are 0.03 + Gamma(2, 0.05) of the image's side each. Where the image has a plain background, patches are taken
    from the object and put on it.

    Args:
        size: smallest and largest height and width of a patch, as fractions of the image's side; never below 4 pixels.
        resize: smallest and largest factor by which a patch is resized.
        patches: largest number of patches; the first always comes, each further one with probability 0.5.
        blending: ``normal`` pastes the patch's gradients, ``mixed`` the stronger ones of patch and image, ``any`` draws
            one of them each time.
        shape: outline of the patch; ``any`` draws one of them each time.
        object_share: how much of a patch shall lie on the object, in its source and in the image.
        visible: change of colour, in [0, 1], that is labelled 0.5 in the soft mask.
    """

    def __init__(
        self,
        size: Range = (0.03, 0.4),
        resize: Range = (0.7, 1.3),
        patches: int = 2,
        blending: Literal["normal", "mixed", "any"] = "normal",
        shape: Literal["rectangle", "ellipse", "any"] = "any",
        object_share: float = 0.25,
        visible: float = 0.04,
    ):
        check_within("nsa: size", size, (0.001, 1))
        check_within("nsa: resize", resize, (0.1, 10))
        check_within("nsa: patches", patches, (1, 100))
        check_within("nsa: object_share", object_share, (0, 1))
        check_within("nsa: visible", visible, (0.001, 1))
        self.size = size
        self.resize = resize
        self.patches = patches
        self.blending = blending
        self.shape = shape
        self.object_share = object_share
        self.visible = visible

    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Synthesizer.synthesize`."""
        objects, source_objects = foreground(image), foreground(source)

        def propose() -> Tensor:
            changed = image.clone()
            for index in range(self.patches):
                if index == 0 or chance(generator, 0.5):
                    self._paste(changed, objects, source, source_objects, generator)
            return changed

        return first_visible(image, propose, self.visible)

    def _paste(
        self, image: Tensor, objects: Tensor, source: Tensor, source_objects: Tensor, generator: torch.Generator
    ) -> None:
        """Blend one patch into `image`, in place."""
        scale = min(max(1 + 0.5 * float(torch.randn((), generator=generator)), self.resize[0]), self.resize[1])
        height, width = (self._length(image, generator) * scale for _ in range(2))
        patch_at = place(source_objects, (height / scale, width / scale), self.object_share, generator)
        centre = place(objects, (height, width), self.object_share, generator)
        patch = Patch.at(image, centre, (width / 2, height / 2))
        target = patch.cut(image)
        ellipse = self.shape == "ellipse" or (self.shape == "any" and chance(generator, 0.5))
        mixed = self.blending == "mixed" or (self.blending == "any" and chance(generator, 0.5))
        region = (patch.u / (width / 2)) ** 2 + (patch.v / (height / 2)) ** 2 <= 1 if ellipse else None
        target.copy_(blend(patch.sample(source, patch_at, scale), target, region, mixed))

    def _length(self, image: Tensor, generator: torch.Generator) -> float:
        """Height or width of a patch in pixels."""
        gamma = -0.05 * float(torch.rand(2, generator=generator).clamp(min=1e-6).log().sum())  # Gamma(2, 0.05)
        return max(4.0, min(max(2 * (0.03 + gamma), self.size[0]), self.size[1]) * side(image))
