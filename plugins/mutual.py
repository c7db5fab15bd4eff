"""Matcher: unlabelled images judged by each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.errors import UserError
from adcore.folds import content, evenly_chosen
from adcore.interfaces import Features, Fit, State
from adcore.patch_views import PatchViews, first_view
from adcore.scoring import on_finest_grid
from adcore.self_similarity import distance_to_itself

SAME = 0.02
"""Largest difference of any feature by which an image still counts as the same as one of the pool."""


class Mutual(PatchViews):
    """How badly a patch is matched by the images of an unlabelled pool that match it best; no reference is needed.

    Most images of a pool are normal at any one patch, so a normal patch finds its like in many of them and an anomalous
    one in few. For each image of the pool the distance to its nearest patch is taken, and of these the mean over the
    share of images that match best. An image that is in the pool itself is left out of its own verdict. The pool is the
    test images of a run, or the images given to ``adcore context add``; they may hold anomalies, of which nobody has to
    know. Results are transductive: they depend on the other test images, and are not to be set beside others.

    Source: MuSc (Li et al., ICLR 2024), mutual scoring with the interval average (section 3.3), without the re-scoring
    of images by their neighbours.
    """

    transductive = True

    def __init__(self, share: float = 0.3, pool: int = 64, **views: Any):
        """Configure the matcher.

        Args:
            share: of the pool's images, those that match a patch best count.
            pool: images kept at most, an even choice of those given.
            **views: settings of `adcore.patch_views.PatchViews`.
        """
        super().__init__(**views)
        if not 0 < share <= 1 or pool < 1:
            raise UserError(f"matcher.share ({share}) must lie in (0, 1], and matcher.pool ({pool}) be at least 1")
        self.share = share
        self.pool = pool

    def fit(self, features: Features, views: int = 1) -> Fit:
        """Keep the pool's patches, and judge each of its images by the others."""
        k = len(features[0]) // views
        return self.fit_stream([tuple(level[i * views : (i + 1) * views] for level in features) for i in range(k)])

    def fit_stream(self, references: Sequence[Features]) -> Fit:
        """Look at no more images than the pool holds."""
        places = evenly_chosen([content(reference) for reference in references], self.pool)
        pool = [self._units(references[place]) for place in places]
        state = {f"level{i}": torch.stack(level).half() for i, level in enumerate(zip(*pool, strict=True))}
        state |= self.learn_foreground(references)
        among = torch.cat([self.match(first_view(references[place]), state) for place in places])
        return Fit(state, among, None, None if len(places) == len(references) else places)

    def match(self, features: Features, state: State) -> Tensor:
        """Mean cosine distance to the images that match a patch best, mean over the levels, float [B, h, w]."""
        maps = []
        for image in range(len(features[0])):
            one = tuple(level[image : image + 1] for level in features)
            sizes = [level.shape[-2:] for level in self._levels(one)]
            levels = [
                self._against(patches, state[f"level{i}"], size).view(1, 1, *size)
                for i, (patches, size) in enumerate(zip(self._units(one), sizes, strict=True))
            ]
            maps.append(torch.cat(on_finest_grid(levels), 1).mean(1))
        return self.masked(torch.cat(maps), features, state)

    def _against(self, patches: Tensor, pool: Tensor, size: tuple[int, int]) -> Tensor:
        """Mean distance [P] of one image's patches [P, C] to the best matching images of a pool [n, Q, C]."""
        distances = []
        for other in pool:
            other = other.to(patches)
            if (patches - other[: len(patches)]).abs().max() > SAME:
                distances.append(1 - (patches @ other.T).amax(1))
        if not distances:  # alone in the pool
            return distance_to_itself(patches, *size).square() / 2
        count = max(1, round(self.share * len(distances)))
        return torch.stack(distances).topk(count, dim=0, largest=False).values.mean(0).clamp_min(0)

    def _levels(self, features: Features) -> list[Tensor]:
        pooled = self.pooled(features)
        return [pooled[i] for i in self.selected(len(pooled))]

    def _units(self, features: Features) -> list[Tensor]:
        """Unit-norm patches of each level of one image's views, [views * P, C_l]."""
        return [F.normalize(level, dim=1).permute(0, 2, 3, 1).flatten(0, 2) for level in self._levels(features)]
