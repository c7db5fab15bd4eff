"""Matcher: PatchCore's memory bank."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from adcore.coreset import k_centre_greedy, project
from adcore.errors import UserError
from adcore.interfaces import State
from adcore.patch_matcher import PatchMatcher

_CHUNK = 1024


class PatchCore(PatchMatcher):
    """Distance to the nearest patch in a memory bank, thinned out so that it still covers all reference patches.

    Source: PatchCore (Roth et al., CVPR 2022): neighbourhood averages, greedy k-centre coreset of randomly projected
    patches (section 3.2), re-weighting by the density of the bank (equation 7), here of each patch and not only of the
    farthest one.
    """

    def __init__(self, ratio: float = 1.0, most: int = 20000, neighbours: int = 0, **patches: Any):
        """Configure the matcher.

        Args:
            ratio: share of the reference patches that is kept; 1 keeps all, 0.01 to 0.1 suits hundreds of references.
            most: patches kept at most, whatever the ratio.
            neighbours: patches of the bank by which a distance is re-weighted; 0 leaves it. Meant for features that are
                not of unit norm (`unit: false`), as published.
            **patches: settings of `adcore.patch_matcher.PatchMatcher`.
        """
        super().__init__(**patches)
        if not 0 < ratio <= 1 or most < 1 or neighbours < 0:
            raise UserError(
                f"matcher.ratio ({ratio}) must lie in (0, 1], most ({most}) be at least 1, "
                f"neighbours ({neighbours}) not negative"
            )
        self.ratio = ratio
        self.most = most
        self.neighbours = neighbours

    def learn(self, patches: Tensor) -> State:
        """The memory bank, float [M, C]."""
        bank = patches.flatten(0, 1)
        count = min(self.most, max(1, round(self.ratio * len(bank))))
        if count < len(bank):
            bank = bank[k_centre_greedy(project(bank), count)]
        return {"bank": bank.contiguous()}

    def distance(self, patches: Tensor, state: State) -> Tensor:
        """Euclidean distance to the nearest patch of the bank, float [P]."""
        bank = state["bank"]
        squares = bank.square().sum(1)
        nearest = torch.cat(
            [torch.addmm(squares[None], part, bank.T, alpha=-2).argmin(1) for part in patches.split(_CHUNK)]
        )
        # Near zero the matrix product has lost its digits: it finds the patch, the distance is taken by itself.
        distances = (patches - bank[nearest]).norm(dim=1)
        return distances * self._weight(patches, distances, nearest, bank) if self.neighbours > 1 else distances

    def _weight(self, patches: Tensor, own: Tensor, nearest: Tensor, bank: Tensor) -> Tensor:
        """Equation 7: low where the nearest bank patch, `own` [P] away, lies in a dense region, [P]."""
        count = min(self.neighbours, len(bank))
        found, back = nearest.unique(return_inverse=True)
        around = torch.cdist(bank[found], bank).topk(count, largest=False).indices[back]  # [P, b]
        distances = (patches[:, None] - bank[around]).norm(dim=2)
        return 1 - torch.exp(own - distances.logsumexp(1))
