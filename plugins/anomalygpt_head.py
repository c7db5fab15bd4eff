"""Head: AnomalyGPT's decoder, with learned prototypes in place of texts.

The file is named ``anomalygpt_head``, as `anomalygpt` is the matcher of the same publication: one entry-point name, two
kinds.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adcore.errors import UserError
from adcore.interfaces import Features, Head, HeadOutput
from adcore.losses import dice_loss, focal_loss
from adcore.scoring import nearest_grid


class Levelled(HeadOutput):
    """A head's output that remembers what each level says.

    Attributes:
        levels: logits of each level, float [L, B, h, w].
    """

    levels: Tensor


class AnomalyGPTHead(Head):
    """Each level is projected and compared with a normal and an abnormal prototype; the levels' maps are averaged.

    Source: AnomalyGPT (Gu et al., AAAI 2024), equations 1 to 3: there the prototypes are embeddings of texts, here they
    are learned. It is trained on simulated anomalies, and on real ones where a set has masks.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (),
        grid: int = 32,
        dimension: int = 64,
        temperature: float = 0.05,
        gamma: float = 2.0,
    ):
        """Configure the head.

        Args:
            channels: of the backbone's levels (handed over by the runner).
            grid: cells along the longer side of the map; the level nearest to it is taken.
            dimension: of the space of the prototypes.
            temperature: by which cosines are divided at first; it is learned. The publication's factor of 100 is 0.01.
            gamma: of the focal loss.
        """
        super().__init__()
        if min(grid, dimension) < 1 or not 0 < temperature < math.inf or not 0 <= gamma < math.inf:
            raise UserError(
                f"head: grid ({grid}) and dimension ({dimension}) must be at least 1, temperature ({temperature}) "
                f"above 0 and gamma ({gamma}) not negative"
            )
        self.grid = grid
        self.gamma = gamma
        self.normalise = nn.ModuleList(nn.GroupNorm(1, count) for count in channels)
        self.project = nn.ModuleList(nn.Conv2d(count, dimension, 1) for count in channels)
        self.prototypes = nn.Parameter(torch.randn(2, dimension))  # normal, abnormal
        self.scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(self, inputs: Features) -> HeadOutput:
        """Logits [B, h, w], whose sigmoid is the mean over levels of the softmax over both prototypes."""
        size = nearest_grid(inputs, self.grid)
        normal, abnormal = F.normalize(self.prototypes, dim=1)
        direction, scale = abnormal - normal, self.scale.clamp(max=math.log(100)).exp()
        levels = []
        for level, normalise, project in zip(inputs, self.normalise, self.project, strict=True):
            embedded = F.normalize(project(normalise(level)), dim=1)  # [B, D, h_l, w_l]
            logits = scale * torch.einsum("bdhw,d->bhw", embedded, direction)  # softmax of two is sigmoid of one
            levels.append(F.interpolate(logits[:, None], size, mode="bilinear", align_corners=False)[:, 0].float())
        stacked = torch.stack(levels)  # [L, B, h, w]
        # log of mean probability minus log of mean counter-probability: finite where the probability rounds to 0 or 1
        logits = F.logsigmoid(stacked).logsumexp(0) - F.logsigmoid(-stacked).logsumexp(0)
        output = Levelled(logits=logits)
        output.levels = stacked
        return output

    def loss(self, output: HeadOutput, target: Tensor, generator: torch.Generator) -> Tensor:
        """Focal plus dice loss of each level, mean over the levels; of the joint logits where there are no levels."""
        assert output.logits is not None
        levels = output.levels if isinstance(output, Levelled) else output.logits[None]
        losses = [focal_loss(logits, target, self.gamma) + dice_loss(logits, target) for logits in levels]
        return torch.stack(losses).mean()
