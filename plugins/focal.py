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
        residuals: int = 0,
        input: Literal["features", "raw", "relation", "both", "residual"] = "features",
        grid: int = 32,
        width: int = 64,
        dimension: int = 32,
        temperature: float = 0.1,
        samples: int = 1000,
        symmetric: bool = False,
        contrast: Literal["hard", "soft"] = "hard",
    ):
        """Configure the head.

        Args:
            channels: of the backbone's levels (handed over by the runner).
            relations: channels of the matcher's relation (handed over by the runner).
            residuals: channels of the matcher's residual (handed over by the runner).
            input: what pixels are embedded by: the backbone's ``features`` (``raw`` is the same), their ``relation`` to
                the context's references, ``both``, or the ``residual``, what the most similar reference patch leaves
                of the features.
            grid: cells along the longer side of the embedding; the level nearest to it is taken.
            width: channels of each projected level.
            dimension: of the embedding.
            temperature: by which cosines are divided in the loss.
            samples: most normal and most anomalous pixels of an image that enter the loss, drawn at random.
            symmetric: also pull anomalous pixels together (the published loss is one-sided).
            contrast: ``hard``: all pixels of a class count alike, as in the first version of the paper. ``soft``: each
                counts by how much it belongs to its class rather than to the other (`memberships`), so that cells of
                which a part is anomalous pull and push less.
        """
        super().__init__()
        read = "features" if input == "raw" else input
        if read in ("relation", "both") and not relations:
            raise UserError(
                f"head.input: {input} needs a matcher that offers a relation; name one, e.g. `matcher: anomalygpt`"
            )
        if read == "residual" and not residuals:
            raise UserError("head.input: residual needs a matcher that offers a residual; name `matcher: relation`")
        if min(grid, width, dimension, samples) < 1 or not temperature > 0:
            raise UserError(
                f"head: grid ({grid}), width ({width}), dimension ({dimension}) and samples ({samples}) must be at "
                f"least 1, temperature ({temperature}) above 0"
            )
        self.input = read
        self.temperature = temperature
        self.samples = samples
        self.symmetric = symmetric
        self.soft = contrast == "soft"
        levels = [(count, False) for count in channels] if read in ("features", "both") else []
        levels += [(relations, True)] if read in ("relation", "both") else []
        levels += [(residuals, True)] if read == "residual" else []
        self.grid = grid
        self.project = nn.ModuleList(_projection(count, width, compared) for count, compared in levels)
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
        """See `contrast_within`."""
        assert output.embedding is not None
        settings = (self.temperature, self.samples, generator, self.symmetric, self.soft)
        return contrast_within(output.embedding.float(), target, *settings)


def contrast_within(
    embedding: Tensor,
    target: Tensor,
    temperature: float,
    samples: int,
    generator: torch.Generator,
    symmetric: bool = False,
    soft: bool = False,
) -> Tensor:
    """Mean of `contrast` over the images that hold both classes; 0 with a graph where none does.

    Args:
        embedding: unit-norm [B, D, h, w].
        target: bool [B, h, w], True where anomalous.
        temperature: by which cosines are divided.
        samples: most normal and most anomalous pixels of an image, drawn at random.
        generator: of the draws, on the CPU.
        symmetric: also pull anomalous pixels together.
        soft: weigh pixels by `memberships`.
    """
    losses = []
    for pixels, anomalous in zip(embedding, target, strict=True):
        normal = _drawn(pixels[:, ~anomalous].T, samples, generator)  # [n, D]
        forged = _drawn(pixels[:, anomalous].T, samples, generator)  # [m, D]
        if len(normal) < 2 or len(forged) == 0:
            continue
        weights: tuple[Tensor | None, Tensor | None] = (None, None)
        if soft:
            weights = memberships(normal, forged, temperature)
        losses.append(contrast(normal, forged, temperature, *weights))
        if symmetric and len(forged) > 1:
            losses.append(contrast(forged, normal, temperature, *reversed(weights)))
    return torch.stack(losses).mean() if losses else embedding.sum() * 0


def _drawn(points: Tensor, most: int, generator: torch.Generator) -> Tensor:
    if len(points) <= most:
        return points
    return points[torch.randperm(len(points), generator=generator)[:most].to(points.device)]


def contrast(
    queries: Tensor,
    negatives: Tensor,
    temperature: float,
    query_weights: Tensor | None = None,
    negative_weights: Tensor | None = None,
) -> Tensor:
    """FOCAL's loss of one image.

    The positive logit of a query is its mean cosine to the other queries; its negative logits are its cosines to every
    negative; the loss is the mean cross entropy of choosing the positive. With weights, both means are weighted, and
    each negative counts in the softmax by its own; weights that are all 1 change nothing.

    Args:
        queries: unit-norm [n, D], n >= 2.
        negatives: unit-norm [m, D], m >= 1.
        temperature: by which cosines are divided.
        query_weights: [n] in (0, 1]; None for 1.
        negative_weights: [m] in (0, 1]; None for 1.
    """
    if query_weights is None or negative_weights is None:
        query_weights, negative_weights = queries.new_ones(len(queries)), queries.new_ones(len(negatives))
    weighted = query_weights[:, None] * queries
    others = weighted.sum(0) - weighted  # [n, D] sum of all other queries
    positive = (queries * others).sum(1, keepdim=True) / (query_weights.sum() - query_weights)[:, None]  # [n, 1]
    negative = queries @ negatives.T / temperature + negative_weights.log()  # [n, m]
    logits = torch.cat([positive / temperature, negative], 1)
    return -(F.log_softmax(logits, 1)[:, 0] * query_weights).sum() / query_weights.sum()


@torch.no_grad()
def memberships(normal: Tensor, anomalous: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """How much each pixel of an image belongs to its own class: the softmax of its cosines to both classes' centres.

    Args:
        normal: unit-norm [n, D].
        anomalous: unit-norm [m, D].
        temperature: by which cosines are divided.

    Returns:
        Weights in (0, 1), [n] and [m], without a graph.
    """
    centres = F.normalize(torch.stack([normal.mean(0), anomalous.mean(0)]), dim=1)  # [2, D]
    weights = [(points @ centres.T / temperature).softmax(1)[:, i] for i, points in enumerate((normal, anomalous))]
    return weights[0].clamp_min(1e-6), weights[1].clamp_min(1e-6)


def _projection(channels: int, width: int, compared: bool) -> nn.Module:
    """1 x 1 projection of a level: features of any scale are normalised first; relations come z-scored.

    What is compared with references keeps its level over the whole image, or an image that is anomalous all over would
    look normal.
    """
    return nn.Sequential(Compress() if compared else nn.GroupNorm(1, channels), nn.Conv2d(channels, width, 1))


class Compress(nn.Module):
    """Tame large z-scores, which pixels far from the references have."""

    def forward(self, relation: Tensor) -> Tensor:
        """Of any shape, sign kept."""
        return relation.sign() * relation.abs().log1p()
