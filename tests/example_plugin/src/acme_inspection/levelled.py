"""A fuser that makes the branches equally loud."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from adcore import Fuser


class Levelled(Fuser):
    """Mean of the maps, each divided by a high quantile of what it shows on normal images."""

    scaled = True

    def __init__(self, quantile: float = 0.99):
        """Configure the fuser.

        Args:
            quantile: of the values on normal images that becomes 1.
        """
        if not 0 < quantile <= 1:
            raise ValueError(f"quantile: {quantile} must lie above 0 and be at most 1")
        self.quantile = quantile

    def fit(self, normals: Mapping[str, Tensor]) -> dict[str, Tensor]:
        scales = {}
        for branch, maps in normals.items():
            values = maps.float().flatten().sort().values
            scales[branch] = values[round(self.quantile * (len(values) - 1))].abs().clamp_min(1e-6)
        return scales

    def fuse(self, maps: Mapping[str, Tensor], state: dict[str, Tensor]) -> Tensor:
        for branch, values in maps.items():
            if values.isnan().any():
                raise ValueError(f"the map of branch {branch} holds NaN")
        return torch.stack([values / state[branch] for branch, values in maps.items()]).mean(0)
