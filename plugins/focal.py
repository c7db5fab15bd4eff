"""Head: FOCAL's contrastive pixel embedding."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adcore.errors import UserError
from adcore.interfaces import Features, Head, HeadOutput
from adcore.scoring import nearest_grid


class Focal(Head):
    """Unit-norm pixel embeddings, pulled together over the normal pixels of an image and away from its anomalous ones.

    The levels are brought to one grid, projected, joined and embedded. Source: FOCAL (Wu et al., TDSC 2025),
    equation 4: contrast is only ever made within one image.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (),
        relations: int = 0,
        input: Literal["features", "relation", "both"] = "features",
        grid: int = 32,
        width: int = 64,
        dimension: int = 32,
        temperature: float = 0.1,
        samples: int = 1000,
        symmetric: bool = False,
    ):
        """Configure the head.

        Args:
            channels: of the backbone's levels (handed over by the runner).
            relations: channels of the matcher's relation (handed over by the runner).
            input: what pixels are embedded by: the backbone's ``features``, their ``relation`` to the context's
                references, or ``both``.
            grid: cells along the longer side of the embedding; the level nearest to it is taken.
            width: channels of each projected level.
            dimension: of the embedding.
            temperature: by which cosines are divided in the loss.
            samples: most normal and most anomalous pixels of an image that enter the loss, drawn at random.
            symmetric: also pull anomalous pixels together (the published loss is one-sided).
        """
        super().__init__()
        if input != "features" and not relations:
            raise UserError(
                f"head.input: {input} needs a matcher that offers a relation; name one, e.g. `matcher: anomalygpt`"
            )
        if min(grid, width, dimension, samples) < 1 or not temperature > 0:
            raise UserError(
                f"head: grid ({grid}), width ({width}), dimension ({dimension}) and samples ({samples}) must be at "
                f"least 1, temperature ({temperature}) above 0"
            )
        self.input = input
        self.temperature = temperature
        self.samples = samples
        self.symmetric = symmetric
        levels = [(count, False) for count in channels] if input != "relation" else []
        levels += [(relations, True)] if input != "features" else []
        self.grid = grid
        self.project = nn.ModuleList(_projection(count, width, is_relation) for count, is_relation in levels)
        self.embed = nn.Sequential(
            nn.GELU(),
            nn.Conv2d(width * len(levels), width, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.GELU(),
            nn.Conv2d(width, dimension, 1),
        )

    def forward(self, inputs: Features) -> HeadOutput:
        """Embed pixels: [B, D, h, w], unit norm."""
        size = nearest_grid(inputs, self.grid)
        levels = [
            F.interpolate(project(level), size, mode="bilinear", align_corners=False)
            for project, level in zip(self.project, inputs, strict=True)
        ]
        return HeadOutput(embedding=F.normalize(self.embed(torch.cat(levels, 1)), dim=1))

    def loss(self, output: HeadOutput, target: Tensor, generator: torch.Generator) -> Tensor:
        """Mean over the images that hold both classes; 0 with a graph where none does."""
        assert output.embedding is not None
        losses = []
        for embedding, anomalous in zip(output.embedding.float(), target, strict=True):
            normal = self._draw(embedding[:, ~anomalous].T, generator)  # [n, D]
            forged = self._draw(embedding[:, anomalous].T, generator)  # [m, D]
            if len(normal) < 2 or len(forged) == 0:
                continue
            losses.append(contrast(normal, forged, self.temperature))
            if self.symmetric and len(forged) > 1:
                losses.append(contrast(forged, normal, self.temperature))
        return torch.stack(losses).mean() if losses else output.embedding.sum() * 0

    def _draw(self, points: Tensor, generator: torch.Generator) -> Tensor:
        if len(points) <= self.samples:
            return points
        return points[torch.randperm(len(points), generator=generator)[: self.samples].to(points.device)]


def contrast(queries: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """FOCAL's loss of one image.

    The positive logit of a query is its mean cosine to the other queries; its negative logits are its cosines to every
    negative; the loss is the mean cross entropy of choosing the positive.

    Args:
        queries: unit-norm [n, D], n >= 2.
        negatives: unit-norm [m, D], m >= 1.
        temperature: by which cosines are divided.
    """
    others = (queries.sum(0) - queries) / (len(queries) - 1)  # [n, D] mean of all other queries
    positive = (queries * others).sum(1, keepdim=True)  # [n, 1]
    logits = torch.cat([positive, queries @ negatives.T], 1) / temperature  # [n, 1 + m]
    return -F.log_softmax(logits, 1)[:, 0].mean()


def _projection(channels: int, width: int, is_relation: bool) -> nn.Module:
    """1 x 1 projection of a level: features of any scale are normalised first; relations come z-scored.

    A relation keeps its level over the whole image, or an image that is anomalous all over would look normal.
    """
    return nn.Sequential(_Compress() if is_relation else nn.GroupNorm(1, channels), nn.Conv2d(channels, width, 1))


class _Compress(nn.Module):
    """Tame large z-scores, which pixels far from the references have."""

    def forward(self, relation: Tensor) -> Tensor:
        return relation.sign() * relation.abs().log1p()
