"""Fuser: put each map on a common scale by the context's own normals, then join."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from adcore.errors import UserError
from adcore.fusing import stacked
from adcore.interfaces import Fuser, State

_KNOTS = 128


class Rank(Fuser):
    """Replace each value by how rare it is among the context's normal pixels, then take the mean (or the maximum).

    A value becomes its surprise, minus the logarithm of the share of normal pixels that reach it. Beyond the highest
    share that the normals can resolve, the tail is continued as an exponential (peaks over threshold, Pickands 1975),
    so that defects far outside the normal range keep their order. How large that continued surprise gets is a guess
    from few values, so surprises are joined on a logarithmic scale: no branch drowns the other by its longer tail.
    """

    scaled = True

    def __init__(
        self,
        tail: float = 0.01,
        join: Literal["mean", "max"] = "mean",
        image: float = 0.1,
        telling: Literal["fused", "reference", "contrastive"] = "fused",
    ):
        """Configure the fuser.

        Args:
            tail: share of normal pixels that makes up the tail, to which the exponential is fitted.
            join: how the scaled maps are joined.
            image: how much is added to the image's score for each unit of the log-odds that a head gives to the image
                as a whole, where it does.
            telling: the map that the image's score is taken from, scaled as it is to be joined. A branch may find
                defects better than it tells whether there are any.
        """
        if not 0 < tail < 1:
            raise UserError(f"fuser.tail: {tail} must lie between 0 and 1, e.g. 0.01")
        if not 0 <= image < math.inf:
            raise UserError(f"fuser.image: {image} must not be negative; write 0 to go by the map alone")
        self.tail = tail
        self.join = join
        self.image = image
        self.told = telling

    def fit(self, normals: Mapping[str, Tensor]) -> State:
        """Tabulate the surprise of each branch's values over normal images [n, h, w]."""
        state: State = {}
        for branch, maps in normals.items():
            values = maps.flatten().double().sort().values  # [N]
            below = 1 - torch.logspace(0, torch.log10(torch.tensor(self.tail)).item(), _KNOTS, dtype=torch.float64)
            knots = values[(below * (len(values) - 1)).round().long()].to(values)  # values at even steps of surprise
            over = values[values >= knots[-1]]
            scale = (over - knots[-1]).mean().clamp_min(1e-6 * (knots[-1] - knots[0]).abs() + 1e-12)
            state[f"{branch}.knots"] = knots.float()
            state[f"{branch}.scale"] = scale.float()
        return state

    def fuse(self, maps: Mapping[str, Tensor], state: State) -> Tensor:
        """Mean (or maximum) over branches of the logarithm of one plus the surprise, float [B, h, w]."""
        stacked(maps)  # refuses NaN
        scaled = stacked({branch: self._surprise(values, branch, state) for branch, values in maps.items()})
        tempered = torch.where(scaled > 0, scaled.clamp_min(0).log1p(), scaled)
        return tempered.mean(0) if self.join == "mean" else tempered.amax(0)

    def telling(self, maps: Mapping[str, Tensor], state: State) -> Tensor | None:
        """The scaled map of the branch that `telling` names; None for the fused one, or where it is alone."""
        return self.fuse({self.told: maps[self.told]}, state) if self.told in maps and len(maps) > 1 else None

    def trust(self, state: State) -> float:
        """What the setting `image` says."""
        return self.image

    def _surprise(self, values: Tensor, branch: str, state: State) -> Tensor:
        """Minus log share of normal pixels at least as high, strictly increasing in the value."""
        knots = state[f"{branch}.knots"].to(values)
        scale = state[f"{branch}.scale"].to(values)
        step = -torch.log(torch.tensor(self.tail)).item() / (len(knots) - 1)
        place = torch.searchsorted(knots, values.contiguous(), right=True).clamp(1, len(knots) - 1)
        low, high = knots[place - 1], knots[place]
        within = ((values - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
        table = (place - 1 + within) * step
        # Below the lowest and above the highest knot the scale goes on in a straight line: no two values become equal.
        beyond = (values - knots[-1]).clamp_min(0) / scale
        under = (values - knots[0]).clamp_max(0) / scale
        return table + beyond + under
