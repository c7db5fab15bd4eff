"""Fuser: the maximum of the maps."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from adcore.fusing import stacked
from adcore.interfaces import Fuser, State


class Max(Fuser):
    """Pixel-wise maximum of the maps as they are."""

    def fuse(self, maps: Mapping[str, Tensor], state: State) -> Tensor:
        """Maximum over branches of float [B, h, w]."""
        return stacked(maps).amax(0)
