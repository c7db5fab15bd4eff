"""AnomalyGPT's few-shot path: each patch beside its most similar reference patch, level by level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.errors import UserError
from adcore.interfaces import Features, Fit, State
from adcore.nearest import nearest, searching_reduced
from adcore.patch_views import PatchViews
from adcore.scoring import on_finest_grid
from adcore.self_similarity import distance_to_itself
from adcore.whitening import whitening

Levels = list[Tensor]
"""Features of each level, averaged over neighbourhoods and to the grid, [B, C_l, h_l, w_l]."""

MOST_BYTES = 2**29
"""Of the patches of all references, which are compared each with each."""

PLACED = 4.0
"""How many times as much the distance at about the same place counts as that to anywhere, where parts keep theirs."""

KEPT = 0.8
"""Quotient of the references' mean distances, anywhere and at about the same place, at which it counts half of that.
Textures, whose patches may lie anywhere, have .8 to .9, parts in place .98 and more, parts out of place below .8."""

FALL = 30
"""How steeply it falls there: to nothing at .7, where to look at place does harm."""


class AnomalyGPT(PatchViews):
    """Cosine distance to the nearest reference patch, mean over the levels.

    For each level the cosine similarity of a patch to every reference patch is taken, and its maximum kept; the map is
    one minus the mean over the levels. Source: AnomalyGPT (Gu et al., AAAI 2024), section 3.3; neighbourhood average as
    in PatchCore (Roth et al., CVPR 2022).
    """

    candidates: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **PatchViews.candidates,
        "window": (0.0, 0.06),
        "whiten": (0.0, 0.05),
    }

    def __init__(
        self,
        channels: tuple[int, ...] = (),
        whiten: float | Literal["auto"] = 0.0,
        window: float | Literal["auto"] = 0.0,
        own: float = 0.0,
        chunk: int = 1024,
        **views: Any,
    ):
        """Configure the matcher.

        Args:
            channels: of the backbone's levels (handed over by the runner).
            whiten: 0 compares features as they are, as published. Otherwise they are first centred and decorrelated by
                the covariance of the reference patches, to which this share of its mean variance is added (0.05 suits
                few references). Features that are strongly correlated, as an untrained backbone's are, need it.
                ``auto`` decides for each context.
            window: 0 looks at position nowhere. Otherwise the distance to the nearest reference patch at about the same
                place, within this share of the image's side, is taken too (0.06 suits aligned parts): the relation gets
                it as one more channel, and the map is the mean of both distances, each in units of its spread among the
                references. That at about the same place counts `PLACED` times as much where the references keep their
                parts in place, half of that where they are nearer to each other elsewhere by a fifth (`KEPT`), and
                nothing where by a third. A single reference cannot tell, and both count as much.
                ``auto`` decides for each context whether the map gets it; the relation does.
            own: 0 compares with reference patches alone. Otherwise the image's own patches, outside a patch's
                neighbourhood, count as references too, at this many times their distance: what recurs in an image is
                hardly a defect. 1.3 suits surfaces and parts; few references gain the most.
            chunk: patches compared with one reference at once; bounds memory, and what stays in the cache is fast.
            **views: settings of `adcore.patch_views.PatchViews`. Levels finer than its grid are averaged to it;
                coarser ones are matched as they are and their maps enlarged.
        """
        super().__init__(**views)
        self.window: float = self._or_plain("window", window)
        self.near: float = self.candidates["window"][-1] if "window" in self.automatic else self.window
        self.whiten: float = self._or_plain("whiten", whiten)
        if self.whiten < 0 or not 0 <= own < math.inf or not 0 <= self.window < 1:
            raise UserError(
                f"matcher.whiten ({whiten}) and matcher.own ({own}) must not be negative, and matcher.window "
                f"({window}) lie in [0, 1); write 0 for none"
            )
        if chunk < 1:
            raise UserError(f"matcher.chunk: {chunk} must be at least 1")
        self.own = own
        self.chunk = chunk
        self.relations = len(channels) + 1 + (self.near > 0)

    def fit(self, features: Features, views: int = 1) -> Fit:
        """Keep every reference patch of every level, and the statistics of the references among themselves."""
        references = [tuple(level[i : i + 1] for level in features) for i in range(0, len(features[0]), views)]
        fit = self._fit(self.pooled(features), views)
        state = fit.state | self.learn_foreground(references)
        maps = [self.masked(m[None], one, state) for m, one in zip(fit.among, references, strict=True)]
        return fit._replace(state=state, among=torch.cat(maps))

    def fit_stream(self, references: Sequence[Features]) -> Fit:
        """Fit all references at once, where they are few enough.

        Raises:
            UserError: their patches would take more than `MOST_BYTES`.
        """
        size = sum(level.nbytes for level in self.pooled(references[0]))
        if size * len(references) > MOST_BYTES:
            raise UserError(
                f"matcher anomalygpt keeps every patch of every reference, which is too much of {len(references)}: set "
                f"context.shots to {MOST_BYTES // size} at most, or take a matcher that keeps less, such as patchcore"
            )
        return super().fit_stream(references)

    def _fit(self, levels: Levels, views: int) -> Fit:
        among = self._distances_among(levels, views)  # [k, R, h, w]
        mean, std = among.mean((0, 2, 3)), among.std((0, 2, 3), correction=0).clamp_min(1e-6)
        state = {**self._bank(levels), "mean": mean, "std": std}
        if self.near > 0:  # a reference that is alone tells nothing of where its parts may lie
            anywhere, near = mean[-2:].clamp_min(1e-6)  # references that are all the same keep theirs
            state["placed"] = mean.new_tensor(1.0) if len(among) == 1 else _weight_of_place(anywhere / near)
        for i, level in enumerate(levels):  # with the length of each patch its features can be told again
            state[f"length{i}"] = self._whitened(_patches(level), state, i).norm(dim=1)
        return Fit(state, self._map(among, state, self.near > 0), _standard(among, state))

    def extend(self, state: State, features: Features, views: int = 1) -> Fit:
        """Fit anew to the patches that the state was made of, and the further ones."""
        if self.foreground:
            raise NotImplementedError("a foreground is told from all references at once; fit them anew")
        further = self.pooled(features)
        known = [_images(_raw(state, i), level) for i, level in enumerate(further)]
        return self._fit([torch.cat(both) for both in zip(known, further, strict=True)], views)

    def match(self, features: Features, state: State) -> Tensor:
        """One minus the mean over levels of the highest cosine similarity, float [B, h, w]; see `window`."""
        near = self.window > 0
        return self.masked(self._map(self._distances(self.pooled(features), state, near), state, near), features, state)

    def relate(self, features: Features, state: State) -> Tensor:
        """Distance per level, their mean, and that within the window; z-scored by the references among themselves."""
        return _standard(self._distances(self.pooled(features), state, self.near > 0), state)

    def match_and_relate(self, features: Features, state: State) -> tuple[Tensor, Tensor]:
        """Both, of one comparison."""
        near = self.near > 0
        distances = self._distances(self.pooled(features), state, near)
        return self.masked(self._map(distances, state, near), features, state), _standard(distances, state)

    def _map(self, distances: Tensor, state: State, near: bool) -> Tensor:
        """The map [n, h, w] from the distances [n, R, h, w], whose last is that within the window or not."""
        if not self.window:
            return distances[:, -2 if near else -1]
        anywhere, near = distances[:, -2], distances[:, -1]
        weight = state.get("placed", distances.new_ones(()))  # contexts made before there was one count both as much
        return (anywhere + weight * near * (state["std"][-2] / state["std"][-1])) / (1 + weight)

    def _bank(self, levels: Levels) -> State:
        """Unit-norm reference patches of each level [k * v * h_l * w_l, C_l], and how they were whitened."""
        state = {}
        for i, level in enumerate(levels):
            patches = _patches(level)
            if self.whiten:
                state[f"centre{i}"], state[f"whitening{i}"] = whitening(patches, self.whiten)
            state[f"level{i}"] = self._unit(patches, state, i)
        return state

    def _unit(self, patches: Tensor, state: State, i: int) -> Tensor:
        """Patches [P, C] of level i, whitened where asked for, of unit norm."""
        return F.normalize(self._whitened(patches, state, i), dim=1)

    def _whitened(self, patches: Tensor, state: State, i: int) -> Tensor:
        return (patches - state[f"centre{i}"]) @ state[f"whitening{i}"] if self.whiten else patches

    def _distances(self, levels: Levels, state: State, near: bool) -> Tensor:
        """Distance per level, their mean and, where it is asked for, the mean within the window, [B, R, h, w]."""
        rows = []
        for image in range(len(levels[0])):  # one at a time: a batch's results never depend on its size
            anywhere, around = [], []
            for i, level in enumerate(levels):
                (h, w), references = level.shape[-2:], state[f"level{i}"]
                patches = self._unit(_patches(level[image : image + 1]), state, i)
                anywhere.append(self._lowest(patches, references).view(h, w))
                if near:
                    radius = max(1, round(self.near * max(h, w)))
                    around.append(_lowest_near(patches.view(h, w, -1), references, radius))
                if self.own:  # half the squared distance of unit vectors is one minus their cosine
                    itself = distance_to_itself(patches, h, w).square().view(h, w) * (self.own / 2)
                    for maps in (anywhere, around)[: 1 + near]:
                        maps[-1] = torch.minimum(maps[-1], itself)
            rows.append(self._joined(anywhere, around))
        return torch.stack(rows)

    def _joined(self, anywhere: Sequence[Tensor], near: Sequence[Tensor]) -> Tensor:
        """Maps [h_l, w_l] of all levels on the finest grid with what is derived from them, [R, h, w]."""
        full, counted = _one_grid(anywhere), self.selected(len(anywhere))
        parts = [full, full[counted].mean(0, keepdim=True)]
        if near:
            parts.append(_one_grid(near)[counted].mean(0, keepdim=True))
        return torch.cat(parts)

    def _distances_among(self, levels: Levels, views: int) -> Tensor:
        """Distances of each reference (its first view) to the others, [k, R, h, w]."""
        k = len(levels[0]) // views
        if k == 1:
            state, maps = self._bank([level[:1] for level in levels]), []
            for i, level in enumerate(levels):
                size = level.shape[-2:]
                maps.append(distance_to_itself(state[f"level{i}"], *size).square().view(size) / 2)
            near = maps if self.near else []  # about the same place there is only the patch itself
            return self._joined(maps, near)[None]
        rows = []
        for j in range(k):
            others = [i for i in range(k * views) if i // views != j]
            state = self._bank([level[others] for level in levels])
            rows.append(self._distances([level[j * views : j * views + 1] for level in levels], state, self.near > 0))
        return torch.cat(rows)

    def _lowest(self, query: Tensor, references: Tensor) -> Tensor:
        """One minus the highest cosine similarity to any reference patch, [P], of unit-norm rows [P, C] and [N, C]."""
        if searching_reduced():
            return nearest(query, references)[0].square() / 2
        banks = references.split(len(query))
        parts = [torch.stack([(part @ bank.T).amax(1) for bank in banks]).amax(0) for part in query.split(self.chunk)]
        return 1 - torch.cat(parts).clamp(-1, 1)


def _lowest_near(query: Tensor, references: Tensor, radius: int) -> Tensor:
    """One minus the highest cosine similarity to a reference patch so many rows and columns away at most, [h, w].

    Args:
        query: unit-norm [h, w, C].
        references: unit-norm [n * h * w, C].
        radius: in cells.
    """
    h, w, channels = query.shape
    columns, row = torch.arange(w, device=query.device), w * channels
    far, best = (columns[:, None] - columns).abs() > radius, query.new_full((h, w), -1.0)
    for reference in references.reshape(-1, h, row):
        padded = F.pad(reference[None], (0, 0, radius, radius), mode="replicate").flatten()
        rows = padded.unfold(0, (2 * radius + 1) * row, row).view(h, -1, channels)  # the rows about each, overlapping
        similarity = (query @ rows.transpose(1, 2)).view(h, w, -1, w).amax(2)
        best = torch.maximum(best, similarity.masked_fill_(far, -1.0).amax(2))
    return 1 - best.clamp(max=1)


def _weight_of_place(quotient: Tensor) -> Tensor:
    """How much the distance at about the same place counts, by the quotient of the references' mean distances."""
    return PLACED / (1 + (KEPT / quotient) ** FALL)


