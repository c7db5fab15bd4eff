"""A head: a small convolutional classifier of pixels.

What it is given and has to return stands in `adcore.Head`. The arguments of ``__init__`` are what a recipe sets;
`channels` comes from the backbone, `relations` from the matcher.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adcore import Head, HeadOutput


class Template(Head):
    """Classifies each cell by what it is given: every level projected, brought to one grid, added up and convolved."""

    def __init__(
        self,
        channels: tuple[int, ...] = (),
        relations: int = 0,
        input: Literal["features", "relation"] = "relation",
        width: int = 32,
    ):
        """Configure the head.

        Args:
            channels: of the backbone's levels (handed over by the runner).
            relations: channels of the matcher's relation (handed over by the runner).
            input: judge cells by their ``relation`` to the context's references, or by the backbone's ``features``.
            width: channels inside the head.
        """
        super().__init__()
        if input == "relation" and not relations:
            raise ValueError("input: relation needs a matcher that offers one; name a matcher, or write features")
        if width < 1:
            raise ValueError(f"width: {width} is too small; write at least 1")
        self.input = input
        self.project = nn.ModuleList()
        if input == "relation":  # z-scores, of which some are very large
            self.project.append(nn.Sequential(nn.Softsign(), nn.Conv2d(relations, width, 1)))
        else:
            self.project.extend(nn.Sequential(nn.GroupNorm(1, n), nn.Conv2d(n, width, 1)) for n in channels)
        self.classify = nn.Sequential(
            nn.GELU(), nn.Conv2d(width, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, 1, 1)
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> HeadOutput:
        """Logits [B, h, w] on the grid of the finest level, from levels [B, C_l, h_l, w_l]."""
        size = inputs[0].shape[-2:]
        projected = [
            F.interpolate(project(level), size, mode="bilinear", align_corners=False)
            for project, level in zip(self.project, inputs, strict=True)
        ]
        return HeadOutput(logits=self.classify(torch.stack(projected).mean(0))[:, 0])

    def loss(self, output: HeadOutput, target: Tensor, generator: torch.Generator) -> Tensor:
        """Cross entropy in which both classes weigh the same, unless fewer than one cell in a hundred is anomalous."""
        assert output.logits is not None
        truth = target.float()
        share = truth.mean().clamp(0.01, 0.99)
        return F.binary_cross_entropy_with_logits(output.logits.float(), truth, pos_weight=(1 - share) / share)
