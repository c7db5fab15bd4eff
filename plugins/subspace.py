"""Matcher: what the principal components of the reference patches do not explain."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from adcore.errors import UserError
from adcore.interfaces import State
from adcore.moments import MomentMatcher


class Subspace(MomentMatcher):
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

    def conclude(self, summary: State) -> State:
        """Mean [C] and principal axes [C, k]."""
        rows = summary["images"] * summary["cells"]
        centre = summary["sum"][0] / rows
        values, axes = torch.linalg.eigh(summary["products"] / rows - centre[:, None] * centre)  # ascending
        kept = values.flip(0).clamp_min(0).cumsum(0)
        count = int((kept < self.variance * kept[-1]).sum()) + 1
        return {"centre": centre.float(), "axes": axes.flip(1)[:, :count].float().contiguous()}

    def distance(self, patches: Tensor, state: State) -> Tensor:
        """Norm of the residual, float [P]."""
        centred = patches - state["centre"]
        return (centred - (centred @ state["axes"]) @ state["axes"].T).norm(dim=1)
