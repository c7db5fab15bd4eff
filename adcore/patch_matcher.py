"""Base of matchers that see images as patches: shared settings, views of the references, levels on one grid."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.augmentation import rotate
from adcore.errors import UserError
from adcore.folds import MOST_FOLDS, content, evenly_chosen, fold
from adcore.interfaces import Features, Fit, ReferenceMatcher, State
from adcore.scoring import nearest_grid, on_finest_grid

MERGED_AT_ONCE = 16
"""Summaries of single references that wait before they are merged."""


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
    references among themselves and the relation (one channel, the distance) are done here. Patches of all references
    are held at once unless the subclass also says what is enough to keep of a reference (`summarise`), how that is put
    together (`merge`), and what follows from it (`conclude`).
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

    def summarise(self, patches: Tensor, references: int) -> State:
        """What is kept of one reference until all have been seen.

        Args:
            patches: float [views, P, C] of its views.
            references: how many there will be; where they are many, keep less of each.
        """
        return {"patches": patches}

    def merge(self, summaries: Sequence[State]) -> State:
        """The summary of all patches that several summaries stand for; in any order and any groups the same."""
        return {"patches": torch.cat([summary["patches"] for summary in summaries])}

    def conclude(self, summary: State) -> State:
        """What `learn` returns, from a summary."""
        return self.learn(summary["patches"])

    def condense(self, summary: State) -> State:
        """A smaller summary of one of `MOST_FOLDS` groups of references, by which the others are judged."""
        return summary

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
        k = len(features[0]) // views
        return self.fit_stream([tuple(level[i * views : (i + 1) * views] for level in features) for i in range(k)])

    def fit_stream(self, references: Sequence[Features]) -> Fit:
        """Summarise one reference after another; those that are judged by the others are looked at a second time."""
        contents, waiting, size = [], defaultdict[int, list[State]](list), (0, 0)
        for place, reference in enumerate(references):
            patches, size = self.patches(reference)
            contents.append(content(reference))
            group = waiting[fold(place, contents[-1], len(references))]
            group.append(self.summarise(patches, len(references)))
            if len(group) == MERGED_AT_ONCE:
                group[:] = [self.merge(group)]
        folds = {number: self.merge(waiting.pop(number)) for number in sorted(waiting)}
        whole = self.merge([*folds.values()])
        if len(references) > MOST_FOLDS:
            folds = {number: self.condense(summary) for number, summary in folds.items()}
        state = self.conclude(whole)
        del whole  # may be large
        judged = {place: fold(place, contents[place], len(references)) for place in evenly_chosen(contents)}
        among = self._among(references, folds, judged)
        state |= {"mean": among.mean(), "std": among.std(correction=0).clamp_min(1e-6)}
        relation = self._standard(among, state).view(len(judged), 1, *size)
        every = len(judged) == len(references)
        return Fit(state, among.view(len(judged), *size), relation, None if every else tuple(judged))

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

    def _among(self, references: Sequence[Features], folds: dict[int, State], judged: dict[int, int]) -> Tensor:
        """Distances [m, P] of the judged references (place to fold), first view, to what the other folds teach."""
        among: dict[int, Tensor] = {}
        for number in set(judged.values()):
            others = [summary for other, summary in folds.items() if other != number]
            state = self.conclude(self.merge(others)) if others else None
            for place in (place for place, own in judged.items() if own == number):
                patches = self.patches(references[place])[0][0]
                among[place] = self.lone(patches) if state is None else self.distance(patches, state)
        return torch.stack([among[place] for place in judged])

    def _standard(self, distances: Tensor, state: State) -> Tensor:
        return (distances - state["mean"]) / state["std"]
