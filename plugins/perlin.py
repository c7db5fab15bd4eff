"""Defects in the shapes of Perlin noise: blobs, specks, stains and scratches."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from adcore.interfaces import Synthesizer
from adcore.synthesis.change import first_visible
from adcore.synthesis.colour import jitter, random_colour
from adcore.synthesis.draws import Range, chance, check_within, log_uniform, uniform
from adcore.synthesis.foreground import foreground
from adcore.synthesis.noise import perlin
from adcore.synthesis.patch import Patch, place, side


class Perlin(Synthesizer):
    """Irregular blob, cluster of specks or scratch, filled with texture or colour at random opacity.

    After DRAEM (Zavrtanik et al., ICCV 2021), which thresholds Perlin noise and fills the mask from an outside texture
    set; here the fill comes from another normal image, strongly changed, or is made. Where the image has a plain
    background, defects are put on the object.

    Args:
        shape: ``blob`` (thresholded noise, from one patch to many specks), ``scratch`` (a thin line that noise bends),
            or ``any`` to draw one of them each time.
        fill: ``source`` (another normal image, turned, resized and recoloured), ``noise`` (between two random colours),
            ``flat`` (one random colour), or ``any`` to draw one of them each time. Grey images get grey fills.
        size: smallest and largest diameter of a blob or length of a scratch, as fractions of the image's side.
        scratch_width: smallest and largest width of a scratch, likewise; never below 1 pixel.
        opacity: smallest and largest share of the fill in the result.
        object_share: how much of a defect shall lie on the object.
        visible: change of colour, in [0, 1], that is labelled 0.5 in the soft mask.
    """

    def __init__(
        self,
        shape: Literal["blob", "scratch", "any"] = "any",
        fill: Literal["source", "noise", "flat", "any"] = "any",
        size: Range = (0.05, 0.4),
        scratch_width: Range = (0.006, 0.025),
        opacity: Range = (0.2, 1.0),
        object_share: float = 0.5,
        visible: float = 0.04,
    ):
        check_within("perlin: size", size, (0.001, 1))
        check_within("perlin: scratch_width", scratch_width, (0.001, 1))
        check_within("perlin: opacity", opacity, (0, 1))
        check_within("perlin: object_share", object_share, (0, 1))
        check_within("perlin: visible", visible, (0.001, 1))
        self.shape = shape
        self.fill = fill
        self.size = size
        self.scratch_width = scratch_width
        self.opacity = opacity
        self.object_share = object_share
        self.visible = visible

    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Synthesizer.synthesize`."""
        objects = foreground(image)

        def propose() -> Tensor:
            scratch = self.shape == "scratch" or (self.shape == "any" and chance(generator, 0.5))
            patch, cover = (self._scratch if scratch else self._blob)(image, objects, generator)
            opacity = uniform(generator, self.opacity)
            changed = image.clone()
            target = patch.cut(changed)
            target.copy_(target.lerp(self._filling(patch, image, source, generator), cover * opacity))
            return changed

        return first_visible(image, propose, self.visible)

    def _blob(self, image: Tensor, objects: Tensor, generator: torch.Generator) -> tuple[Patch, Tensor]:
        """Window and cover [h, w] of an ellipse with a noisy outline, whole or broken into specks."""
        diameter = max(4.0, log_uniform(generator, self.size) * side(image))
        stretch = math.sqrt(log_uniform(generator, (1 / 3, 3)))
        half = (diameter * stretch / 2, diameter / stretch / 2)
        centre = place(objects, (diameter, diameter), self.object_share, generator)
        reach = 1.3  # noise pushes the outline out so far at most
        patch = Patch.at(image, centre, (half[0] * reach, half[1] * reach), uniform(generator, (0, math.pi)))
        cell = diameter * uniform(generator, (0.3, 1.0))
        outline = 0.9 * perlin(patch.u / cell, patch.v / cell, generator)
        inside = (1 - (patch.u / half[0]) ** 2 - (patch.v / half[1]) ** 2 + outline) * min(half) / 2  # about pixels
        if chance(generator, 0.5):
            cell = max(3.0, diameter * uniform(generator, (0.1, 0.4)))
            specks = perlin(patch.u / cell, patch.v / cell, generator) - uniform(generator, (-0.2, 0.2))
            inside = torch.minimum(inside, specks * cell / 1.5)
        return patch, (inside / uniform(generator, (1, 3)) + 0.5).clamp(0, 1)

    def _scratch(self, image: Tensor, objects: Tensor, generator: torch.Generator) -> tuple[Patch, Tensor]:
        """Window and cover [h, w] of a thin tapering line that noise bends."""
        length = max(6.0, log_uniform(generator, self.size) * side(image))
        width = max(1.0, log_uniform(generator, self.scratch_width) * side(image))
        bend = length * uniform(generator, (0, 0.3))
        centre = place(objects, (width, width), self.object_share, generator)
        patch = Patch.at(image, centre, (length / 2, bend + width), uniform(generator, (0, math.pi)))
        cell = length * uniform(generator, (0.3, 1.0))
        line = bend * perlin(patch.u / cell, torch.zeros_like(patch.u), generator)
        half = width / 2 * (1 - (2 * patch.u / length) ** 2).clamp(min=0).sqrt()  # [h, w], 0 at both ends and beyond
        return patch, ((half - (patch.v - line).abs() + 0.5).clamp(0, 1) * (half > 0))

    def _filling(self, patch: Patch, image: Tensor, source: Tensor, generator: torch.Generator) -> Tensor:
        """What the defect is made of, [3, h, w]."""
        kinds = ["source", "noise", "flat"]
        kind = kinds[int(torch.randint(3, (), generator=generator))] if self.fill == "any" else self.fill
        if kind == "source":
            return self._texture(patch, source, generator)
        colour = random_colour(image, generator)
        if kind == "flat":
            return colour.expand(3, *patch.u.shape)
        cell = log_uniform(generator, (1.5, 16))
        noise = perlin(patch.u / cell, patch.v / cell, generator)
        return colour.lerp(random_colour(image, generator), (0.5 + noise).clamp(0, 1))

    def _texture(self, patch: Patch, source: Tensor, generator: torch.Generator) -> Tensor:
        """A place of the source, turned, resized, recoloured and perhaps inverted, [3, h, w]."""
        centre = place(torch.ones_like(source[0], dtype=torch.bool), (1, 1), 0.0, generator)
        angle, scale = uniform(generator, (0, 2 * math.pi)), log_uniform(generator, (0.5, 2))
        texture = patch.sample(source, centre, scale, angle)
        if chance(generator, 0.3):
            texture = 1 - texture
        gamma = log_uniform(generator, (0.4, 2.5))
        return jitter(texture.clamp(0, 1) ** gamma, 0.6, generator)
