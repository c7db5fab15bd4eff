"""What every fuser does first: stack the maps and refuse what is no number."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def stacked(maps: Mapping[str, Tensor]) -> Tensor:
    """Maps of all branches, float [branches, B, h, w].

    Raises:
        ValueError: there is no map, or one holds NaN; the branch is named.
    """
    if not maps:
        raise ValueError("a fuser needs the map of at least one branch")
    for branch, values in maps.items():
        if torch.isnan(values).any():
            raise ValueError(f"the map of branch '{branch}' holds NaN")
    return torch.stack([values.float() for values in maps.values()])
