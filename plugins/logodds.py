"""Fuser: the sum of log-odds, one of them trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from adcore.errors import UserError
from adcore.fusing import stacked
from adcore.interfaces import Fuser, State

TRAINED = "contrastive"
"""The branch whose map is a probability."""

SURE = 1e-6
"""Probabilities this near 0 or 1 are no surer."""


class LogOdds(Fuser):
    """Adds what the branches say for and against an anomaly, as a naive Bayes classifier adds its evidence.

    The contrastive branch's map is a probability, of which the log-odds are taken. Distances say nothing of odds: the
    reference branch's map is z-scored by the context's own normals, and a standard deviation counts for `weight`.
    """

    scaled = True

    def __init__(self, weight: float = 0.25):
        """Configure the fuser.

        Args:
            weight: log-odds for each standard deviation of a distance above the mean of normal pixels.
        """
        if not weight > 0:
            raise UserError(f"fuser.weight: {weight} must be above 0, e.g. 0.25")
        self.weight = weight

    def fit(self, normals: Mapping[str, Tensor]) -> State:
        """Mean and standard deviation of distances over normal images [n, h, w]."""
        state: State = {}
        for branch, maps in normals.items():
            if branch != TRAINED:
                state[f"{branch}.mean"] = maps.float().mean()
                state[f"{branch}.std"] = maps.float().std(correction=0).clamp_min(1e-6)
        return state

    def fuse(self, maps: Mapping[str, Tensor], state: State) -> Tensor:
        """Sum of log-odds, float [B, h, w]."""
        stacked(maps)  # refuses NaN
        return torch.stack([self._log_odds(values.float(), branch, state) for branch, values in maps.items()]).sum(0)

    def _log_odds(self, values: Tensor, branch: str, state: State) -> Tensor:
        if branch == TRAINED:
            within = values.clamp(SURE, 1 - SURE)
            return within.logit() + (values - within)  # beyond, the order stays
        return self.weight * (values - state[f"{branch}.mean"].to(values)) / state[f"{branch}.std"].to(values)
