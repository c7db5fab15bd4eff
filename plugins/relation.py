"""Matcher: how patches differ from the references, in numbers that mean the same for every product and backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.comparison import SCALES, Grids, Nearness, Scales, nearness
from adcore.errors import UserError
from adcore.folds import content, evenly, evenly_chosen
from adcore.interfaces import Features, Fit, State
from adcore.patch_views import PatchViews, first_view
from adcore.whitening import whitening_matrix

CHANNELS = (
    *(f"nearest{scale}" for scale in range(SCALES)),
    "nearest",
    *(f"whitened{scale}" for scale in range(SCALES)),
    "whitened",
    *(f"itself{scale}" for scale in range(SCALES)),
    "itself",
    "placed",
    "usual",
    "matched",
)
"""What the channels of the relation hold, in their order; see `Relation`."""

NEAREST, WHITENED = CHANNELS.index("nearest"), CHANNELS.index("whitened")


class Relation(PatchViews):
    """Fifteen distances of each patch to the references, each z-scored by the references among themselves.

    For a head that learns to compare: as the numbers are few, scalar and on one scale, a head trained on some products
    and one backbone serves others. Three scales are compared whatever the number of the backbone's levels. The
    channels, `scale` 0 to 2 from fine to coarse:

    - ``nearest<scale>``: cosine distance to the most similar reference patch; ``nearest``: over all scales at once.
    - ``whitened<scale>``, ``whitened``: Mahalanobis distance to the mean of the reference patches.
    - ``itself<scale>``, ``itself``: cosine distance to the most similar patch elsewhere in the image itself.
    - ``placed``: cosine distance to the most similar reference patch at about the same place.
    - ``usual``: what ``nearest`` is at this place in the references themselves.
    - ``matched``: what it is for the very reference patch that the patch is most similar to.

    The matcher's own map is the mean of ``nearest`` and ``whitened``, each in units of its spread. Sources: residual
    features that carry over between classes (InCTRL, Zhu and Pang, CVPR 2024; ResAD, Yao et al., NeurIPS 2024), with
    distances in place of vectors; Mahalanobis distance as in PaDiM (Defard et al., ICPR 2021).
    """

    relations = len(CHANNELS)

    def __init__(
        self,
        channels: tuple[int, ...] = (),
        shrinkage: float = 0.05,
        window: float = 0.06,
        most: int = 16,
        **views: Any,
    ):
        """Configure the matcher.

        Args:
            channels: of the backbone's levels (handed over by the runner).
            shrinkage: share of the mean variance that is added to the diagonal of covariances.
            window: what counts as about the same place, as a share of the image's longer side.
            most: references that are compared with; of more, an even choice.
            **views: settings of `adcore.patch_views.PatchViews`; the neighbourhood is 1 unless given.
        """
        super().__init__(**{"neighbourhood": 1, **views})
        if not shrinkage > 0 or not 0 < window < 1 or most < 1:
            raise UserError(
                f"matcher.shrinkage ({shrinkage}) must be above 0, matcher.window ({window}) between 0 and 1 and "
                f"matcher.most ({most}) at least 1"
            )
        self.shrinkage = shrinkage
        self.window = window
        self.most = most
        counts = [channels[i] for i in self.selected(len(channels))] if channels else []
        self.residuals = sum(counts[i] for i in _picked(len(counts))) if counts else 0

    def fit(self, features: Features, views: int = 1) -> Fit:
        """Keep the patches of the references, their covariances, and what they look like to each other."""
        k = len(features[0]) // views
        return self.fit_stream([tuple(level[i * views : (i + 1) * views] for level in features) for i in range(k)])

    def fit_stream(self, references: Sequence[Features]) -> Fit:
        """As `fit`; no more than `most` references are looked at."""
        chosen: Sequence[int] = range(len(references))
        if len(references) > self.most:
            chosen = evenly(evenly_chosen([content(reference) for reference in references]), self.most)
        pyramids = [references[place] for place in chosen]
        patches, grids = [self._patches(pyramid) for pyramid in pyramids], self._grids(pyramids[0])
        moments = [[_moments(rows) for rows in _with_joint(views, grids)] for views in patches]
        found, distances = [], []
        for j, views in enumerate(patches):
            others = [i for i in range(len(patches)) if i != j]
            found.append(nearness(views[0], [view for i in others for view in patches[i]], grids))
            white = self._whitenings([moments[i] for i in others or [j]])
            distances.append(_distances(views[0], found[-1], white, grids))
        among = torch.stack(distances)  # [m, channels - 2, h, w]
        state = self._whitenings(moments)
        for scale, rows in enumerate(zip(*(view for views in patches for view in views), strict=True)):
            state[f"scale{scale}"] = torch.stack(rows)  # [m * views, P, C]
        nearest = among[:, NEAREST]
        state["usual"] = nearest.mean(0)
        state["among"] = self._turned(nearest, len(patches[0]))
        relation = torch.stack([self._among(j, found[j], among, state["among"]) for j in range(len(found))])
        like = [*range(len(CHANNELS) - 2), NEAREST, NEAREST]  # the last two tell `nearest` of other patches
        state["mean"] = relation.mean((0, 2, 3))[like]
        state["std"] = relation.std((0, 2, 3), correction=0).clamp_min(1e-6)[like]
        state |= self.learn_foreground(pyramids)
        maps = self._map(among, state).split(1)
        maps = torch.cat([self.masked(one, first_view(p), state) for one, p in zip(maps, pyramids, strict=True)])
        judged = None if len(chosen) == len(references) else tuple(chosen)
        left = [
            _residual(patches[j][0], near, [view for i, views in enumerate(patches) if i != j for view in views], grids)
            for j, near in enumerate(found)
        ]
        return Fit(state, maps, _standard(relation, state), judged, torch.stack(left))

    def match(self, features: Features, state: State) -> Tensor:
        """Mean of ``nearest`` and ``whitened`` in units of their spread, float [B, h, w]."""
        return self.match_and_relate(features, state)[0]

    def relate(self, features: Features, state: State) -> Tensor:
        """The channels, z-scored, float [B, 15, h, w]."""
        return self.match_and_relate(features, state)[1]

    def match_and_relate(self, features: Features, state: State) -> tuple[Tensor, Tensor]:
        """Both, of one comparison."""
        distances = self._compared(features, state)
        return self.masked(self._map(distances, state), features, state), _standard(distances, state)

    def residual(self, features: Features, state: State) -> Tensor:
        """Unit-norm features of all scales less those of the most similar reference patch, float [B, S, h, w]."""
        references, grids = _references(state), self._grids(features)
        images = self._patches(features)
        return torch.stack(
            [_residual(image, nearness(image, references, grids), references, grids) for image in images]
        )

    def _compared(self, features: Features, state: State) -> Tensor:
        """All channels, as distances [B, R, h, w]."""
        references, grids, images = _references(state), self._grids(features), []
        for patches in self._patches(features):
            found = nearness(patches, references, grids)
            matched = state["among"].flatten()[found.match]
            distances = _distances(patches, found, state, grids)
            images.append(torch.cat([distances, torch.stack([state["usual"], matched])]))
        return torch.stack(images)

    def _among(self, j: int, found: Nearness, among: Tensor, turned: Tensor) -> Tensor:
        """All channels of reference j beside the others, as an unseen image would have them, [R, h, w]."""
        nearest = among[:, NEAREST]
        if len(among) == 1:  # there is no other by which to say what is usual
            return torch.cat([among[j], nearest.mean().expand(2, *nearest.shape[1:])])
        views = len(turned) // len(among)
        rest = torch.arange(len(among)) != j
        others = turned.unflatten(0, (len(among), views))[rest.to(turned.device)]
        return torch.cat([among[j], torch.stack([others[:, 0].mean(0), others.flatten()[found.match]])])

    def _map(self, distances: Tensor, state: State) -> Tensor:
        """The matcher's own map [n, h, w] from the channels [n, R, h, w]."""
        spread = state["std"][[NEAREST, WHITENED], None, None]
        return (distances[:, [NEAREST, WHITENED]] / spread).mean(1)

    def _turned(self, maps: Tensor, views: int) -> Tensor:
        """Maps [m, h, w] of references as each of their views has them, [m * views, h, w]."""
        turned = self.augment(maps[:, None].expand(-1, 3, -1, -1))[:, 0]
        return turned if len(turned) == len(maps) * views else maps.repeat_interleave(views, 0)  # views of another kind

    def _scales(self, features: Features) -> list[Tensor]:
        """The levels that stand for the scales, unit-norm, [n, C_s, h_s, w_s]."""
        pooled = self.pooled(features)
        levels = [pooled[i] for i in self.selected(len(pooled))]
        return [F.normalize(levels[i], dim=1) for i in _picked(len(levels))]

    def _grids(self, features: Features) -> Grids:
        sizes = tuple((level.shape[-2], level.shape[-1]) for level in self._scales(tuple(f[:1] for f in features)))
        return Grids(sizes, max(1, round(self.window * max(map(max, sizes)))))

    def _patches(self, features: Features) -> list[Scales]:
        """Of each image."""
        rows = [level.flatten(2).transpose(1, 2).contiguous() for level in self._scales(features)]
        return [list(image) for image in zip(*rows, strict=True)]

    def _whitenings(self, moments: Sequence[Sequence[State]]) -> State:
        """Mean and whitening matrix by scale and jointly, from the moments of several references."""
        state = {}
        for i, parts in enumerate(zip(*moments, strict=True)):
            total = {key: torch.stack([part[key] for part in parts]).sum(0) for key in parts[0]}
            mean = total["sum"] / total["count"]
            covariance = total["products"] / total["count"] - mean[:, None] * mean
            state[f"mean{i}"] = mean.float()
            state[f"whitening{i}"] = whitening_matrix(covariance, self.shrinkage).float()
        return state


