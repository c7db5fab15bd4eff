"""A synthesizer: simulated defects on normal images, to train and validate on.

What it is given and has to return stands in `adcore.Synthesizer`. The arguments of ``__init__`` are what a recipe sets.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adcore import Synthesizer


class Template(Synthesizer):
    """A round stain with a soft rim: another normal image shows through it, lighter or darker than it was."""

    def __init__(self, size: tuple[float, float] = (0.04, 0.2), strength: tuple[float, float] = (0.15, 0.5)):
        """Configure the synthesizer.

        Args:
            size: smallest and largest radius, as fractions of the image's shorter side.
            strength: smallest and largest change of brightness, in [0, 1].
        """
        for name, (low, high) in (("size", size), ("strength", strength)):
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name}: [{low}, {high}] is not [lowest, highest], above 0 and at most 1")
        self.size = size
        self.strength = strength

    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Image [3, H, W] with one stain, and its soft mask [H, W]."""

        def draw(low: float, high: float) -> float:
            return low + (high - low) * float(torch.rand((), generator=generator))

        height, width = image.shape[-2:]
        radius = max(2.0, draw(*self.size) * min(height, width))
        row = torch.arange(height, device=image.device)[:, None] - draw(0, height)
        column = torch.arange(width, device=image.device)[None] - draw(0, width)
        mask = ((radius - torch.hypot(row, column)) / (0.3 * radius)).clamp(0, 1)  # [H, W]
        change = draw(*self.strength) * (1 if draw(-1, 1) > 0 else -1)
        stained = image.lerp((source + change).clamp(0, 1), mask)
        return stained, mask * (stained != image).any(0)  # unchanged, as white is by more light: no defect there