def _patches(level: Tensor) -> Tensor:
    """[n, C, h, w] as rows [n * h * w, C]."""
    return level.permute(0, 2, 3, 1).flatten(0, 2)


def _images(patches: Tensor, like: Tensor) -> Tensor:
    """Rows [n * h * w, C] as [n, C, h, w], the inverse of `_patches`, of the grid of another level."""
    return patches.unflatten(0, (-1, *like.shape[-2:])).permute(0, 3, 1, 2)


def _raw(state: State, i: int) -> Tensor:
    """The reference patches [P, C] of level i that a state was made of."""
    patches = state[f"level{i}"] * state[f"length{i}"][:, None]
    if f"whitening{i}" not in state:
        return patches
    inverse = torch.linalg.inv(state[f"whitening{i}"].double())
    return (patches.double() @ inverse).to(patches) + state[f"centre{i}"]


def _one_grid(maps: Sequence[Tensor]) -> Tensor:
    """Maps [h_l, w_l] of all levels on the finest grid, [L, h, w]."""
    return torch.cat(on_finest_grid([m[None, None] for m in maps]))[:, 0]


def _standard(distances: Tensor, state: State) -> Tensor:
    """Distances [n, R, h, w], z-scored by those of the references among themselves."""
    return (distances - state["mean"][:, None, None]) / state["std"][:, None, None]
