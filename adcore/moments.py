"""Base of matchers for which mean and covariance of the reference patches say everything."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from adcore.interfaces import State
from adcore.patch_matcher import PatchMatcher


class MomentMatcher(PatchMatcher):
    """Keeps sums of patches and of their products, in double precision: memory does not grow with the references.

    Attributes:
        placed: whether patches are summed place by place, not over all places.
    """

    placed: bool = False

    @abstractmethod
    def conclude(self, summary: State) -> State:
        """What normal patches teach.

        Args:
            summary: ``images`` (n), ``sum`` of their patches at each place [P, C] or at all [1, C], ``products`` [C, C]
                (sum of the outer product of each patch with itself), ``cells`` (patches of an image); double.
        """

    def learn(self, patches: Tensor) -> State:
        """What the moments of patches [n, P, C] teach."""
        return self.conclude(self.summarise(patches, 1))

    def summarise(self, patches: Tensor, references: int) -> State:
        """The moments of one reference's patches."""
        x = patches.double()
        rows = x.flatten(0, 1)
        total = x.sum(0) if self.placed else rows.sum(0, keepdim=True)
        counts = {"images": len(x), "cells": x.shape[1]}
        return {name: x.new_tensor(count) for name, count in counts.items()} | {"sum": total, "products": rows.T @ rows}

    def merge(self, summaries: Sequence[State]) -> State:
        """Moments add up."""
        added = ("images", "sum", "products")
        return summaries[0] | {name: torch.stack([one[name] for one in summaries]).sum(0) for name in added}
