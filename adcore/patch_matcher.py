"""Base of matchers that see images as patches: shared settings, views of the references, levels on one grid."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.augmentation import rotate
from adcore.errors import UserError
from adcore.interfaces import Features, Fit, ReferenceMatcher, State
from adcore.scoring import nearest_grid, on_finest_grid

MOST_FOLDS = 8
"""More references than this are judged in so many groups, each by the others; a lone one in so many bands."""


class ReferenceViews(ReferenceMatcher):
    """Settings of every matcher that looks at further views of the references."""

    def __init__(self, rotations: int = 1, flips: bool = False):
        """Configure the matcher.

        Args:
            rotations: number of evenly spaced rotations of each reference, 1 for none. Where orientation can be the
                defect, leave it at 1.
            flips: add the mirror image of each view.
        """
        if rotations < 1:
            raise UserError(f"matcher.rotations: {rotations} must be at least 1")
        self.rotations = rotations
        self.flips = flips

    def augment(self, images: Tensor) -> Tensor:
        """Rotated (about the centre, edges repeated) and mirrored views of each reference, [k * v, 3, H, W]."""
        views = [rotate(images, 360.0 * turn / self.rotations) for turn in range(self.rotations)]
        if self.flips:
            views += [view.flip(-1) for view in views]
        return torch.stack(views, 1).flatten(0, 1)


class PatchViews(ReferenceViews):
    """Settings of every matcher of patches: the grid, the neighbourhood, further views of the references."""

    def __init__(self, grid: int = 32, neighbourhood: int = 3, **views: Any):
        """Configure the matcher.

        Args:
            grid: cells along the longer side of the map; the level nearest to it gives the grid.
            neighbourhood: side of the square of cells that each feature is averaged over, at its own level; odd.
            **views: settings of `ReferenceViews`.
        """
        super().__init__(**views)
        if neighbourhood < 1 or neighbourhood % 2 == 0:
            raise UserError(f"matcher.neighbourhood: {neighbourhood} is not an odd number of cells; write 1, 3 or 5")
        if grid < 1:
            raise UserError(f"matcher.grid: {grid} must be at least 1")
        self.grid = grid
        self.neighbourhood = neighbourhood

    def pooled(self, features: Features) -> list[Tensor]:
        """Neighbourhood averages of each level, no finer than the grid, float [n, C_l, h_l, w_l]."""
        h, w = nearest_grid(features, self.grid)
        levels = []
        for level in features:
            level = level.float()
            if self.neighbourhood > 1:
                level = F.avg_pool2d(level, self.neighbourhood, 1, self.neighbourhood // 2, count_include_pad=False)
            if level.shape[-2] > h or level.shape[-1] > w:
                level = F.adaptive_avg_pool2d(level, (min(h, level.shape[-2]), min(w, level.shape[-1])))
            levels.append(level)
        return levels


class PatchMatcher(PatchViews):
    """Base of matchers that join all levels into one vector per patch and learn where normal patches lie.

    A subclass says what it learns of patches and how far a patch is from that; grid, joining, statistics of the
    references among themselves and the relation (one channel, the distance) are done here.
    """

    relations = 1

    def __init__(self, unit: bool = True, levels: Sequence[int] | None = None, **views: Any):
        """Configure the matcher.

        Args:
            unit: bring each level of a patch to unit norm before the levels are joined; else levels with large
                features count for more.
            levels: which of the backbone's levels are joined, counted from 0; null joins all.
            **views: settings of `PatchViews`.
        """
        super().__init__(**views)
        self.unit = unit
        self.levels = levels

    @abstractmethod
    def learn(self, patches: Tensor) -> State:
        """What normal patches teach.

        Args:
            patches: float [n, P, C] of n images with P cells each.
        """

    @abstractmethod
    def distance(self, patches: Tensor, state: State) -> Tensor:
        """How far patches are from normal.

        Args:
            patches: float [P, C] of one image.
            state: what `learn` returned.

        Returns:
            float [P] >= 0.
        """

    def lone(self, patches: Tensor) -> Tensor:
        """Distance of each patch of the only reference to what is normal, float [P], for patches [P, C].

        Each band of cells is judged by the cells of the other bands.
        """
        bands = [band for band in torch.arange(len(patches)).tensor_split(MOST_FOLDS) if len(band)]
        if len(bands) < 2:
            return self.distance(patches, self.learn(patches[None]))
        parts = []
        for band in bands:
            others = torch.ones(len(patches), dtype=torch.bool)
            others[band] = False
            parts.append(self.distance(patches[band], self.learn(patches[others][None])))
        return torch.cat(parts)

    def fit(self, features: Features, views: int = 1) -> Fit:
        """Learn all patches, and what the references look like to each other."""
        patches, size = self.patches(features)
        state = self.learn(patches)
        k = len(patches) // views
        among = self.lone(patches[0])[None] if k == 1 else self._among(patches, views)
        state |= {"mean": among.mean(), "std": among.std(correction=0).clamp_min(1e-6)}
        return Fit(state, among.view(k, *size), self._standard(among, state).view(k, 1, *size))

    def match(self, features: Features, state: State) -> Tensor:
        """The distance of each patch, float [B, h, w]."""
        patches, size = self.patches(features)
        return torch.stack([self.distance(image, state) for image in patches]).view(-1, *size)

    def relate(self, features: Features, state: State) -> Tensor:
        """The distance, z-scored by those of the references among themselves, float [B, 1, h, w]."""
        return self._standard(self.match(features, state), state)[:, None]

    def patches(self, features: Features) -> tuple[Tensor, tuple[int, int]]:
        """All levels joined, float [n, h * w, C], and the grid (h, w)."""
        levels = self.pooled(features)
        if self.levels is not None:
            if not self.levels or max(self.levels) >= len(levels) or min(self.levels) < 0:
                raise UserError(f"matcher.levels: {[*self.levels]}, the backbone gives levels 0 to {len(levels) - 1}")
            levels = [levels[i] for i in self.levels]
        joined = torch.cat([F.normalize(m, dim=1) if self.unit else m for m in on_finest_grid(levels)], 1)
        h, w = joined.shape[-2:]
        return joined.flatten(2).transpose(1, 2).contiguous(), (h, w)

    def _among(self, patches: Tensor, views: int) -> Tensor:
        """Distances [k, P] of each reference's first view to what all others, or all of other groups, teach."""
        k = len(patches) // views
        # By content, not by place: the order of the references must not matter.
        order = patches[::views].double().mean((1, 2)).argsort().tolist()
        group = {reference: turn % MOST_FOLDS for turn, reference in enumerate(order)}
        among = patches.new_empty(k, patches.shape[1])
        for fold in set(group.values()):
            others = [row for row in range(len(patches)) if group[row // views] != fold]
            state = self.learn(patches[others])
            for reference in (reference for reference in range(k) if group[reference] == fold):
                among[reference] = self.distance(patches[reference * views], state)
        return among

    def _standard(self, distances: Tensor, state: State) -> Tensor:
        return (distances - state["mean"]) / state["std"]
