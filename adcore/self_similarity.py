"""An image beside itself: what recurs in it elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor

from adcore.cells import neighbours


def distance_to_itself(patches: Tensor, h: int, w: int) -> Tensor:
    """Euclidean distance of each patch to the nearest one of the same image outside its own neighbourhood.

    The neighbourhood reaches an eighth of the longer side, two cells at least, half of the side at most.

    Args:
        patches: float [h * w, C].
        h: rows of the grid.
        w: columns of the grid.

    Returns:
        float [h * w]; 0 where the image is too small for any patch to be outside.
    """
    squares = patches.square().sum(1)
    distances = torch.addmm(squares[None], patches, patches.T, alpha=-2)
    near = neighbours(h, w).to(patches.device)
    nearest = distances.masked_fill_(near, torch.inf).argmin(1)
    found: Tensor = (patches - patches[nearest]).norm(dim=1)
    return found.masked_fill(near.all(1), 0)
