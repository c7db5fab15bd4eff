"""Simulated hairline cracks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from adcore import Synthesizer


class Hairline(Synthesizer):
    """A straight dark line across a part of the image."""

    def __init__(self, width: float = 1.5, darkness: float = 0.7):
        """Configure the synthesizer.

        Args:
            width: of the line in pixels.
            darkness: share of the light that it takes.
        """
        self.width = width
        self.darkness = darkness

    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        height, width = image.shape[-2:]
        across, down, turn, length = torch.rand(4, generator=generator).tolist()
        row = torch.arange(height)[:, None] - down * height
        column = torch.arange(width)[None] - across * width
        along = row * math.sin(math.pi * turn) + column * math.cos(math.pi * turn)
        aside = row * math.cos(math.pi * turn) - column * math.sin(math.pi * turn)
        on_line = (along.abs() <= (0.1 + 0.2 * length) * min(height, width)) & (aside.abs() <= self.width)
        mask = on_line.float().to(image.device)
        cracked = image * (1 - self.darkness * mask)
        return cracked, mask * (cracked != image).any(0)
