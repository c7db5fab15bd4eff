"""Head: several FOCAL heads as one, each over levels of its own.

The file is named ``concat_head``, as `concat` is the backbone whose levels it reads: one entry-point name, two kinds.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from adcore_plugins.focal import Focal
from torch import Tensor, nn

from adcore.errors import UserError
from adcore.interfaces import Features, Head, HeadOutput
from adcore.scoring import on_finest_grid
from adcore.weights import RANDOM, load_state, match_state


class ConcatHead(Head):
    """Embeddings of FOCAL heads, each trained for its backbone, side by side: more backbones without training anew.

    Each embedding is brought to one grid and to unit norm, and all are joined. Trained together, each head learns
    as it would alone. Source: FOCAL (Wu et al., TDSC 2025), feature-level concatenation.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (),
        levels: list[list[int]] | None = None,
        weights: list[str] | str = RANDOM,
        grid: int = 32,
        width: int = 64,
        dimension: int = 32,
        temperature: float = 0.1,
        samples: int = 1000,
        symmetric: bool = False,
    ):
        """Configure the heads.

        Args:
            channels: of the backbone's levels (handed over by the runner).
            levels: those that each head reads, by their places in the backbone's pyramid: [[0, 2], [1, 3]] are two
                heads, for backbone `concat` of two backbones with two levels each at the same strides. null is one head
                over all.
            weights: ``none`` (random, to be trained), or a file for each head: ``fit/best.safetensors`` or
                ``model/weights.safetensors`` of a run that trained head `focal` with these settings on these levels.
            grid: as of head `focal`; the embeddings are joined on the finest grid among the heads'.
            width: as of head `focal`.
            dimension: of each head's embedding.
            temperature: as of head `focal`.
            samples: as of head `focal`.
            symmetric: as of head `focal`.
        """
        super().__init__()
        self.levels = [list(range(len(channels)))] if levels is None else levels
        if not self.levels or not all(group and 0 <= min(group) <= max(group) < len(channels) for group in self.levels):
            raise UserError(
                f"head.levels: {levels} must give each head some of the backbone's {len(channels)} levels, by number "
                "from 0 on"
            )
        settings: dict[str, Any] = {"grid": grid, "width": width, "dimension": dimension, "temperature": temperature}
        settings |= {"samples": samples, "symmetric": symmetric}
        self.heads = nn.ModuleList(
            Focal(channels=tuple(channels[level] for level in group), **settings) for group in self.levels
        )
        self.pretrained = weights != RANDOM
        if self.pretrained:
            self._load([weights] if isinstance(weights, str) else weights)

    def forward(self, inputs: Features) -> HeadOutput:
        """Joined embedding [B, heads * D, h, w], unit norm."""
        parts = [
            head(tuple(inputs[level] for level in group)).embedding
            for head, group in zip(self.heads, self.levels, strict=True)
        ]
        unit = [F.normalize(part, dim=1) for part in on_finest_grid(parts)]
        return HeadOutput(embedding=torch.cat(unit, 1) / math.sqrt(len(unit)))

    def loss(self, output: HeadOutput, target: Tensor, generator: torch.Generator) -> Tensor:
        """Sum of the heads' losses, each of its own part of the embedding."""
        assert output.embedding is not None
        parts = (output.embedding.float() * math.sqrt(len(self.heads))).chunk(len(self.heads), dim=1)
        losses = [head.loss(HeadOutput(part), target, generator) for head, part in zip(self.heads, parts, strict=True)]
        return torch.stack(losses).sum()

    def _load(self, files: list[str]) -> None:
        """Load the weights of each head.

        Raises:
            UserError: they are more or fewer than the heads, cannot be read, or do not fit.
        """
        if len(files) != len(self.heads):
            raise UserError(f"weights: {len(files)} files for {len(self.heads)} heads; give one for each of `levels`")
        for file, head, group in zip(files, self.heads, self.levels, strict=True):
            state = load_state(file)
            own = {key: tensor for key, tensor in state.items() if key.startswith("head.")}
            match = match_state(own or state, head.state_dict())
            if not match.complete:
                wrong = ", ".join([*match.missing, *match.misfits][:3])
                raise UserError(
                    f"weights: {file} does not fit a focal head over levels {group} ({wrong}); take the levels and "
                    "settings that it was trained with"
                )
            head.load_state_dict(match.tensors)
