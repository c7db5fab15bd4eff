"""Head: reads how pixels differ from their references, and so serves products and backbones that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from adcore_plugins.focal import Compress, contrast_within
from torch import Tensor, nn

from adcore.errors import UserError
from adcore.interfaces import Features, Head, HeadOutput
from adcore.losses import dice_loss, focal_loss
from adcore.weights import RANDOM, load_state, match_state

BUNDLED = "bundled"
"""The weights that come with adcore, made by ``benchmarks/train_relative_head.py``."""

FILE = Path(__file__).with_name("relative.safetensors")

WEIGHT = {"focal": 4.0, "dice": 1.0, "image": 0.2}
"""Shares of the losses."""

TOP = 10
"""Pixels whose mean tells the image, beside the mean over all."""


class Relative(Head):
    """A small convolutional network over the relation, the map of a pixel's distances to its references.

    Distances are compressed and looked at within growing neighbourhoods by dilated convolutions (Yu and Koltun, ICLR
    2016). Pixels get logits, trained by focal loss (Lin et al., ICCV 2017) and dice (Milletari et al., 3DV 2016); the
    image gets one, by cross entropy; and pixels are embedded by FOCAL's contrast (Wu et al., TDSC 2025), for a
    clusterer to group. What is read says how pixels differ and not what they show, so one head serves any product, as
    in InCTRL (Zhu and Pang, CVPR 2024).
    """

    def __init__(
        self,
        relations: int = 0,
        weights: str = RANDOM,
        width: int = 48,
        dimension: int = 16,
        contrast: float = 0.1,
        temperature: float = 0.1,
        samples: int = 256,
    ):
        """Configure the head.

        Args:
            relations: channels of the matcher's relation (handed over by the runner).
            weights: ``none`` (random, to be trained), ``bundled`` (trained on generated products alone, for the
                relation of matcher `relation` and any backbone) or a file, such as ``fit/best.safetensors`` of a run.
            width: channels of the hidden layers.
            dimension: of the embedding; 0 leaves it out.
            contrast: share of FOCAL's contrast in the loss.
            temperature: by which cosines are divided in it.
            samples: most normal and most anomalous pixels of an image that enter it, drawn at random.
        """
        super().__init__()
        self.input: Literal["relation"] = "relation"
        if not relations:
            raise UserError("head: relative needs a matcher that offers a relation; write e.g. `matcher: relation`")
        if min(width, samples) < 1 or dimension < 0 or contrast < 0 or not temperature > 0:
            raise UserError(
                f"head: width ({width}) and samples ({samples}) must be at least 1, dimension ({dimension}) and "
                f"contrast ({contrast}) at least 0, temperature ({temperature}) above 0"
            )
        self.contrast = contrast
        self.temperature = temperature
        self.samples = samples
        self.compress = Compress()
        self.stem = nn.Conv2d(relations, width, 1)
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=step, dilation=step) for step in (1, 2, 4))
        self.pixel = nn.Conv2d(width, 1, 1)
        self.image = nn.Linear(2 * width, 1)
        self.embed = nn.Conv2d(width, dimension, 1) if dimension else None
        self.pretrained = weights != RANDOM
        if self.pretrained:
            self._load(FILE if weights == BUNDLED else Path(weights), relations)

    def forward(self, inputs: Features) -> HeadOutput:
        """Logits of pixels [B, h, w] and images [B], embedding [B, D, h, w]."""
        compressed = self.compress(inputs[-1])
        x = F.gelu(self.stem(compressed))
        for index, layer in enumerate(self.body):
            x = F.gelu(layer(x)) + (x if index else 0)
        flat = x.flatten(2)
        pooled = torch.cat([flat.mean(2), flat.topk(min(TOP, flat.shape[2])).values.mean(2)], 1)
        return HeadOutput(
            embedding=None if self.embed is None else F.normalize(self.embed(x), dim=1),
            logits=self.pixel(x)[:, 0] + compressed.mean(1) / 2,
            image=self.image(pooled)[:, 0],
        )

    def loss(self, output: HeadOutput, target: Tensor, generator: torch.Generator) -> Tensor:
        """Focal loss, dice, cross entropy of the image, and FOCAL's contrast over images that hold both classes."""
        assert output.logits is not None and output.image is not None
        has = target.flatten(1).any(1).float()
        loss = WEIGHT["focal"] * focal_loss(output.logits, target) + WEIGHT["dice"] * dice_loss(output.logits, target)
        loss = loss + WEIGHT["image"] * F.binary_cross_entropy_with_logits(output.image.float(), has)
        if output.embedding is None or not self.contrast:
            return loss
        settings = (self.temperature, self.samples, generator)
        return loss + self.contrast * contrast_within(output.embedding.float(), target, *settings)

    def _load(self, file: Path, relations: int) -> None:
        """Load weights, made for a relation of as many channels.

        Raises:
            UserError: they do not fit.
        """
        match = match_state(load_state(file, (BUNDLED, RANDOM)), self.state_dict())
        if not match.complete:
            wrong = ", ".join([*match.missing, *match.misfits][:3])
            raise UserError(
                f"weights: {BUNDLED if file == FILE else file} does not fit a head for {relations} relation channels "
                f"({wrong}); take `matcher: relation` (in an ensemble, `relation: relation`) and the same width and "
                "dimension"
            )
        self.load_state_dict(match.tensors)