def _picked(levels: int) -> list[int]:
    """Which of so many levels stand for the scales."""
    return [round(i * (levels - 1) / (SCALES - 1)) for i in range(SCALES)]


def _references(state: State) -> list[Scales]:
    """The patches of all references that a state holds."""
    return [list(scales) for scales in zip(*(state[f"scale{i}"] for i in range(SCALES)), strict=True)]


def _residual(image: Scales, found: Nearness, references: Sequence[Scales], grids: Grids) -> Tensor:
    """Features less those of the matched patch, [S, h, w]; the image's own match where there is no reference."""
    h, w = grids.finest
    bank = torch.stack([grids.joined(reference) for reference in references or [image]])
    return (grids.joined(image) - bank.flatten(0, 1)[found.match.flatten()]).T.reshape(-1, h, w)


def _with_joint(views: Sequence[Scales], grids: Grids) -> list[Tensor]:
    """Patches of all views by scale, and all scales jointly, [P, C] each."""
    return [torch.cat(rows) for rows in zip(*([*view, grids.joined(view)] for view in views), strict=True)]


def _moments(patches: Tensor) -> State:
    """Count, sum and sum of products of patches [P, C], in double precision."""
    x = patches.double()
    return {"count": x.new_tensor(len(x)), "sum": x.sum(0), "products": x.T @ x}


def _distances(patches: Scales, found: Nearness, white: State, grids: Grids) -> Tensor:
    """The channels that need nothing of other images' maps, [R - 2, h, w]."""
    rows = [*patches, grids.joined(patches)]
    whitened = [((x - white[f"mean{i}"]) @ white[f"whitening{i}"]).norm(dim=1) for i, x in enumerate(rows)]
    scales = torch.stack([grids.enlarged(values, i) for i, values in enumerate(whitened[:-1])])
    joint = whitened[-1].view(1, *grids.finest)
    own = [found.own_scales, found.own_joint[None], found.placed[None]]
    return torch.cat([found.scales, found.joint[None], scales, joint, *own])


def _standard(distances: Tensor, state: State) -> Tensor:
    """Distances [n, R, h, w], z-scored by those of the references among themselves."""
    return (distances - state["mean"][:, None, None]) / state["std"][:, None, None]
