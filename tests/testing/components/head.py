"""A head that keeps its contract."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adcore import Head, HeadOutput


class Good(Head):
    """Embeds the levels, and classifies the embedding."""

    def __init__(self, channels: tuple[int, ...] = (), dimension: int = 8):
        """Build the layers.

        Args:
            channels: of the backbone's levels (handed over by the runner).
            dimension: of the embedding.
        """
        super().__init__()
        self.embed = nn.Conv2d(sum(channels), dimension, 1)
        self.classify = nn.Conv2d(dimension, 1, 1)

    def forward(self, inputs: tuple[Tensor, ...]) -> HeadOutput:
        size = inputs[0].shape[-2:]
        joined = torch.cat([F.interpolate(level, size) for level in inputs], 1)
        embedding = F.normalize(self.embed(joined), dim=1)
        return HeadOutput(embedding, self.classify(5 * embedding)[:, 0])

    def loss(self, output: HeadOutput, target: Tensor, generator: torch.Generator) -> Tensor:
        weight = torch.rand(target.shape, generator=generator)
        return F.binary_cross_entropy_with_logits(output.logits, target.float(), weight)
