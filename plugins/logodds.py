"""Fuser: the sum of log-odds, one of them trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from adcore.errors import UserError
from adcore.fusing import logistic_weights, stacked
from adcore.interfaces import Fuser, State

TRAINED = "contrastive"
"""The branch whose map is a probability."""

SURE = 1e-6
"""Probabilities this near 0 or 1 are no surer."""

LOYALTY = 0.01
"""Penalty on the square of a weight's relative change from what it is by default."""

LEAST = 8
"""Simulated anomalies that weights may be learned from."""


class LogOdds(Fuser):
    """Adds what the branches say for and against an anomaly, as a naive Bayes classifier adds its evidence.

    The contrastive branch's map is a probability, of which the log-odds are taken. Distances say nothing of odds: the
    reference branch's map is z-scored by the context's own normals, and a standard deviation counts for `weight`. How
    far either is to be trusted depends on the context and the backbone: simulated anomalies on the context's normals
    move both weights, by a logistic regression that holds on to the defaults.
    """

    scaled = True

    def __init__(self, weight: float = 0.25, adapt: bool = True):
        """Configure the fuser.

        Args:
            weight: log-odds for each standard deviation of a distance above the mean of normal pixels.
            adapt: whether simulated anomalies move the weights.
        """
        if not weight > 0:
            raise UserError(f"fuser.weight: {weight} must be above 0, e.g. 0.25")
        self.weight = weight
        self.simulates = adapt

    def fit(self, normals: Mapping[str, Tensor]) -> State:
        """Mean and standard deviation of distances over normal images [n, h, w], and the weights by default."""
        state: State = {}
        for branch, maps in normals.items():
            state[f"{branch}.weight"] = torch.tensor(1.0 if branch == TRAINED else self.weight)
            if branch != TRAINED:
                state[f"{branch}.mean"] = maps.float().mean()
                state[f"{branch}.std"] = maps.float().std(correction=0).clamp_min(1e-6)
        return state

    def learn(self, normals: Mapping[str, Tensor], simulated: Mapping[str, Tensor], masks: Tensor) -> State:
        """The same, with weights moved by simulated anomalies where there are at least `LEAST`."""
        state = self.fit(normals)
        if len(normals) == 1 or int(masks.flatten(1).any(1).sum()) < LEAST:
            return state
        evidence = torch.cat([self._evidence(normals, state), self._evidence(simulated, state)], 1)
        clean = torch.zeros(evidence.shape[1] - len(masks), *masks.shape[1:], dtype=torch.bool)
        prior = [float(state[f"{branch}.weight"]) for branch in normals]
        penalties = [LOYALTY / weight**2 for weight in prior]
        weights = logistic_weights(evidence, torch.cat([clean.to(masks), masks]), prior, penalties)
        floor = [0.05 * weight for weight in prior]  # each map still counts, or with one map there would be none
        moved = [max(float(weight), least) for weight, least in zip(weights, floor, strict=True)]
        return state | {f"{branch}.weight": torch.tensor(weight) for branch, weight in zip(normals, moved, strict=True)}

    def fuse(self, maps: Mapping[str, Tensor], state: State) -> Tensor:
        """Sum of weighted log-odds, float [B, h, w]."""
        weights = torch.stack([state[f"{branch}.weight"] for branch in maps])
        evidence = self._evidence(maps, state)
        return torch.einsum("n,nbhw->bhw", weights.to(evidence), evidence)

    def trust(self, state: State) -> float:
        """The weight of the contrastive branch."""
        return float(state.get(f"{TRAINED}.weight", 1.0))

    def _evidence(self, maps: Mapping[str, Tensor], state: State) -> Tensor:
        """Log-odds of the trained branch, z-scores of the others, float [branches, B, h, w]."""
        stacked(maps)  # refuses NaN
        return stacked({branch: self._of_branch(values.float(), branch, state) for branch, values in maps.items()})

    def _of_branch(self, values: Tensor, branch: str, state: State) -> Tensor:
        if branch == TRAINED:
            within = values.clamp(SURE, 1 - SURE)
            return within.logit() + (values - within)  # beyond, the order stays
        return (values - state[f"{branch}.mean"].to(values)) / state[f"{branch}.std"].to(values)
