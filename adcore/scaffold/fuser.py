"""A fuser: a soft maximum of maps that are first brought to one scale.

What it is given and has to return stands in `adcore.Fuser`. The arguments of ``__init__`` are what a recipe sets.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from adcore import Fuser
from adcore.fusing import stacked


class Template(Fuser):
    """Soft maximum of the branches' z-scores: high where any branch is sure, higher where several are."""

    scaled = True

    def __init__(self, sharpness: float = 1.0):
        """Configure the fuser.

        Args:
            sharpness: the larger, the nearer to the plain maximum; towards 0 it becomes the mean.
        """
        if not sharpness > 0:
            raise ValueError(f"sharpness: {sharpness} must be above 0, e.g. 1.0")
        self.sharpness = sharpness

    def fit(self, normals: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Mean and spread of each branch's maps of normal images, [n, h, w]."""
        state = {}
        for branch, maps in normals.items():
            state[f"{branch}.mean"] = maps.float().mean()
            state[f"{branch}.std"] = maps.float().std(correction=0).clamp_min(1e-6)
        return state

    def fuse(self, maps: Mapping[str, Tensor], state: dict[str, Tensor]) -> Tensor:
        """Soft maximum over branches, float [B, h, w]."""
        joined = stacked(maps)  # [branches, B, h, w]; refuses NaN
        mean = torch.stack([state[f"{branch}.mean"] for branch in maps]).view(-1, 1, 1, 1)
        std = torch.stack([state[f"{branch}.std"] for branch in maps]).view(-1, 1, 1, 1)
        scores = (joined - mean.to(joined)) / std.to(joined)
        return torch.logsumexp(self.sharpness * scores, 0) / self.sharpness
