"""Base of matchers that join all levels into one vector per patch."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from adcore.coreset import random_projection
from adcore.errors import UserError
from adcore.folds import MOST_FOLDS, content, evenly_chosen, fold
from adcore.interfaces import Features, Fit, State
from adcore.patch_views import PatchViews, first_view

MERGED_AT_ONCE = 16
"""Summaries of single references that wait before they are merged."""


class PatchMatcher(PatchViews):
    """Base of matchers that join all levels into one vector per patch and learn where normal patches lie.

    A subclass says what it learns of patches and how far a patch is from that; grid, joining, statistics of the
    references among themselves and the relation (one channel, the distance) are done here. Patches of all references
    are held at once unless the subclass also says what is enough to keep of a reference (`summarise`), how that is put
    together (`merge`), and what follows from it (`conclude`).
    """

    relations = 1

    candidates: ClassVar[Mapping[str, tuple[Any, ...]]] = {**PatchViews.candidates, "window": (0.0, 0.3)}

    def __init__(self, unit: bool = True, projection: int = 0, window: float | Literal["auto"] = 0.0, **views: Any):
        """Configure the matcher.

        Args:
            unit: bring each level of a patch to unit norm before the levels are joined; else levels with large
                features count for more.
            projection: dimensions to which joined patches are randomly projected (Johnson and Lindenstrauss, 1984), for
                speed; 0 keeps them all.
            window: for aligned parts: the share of the image's longer side by which a patch that is out of place is as
                far as one that has nothing in common (with `unit`). 0 looks at no position; ``auto`` decides between
                that and 0.3 for each context.
            **views: settings of `PatchViews`.
        """
        super().__init__(**views)
        self.unit = unit
        self.projection = projection
        self.window: float = self._or_plain("window", window)
        if projection < 0 or not 0 <= self.window < math.inf:
            raise UserError(
                f"matcher.projection ({projection}) and matcher.window ({self.window}) must not be negative; 0 is none"
            )

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
        if self.window:  # a band lies nowhere near the others
            patches = torch.cat([patches[:, :-2], torch.zeros_like(patches[:, -2:])], 1)
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
        state = self.conclude(whole) | self.learn_foreground(references)
        del whole  # may be large
        judged = {place: fold(place, contents[place], len(references)) for place in evenly_chosen(contents)}
        among = self._among(references, folds, judged)
        maps = among.view(-1, 1, *size)
        maps = torch.cat([self.masked(m, first_view(references[i]), state) for m, i in zip(maps, judged, strict=True)])
        state |= {"mean": among.mean(), "std": among.std(correction=0).clamp_min(1e-6)}
        relation = self._standard(among, state).view(len(judged), 1, *size)
        every = len(judged) == len(references)
        return Fit(state, maps, relation, None if every else tuple(judged))

    def match(self, features: Features, state: State) -> Tensor:
        """The distance of each patch, float [B, h, w]."""
        return self.masked(self._distances(features, state), features, state)

    def relate(self, features: Features, state: State) -> Tensor:
        """The distance, z-scored by those of the references among themselves, float [B, 1, h, w]."""
        return self._standard(self._distances(features, state), state)[:, None]

    def match_and_relate(self, features: Features, state: State) -> tuple[Tensor, Tensor]:
        """Both, of one comparison."""
        distances = self._distances(features, state)
        return self.masked(distances, features, state), self._standard(distances, state)[:, None]

    def patches(self, features: Features) -> tuple[Tensor, tuple[int, int]]:
        """What is learned and compared, float [n, h * w, C], and the grid (h, w)."""
        patches, (h, w) = self.joined(features, self.unit)
        levels = len(self.selected(len(features)))
        if self.projection:
            patches = random_projection(patches, self.projection)
        if self.window:
            row, column = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
            place = torch.stack([row, column], -1).view(1, -1, 2).to(patches) / max(h, w)
            scale = math.sqrt(2 * levels) / self.window  # unit patches with nothing in common are so far apart
            patches = torch.cat([patches, (place * scale).expand(len(patches), -1, -1)], 2)
        return patches, (h, w)

    def compare(self, patches: Tensor, size: tuple[int, int], state: State) -> Tensor:
        """Distances of all patches of one image, float [P], for patches [P, C] on a grid of `size`; see `distance`."""
        return self.distance(patches, state)

    def _distances(self, features: Features, state: State) -> Tensor:
        patches, size = self.patches(features)
        return torch.stack([self.compare(image, size, state) for image in patches]).view(-1, *size)

    def _among(self, references: Sequence[Features], folds: dict[int, State], judged: dict[int, int]) -> Tensor:
        """Distances [m, P] of the judged references (place to fold), first view, to what the other folds teach."""
        among: dict[int, Tensor] = {}
        for number in set(judged.values()):
            others = [summary for other, summary in folds.items() if other != number]
            state = self.conclude(self.merge(others)) if others else None
            for place in (place for place, own in judged.items() if own == number):
                patches, size = self.patches(first_view(references[place]))
                among[place] = self.lone(patches[0]) if state is None else self.compare(patches[0], size, state)
        return torch.stack([among[place] for place in judged])

    def _standard(self, distances: Tensor, state: State) -> Tensor:
        return (distances - state["mean"]) / state["std"]
