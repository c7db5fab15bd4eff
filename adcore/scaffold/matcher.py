"""A matcher: each patch beside the most similar patch of the references.

What it is given and has to return stands in `adcore.ReferenceMatcher`. The arguments of ``__init__`` are what a recipe
sets. A matcher keeps nothing of a context in itself: all that it learns is in the state that `fit` returns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore import Fit, ReferenceMatcher
from adcore.scoring import nearest_grid

State = dict[str, Tensor]


class Template(ReferenceMatcher):
    """Cosine distance of a patch to the nearest reference patch, all levels joined on one grid."""

    relations = 1

    def __init__(self, grid: int = 32):
        """Configure the matcher.

        Args:
            grid: cells along the longer side of the map; the level nearest to it gives the grid.
        """
        if grid < 1:
            raise ValueError(f"grid: {grid} is too small; write at least 1")
        self.grid = grid

    def fit(self, features: tuple[Tensor, ...], views: int = 1) -> Fit:
        """Keep every patch of the references' views [k * views, C_l, h_l, w_l], and how far apart references are."""
        return self._fit(self._patches(features), views)

    def extend(self, state: State, features: tuple[Tensor, ...], views: int = 1) -> Fit:
        """Fit to the patches that the state holds, and the further ones."""
        return self._fit(torch.cat([state["patches"], self._patches(features)]), views)

    def match(self, features: tuple[Tensor, ...], state: State) -> Tensor:
        """Distances [B, h, w], from 0 to 2."""
        return torch.stack([distance(image, state["patches"]) for image in self._patches(features)])

    def relate(self, features: tuple[Tensor, ...], state: State) -> Tensor:
        """The same distances, z-scored by those of the references among themselves, [B, 1, h, w]."""
        return ((self.match(features, state) - state["mean"]) / state["std"])[:, None]

    def _patches(self, features: tuple[Tensor, ...]) -> Tensor:
        """All levels on one grid, each of unit norm, [n, C, h, w]."""
        size = nearest_grid(features, self.grid)
        levels = [F.interpolate(level.float(), size, mode="bilinear", align_corners=False) for level in features]
        return torch.cat([F.normalize(level, dim=1) for level in levels], 1)

    def _fit(self, patches: Tensor, views: int) -> Fit:
        references = patches[::views]  # [k, C, h, w], the first view of each
        if len(references) == 1:
            among = distance(references[0], references, lone=True)[None]
        else:
            owner = torch.arange(len(patches)) // views
            among = torch.stack([distance(image, patches[owner != j]) for j, image in enumerate(references)])
        mean, std = among.mean(), among.std(correction=0).clamp_min(1e-6)
        return Fit({"patches": patches, "mean": mean, "std": std}, among, ((among - mean) / std)[:, None])


def distance(image: Tensor, references: Tensor, lone: bool = False) -> Tensor:
    """Cosine distance [h, w] of each patch to the nearest one of the references.

    Args:
        image: patches [C, h, w].
        references: patches [n, C, h, w]; what all of them share says nothing and is taken off.
        lone: the image is the only reference: leave out patches in the neighbourhood, which resemble each other.
    """
    h, w = image.shape[-2:]
    bank = references.permute(0, 2, 3, 1).flatten(0, 2)  # [n * h * w, C]
    centre = bank.mean(0)
    cosine = F.normalize(image.flatten(1).T - centre, dim=1) @ F.normalize(bank - centre, dim=1).T  # [h * w, n * h * w]
    if lone:
        row, column = torch.arange(h * w, device=image.device) // w, torch.arange(h * w, device=image.device) % w
        apart = torch.maximum((row[:, None] - row).abs(), (column[:, None] - column).abs())
        cosine = cosine.masked_fill(apart <= max(h, w) // 8, -1)
    return (1 - cosine.amax(1)).clamp(0, 2).view(h, w)
