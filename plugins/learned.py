"""Fuser: the branches' maps weighed by how well each tells simulated anomalies from normal pixels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from adcore_plugins.rank import Rank
from torch import Tensor

from adcore.errors import AdcoreWarning, UserError
from adcore.fusing import logistic_weights, stacked
from adcore.interfaces import Fuser, State

_PENALTY = 1e-3
"""On the squares of the weights: two branches that both tell everything apart share the weight."""
_SPARSE = 0.01
"""On the weights themselves: what a branch seems to add by chance is not worth a weight."""
_NO_WEIGHT = 1e-6
"""A weight below this is none."""


class Learned(Fuser):
    """Put each map on the scale of `rank`, then take a weighted mean; the weights are learned for each context.

    They are those of a logistic regression, none below 0, that tells the pixels of simulated anomalies from normal
    ones; both kinds, and every image among them, count alike. A branch that does not separate them gets no weight.
    Where there are too few simulated anomalies, or no branch separates them, the weights are equal, as in `rank`, and
    the run says so. Source: logistic score fusion (Platt 1999; Brümmer and du Preez 2006), kept monotone.
    """

    scaled = True
    simulates = True

    def __init__(self, tail: float = 0.01, least_anomalies: int = 8, least_normals: int = 4):
        """Configure the fuser.

        Args:
            tail: share of normal pixels that makes up the tail, see `rank`.
            least_anomalies: images with a simulated anomaly that are needed to learn from.
            least_normals: normal images that are needed to learn from.
        """
        if least_anomalies < 1 or least_normals < 1:
            raise UserError(
                f"fuser: least_anomalies ({least_anomalies}) and least_normals ({least_normals}) must be at least 1"
            )
        self.scale = Rank(tail)
        self.least_anomalies = least_anomalies
        self.least_normals = least_normals

    def fit(self, normals: Mapping[str, Tensor]) -> State:
        """The common scale alone, with equal weights, from normal maps [n, h, w] by branch."""
        return self.scale.fit(normals) | {f"{branch}.weight": torch.tensor(1.0) for branch in normals}

    def learn(self, normals: Mapping[str, Tensor], simulated: Mapping[str, Tensor], masks: Tensor) -> State:
        """The common scale, and a weight of each branch; see `adcore.interfaces.Fuser.learn`."""
        state = self.fit(normals)
        if len(normals) == 1:
            return state  # nothing to weigh
        counts = int(masks.flatten(1).any(1).sum()), len(next(iter(normals.values())))
        if counts[0] < self.least_anomalies or counts[1] < self.least_normals:
            return _equal(
                state,
                f"{counts[0]} simulated anomalies and {counts[1]} normal images are too few to weigh the branches by "
                f"(it takes {self.least_anomalies} and {self.least_normals}; name synthesizers, or hold out more "
                "normals by context.validation)",
            )
        features = torch.cat([self._scaled(normals, state), self._scaled(simulated, state)], 1)
        anomalous = torch.cat([torch.zeros(counts[1], *masks.shape[1:], dtype=torch.bool).to(masks), masks])
        weights = logistic_weights(features, anomalous, [0.0] * len(features), [_PENALTY] * len(features), _SPARSE)
        if weights.sum() < _NO_WEIGHT:
            return _equal(state, "no branch tells simulated anomalies from normal pixels")
        shares = (weights / weights.sum()).tolist()
        return state | {f"{branch}.weight": torch.tensor(w) for branch, w in zip(normals, shares, strict=True)}

    def fuse(self, maps: Mapping[str, Tensor], state: State) -> Tensor:
        """Weighted mean over branches of the scaled maps, float [B, h, w]; with one map, that map scaled."""
        scaled = self._scaled(maps, state)  # [branches, B, h, w]
        weights = torch.stack([state[f"{branch}.weight"] for branch in maps]).to(scaled)
        if weights.sum() < _NO_WEIGHT:
            weights = torch.ones_like(weights)
        return torch.einsum("n,nbhw->bhw", weights / weights.sum(), scaled)

    def _scaled(self, maps: Mapping[str, Tensor], state: State) -> Tensor:
        """Maps of all branches as `rank` scales them, [branches, B, h, w]."""
        stacked(maps)  # refuses NaN
        return stacked({branch: self.scale.fuse({branch: values}, state) for branch, values in maps.items()})


def _equal(state: State, reason: str) -> State:
    warnings.warn(f"fuser learned: {reason}; joined as by rank", AdcoreWarning, stacklevel=3)
    return state
