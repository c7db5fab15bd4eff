"""Fuser: the mean of the maps."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from adcore.errors import UserError
from adcore.fusing import stacked
from adcore.interfaces import Fuser, State


class Mean(Fuser):
    """Mean of the maps as they are, or a weighted one."""

    def __init__(self, weights: dict[str, float] | None = None):
        """Configure the fuser.

        Args:
            weights: weight of each branch's map, by branch; 1 where not given.
        """
        unknown = set(weights or {}) - {"reference", "contrastive"}
        if unknown or min((weights or {"": 1.0}).values()) <= 0:
            raise UserError(f"fuser.weights: {weights} must give reference and/or contrastive a weight above 0")
        self.weights = weights or {}

    def fuse(self, maps: Mapping[str, Tensor], state: State) -> Tensor:
        """Weighted mean over branches of float [B, h, w]."""
        weight = torch.tensor([float(self.weights.get(branch, 1.0)) for branch in maps])
        joined = stacked(maps)  # [branches, B, h, w]
        weight = weight.to(joined)
        return torch.einsum("n,nbhw->bhw", weight / weight.sum(), joined)
