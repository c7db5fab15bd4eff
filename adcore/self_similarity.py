"""An image beside itself: what recurs in it elsewhere."""

from __future__ import annotations

from torch import Tensor

from adcore.cells import neighbours
from adcore.nearest import nearest


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
    near = neighbours(h, w).to(patches.device)
    return nearest(patches, patches, near)[0].masked_fill(near.all(1), 0)
