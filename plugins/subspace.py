"""Matcher: what the principal components of the reference patches do not explain."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from adcore.errors import UserError
from adcore.interfaces import State
from adcore.patch_matcher import PatchMatcher


class Subspace(PatchMatcher):
    """Length of a patch's residual outside the subspace that the reference patches span. No memory bank is kept.

    Source: SubspaceAD (2026): PCA of the patches of (augmented) references, as many components as keep a share of the
    variance, the norm of the residual as score.
    """

    def __init__(self, variance: float = 0.99, **patches: Any):
        """Configure the matcher.

        Args:
            variance: share of the reference patches' variance that the subspace keeps.
            **patches: settings of `adcore.patch_matcher.PatchMatcher`.
        """
        super().__init__(**patches)
        if not 0 < variance < 1:
            raise UserError(f"matcher.variance: {variance} must lie between 0 and 1, e.g. 0.99")
        self.variance = variance

    def learn(self, patches: Tensor) -> State:
        """Mean [C] and principal axes [C, k]."""
        rows = patches.flatten(0, 1).double()
        centre = rows.mean(0)
        rows = rows - centre
        values, axes = torch.linalg.eigh(rows.T @ rows / len(rows))  # ascending
        kept = values.flip(0).clamp_min(0).cumsum(0)
        count = int((kept < self.variance * kept[-1]).sum()) + 1
        return {"centre": centre.to(patches), "axes": axes.flip(1)[:, :count].to(patches).contiguous()}

    def distance(self, patches: Tensor, state: State) -> Tensor:
        """Norm of the residual, float [P]."""
        centred = patches - state["centre"]
        return (centred - (centred @ state["axes"]) @ state["axes"].T).norm(dim=1)
