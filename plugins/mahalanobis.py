"""Matcher: Mahalanobis distance to the reference patches."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from adcore.errors import UserError
from adcore.interfaces import State
from adcore.moments import MomentMatcher
from adcore.whitening import whitening_matrix


class Mahalanobis(MomentMatcher):
    """Distance to the mean of the reference patches in units of their covariance. No memory bank is kept.

    Source: PaDiM (Defard et al., ICPR 2021), with one covariance for all positions, which few references can estimate;
    it is shrunk towards the identity (Ledoit and Wolf, 2004).
    """

    def __init__(self, shrinkage: float = 0.05, position: bool = False, **patches: Any):
        """Configure the matcher.

        Args:
            shrinkage: share of the mean variance that is added to the diagonal of the covariance.
            position: compare with the mean at the same place (for aligned parts, as in PaDiM), not with that of all
                patches. The mean of a place counts by the number of references, against one of all places; with one
                reference there is only that.
            **patches: settings of `adcore.patch_matcher.PatchMatcher`.
        """
        super().__init__(**patches)
        if not shrinkage > 0:
            raise UserError(f"matcher.shrinkage: {shrinkage} must be above 0, e.g. 0.05")
        self.shrinkage = shrinkage
        self.position = self.placed = position

    def conclude(self, summary: State) -> State:
        """Mean, [1, C] or [P, C], and the matrix [C, C] that makes the covariance the identity."""
        n, total = summary["images"], summary["sum"]
        rows = n * summary["cells"]
        centre = total.sum(0, keepdim=True) / rows
        products = summary["products"]
        weight = rows  # patches that each centre stands for
        if self.position and n > 1:
            centre, weight = (total + centre) / (n + 1), n
        crossed = total.T @ centre.expand(len(total), -1)
        spread = products - crossed - crossed.T + weight * centre.T @ centre  # about the centres
        off = (total.sum(0) - weight * centre.sum(0)) / rows  # of the centres from the mean
        covariance = spread / rows - off[:, None] * off
        return {"centre": centre.float(), "whitening": whitening_matrix(covariance, self.shrinkage).float()}

    def distance(self, patches: Tensor, state: State) -> Tensor:
        """Mahalanobis distance, float [P]."""
        return ((patches - state["centre"]) @ state["whitening"]).norm(dim=1)
