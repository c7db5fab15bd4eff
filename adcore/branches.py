"""What the branches say of images: maps by branch on one grid, and what is told of an image as a whole."""

from __future__ import annotations

from torch import Tensor

from adcore.interfaces import HeadOutput
from adcore.scoring import on_finest_grid

Maps = dict[str, Tensor]
"""By branch, ``reference`` and/or ``contrastive``: float [B, h, w], all on one grid.

With a head that tells images too, ``image``: float [B, 1, 1], the log-odds that there is an anomaly at all.
"""

IMAGE = "image"
"""What a head says of images as a whole; no map, and no branch for fusers."""

TELLING = "telling"
"""Among joined maps: the one that scores are taken from, where a fuser says that it is not the fused one."""


def told_of_images(output: HeadOutput) -> Maps:
    """What a head says of images as a whole, where it does."""
    return {} if output.image is None else {IMAGE: output.image.float()[:, None, None]}


def pixels(maps: Maps) -> Maps:
    """The branches' maps alone."""
    return {branch: grid for branch, grid in maps.items() if branch != IMAGE}


def one_grid(maps: Maps) -> Maps:
    """Bring all branches to the finest grid among them."""
    shown = pixels(maps)
    grids = on_finest_grid([grid[:, None] for grid in shown.values()])
    return {**maps, **{branch: grid[:, 0] for branch, grid in zip(shown, grids, strict=True)}}
