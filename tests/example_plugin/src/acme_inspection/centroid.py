"""A head with one learned centre for all that is normal."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adcore import Head, HeadOutput


class Centroid(Head):
    """Embeds how pixels differ from their references: normal ones near a learned centre, anomalous ones far from it."""

    input = "relation"

    def __init__(self, relations: int = 0, width: int = 32, dimension: int = 8):
        """Configure the head.

        Args:
            relations: channels of the matcher's relation (handed over by the runner).
            width: channels inside the head.
            dimension: of the embedding.
        """
        super().__init__()
        self.embed = nn.Sequential(
            nn.Conv2d(relations, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, dimension, 3, padding=1)
        )
        self.centre = nn.Parameter(torch.ones(dimension))

    def forward(self, inputs: tuple[Tensor, ...]) -> HeadOutput:
        return HeadOutput(embedding=F.normalize(self.embed(inputs[0].tanh()), dim=1))

    def loss(self, output: HeadOutput, target: Tensor, generator: torch.Generator) -> Tensor:
        assert output.embedding is not None
        cosine = torch.einsum("bdhw,d->bhw", output.embedding, F.normalize(self.centre, dim=0))
        wrong = torch.where(target, 1 + cosine, 1 - cosine)  # [B, h, w] in [0, 2]
        return sum((wrong[of].mean() for of in (target, ~target) if of.any()), start=wrong.sum() * 0)
