"""Matcher: several matchers as one."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from adcore_plugins.mahalanobis import Mahalanobis
from adcore_plugins.patchcore import PatchCore
from torch import Tensor

from adcore.errors import UserError
from adcore.interfaces import Features, Fit, ReferenceMatcher, State
from adcore.lazy_sequence import LazySequence
from adcore.patch_views import ReferenceViews, first_view
from adcore.scoring import on_finest_grid


class Ensemble(ReferenceViews):
    """Mean of the maps of several matchers, weighted, each in units of its spread among the references.

    Up to a constant this is the sum of z-scores, so no matcher counts for more because its distances are larger. Their
    relations stand beside each other.
    """

    def __init__(
        self,
        matchers: list[ReferenceMatcher] | None = None,
        relation: ReferenceMatcher | None = None,
        weights: list[float] | None = None,
        **views: Any,
    ):
        """Configure the matcher.

        Args:
            matchers: what is joined; by default a nearest neighbour and a Mahalanobis distance, which fail differently.
            relation: the matcher that offers the relation for a head to read, and makes no map here; by default all
                `matchers` do. It compares with the references as they are, without further views.
            weights: how much each of the `matchers` counts in the mean, more than 0; by default all the same.
            **views: settings of `adcore.patch_views.ReferenceViews`, made here for all `matchers` alike.
        """
        super().__init__(**views)
        self.matchers = matchers if matchers is not None else [PatchCore(), Mahalanobis()]
        if not self.matchers:
            raise UserError("matcher.matchers: names none; name at least one, e.g. [patchcore, mahalanobis]")
        self.weights = [1.0] * len(self.matchers) if weights is None else weights
        if len(self.weights) != len(self.matchers) or not all(0 < weight < math.inf for weight in self.weights):
            raise UserError(
                f"matcher.weights: {weights} must be a number above 0 for each of the {len(self.matchers)} matchers"
            )
        self.relation = relation
        for matcher in self._all():
            turned = getattr(matcher, "rotations", 1) != 1 or "rotations" in getattr(matcher, "automatic", ())
            if turned or getattr(matcher, "flips", False):
                raise UserError("matcher.matchers: rotations and flips belong to the ensemble, not to its matchers")
        self.relations = sum(matcher.relations for matcher in self._relating() or self.matchers)
        self.residuals = relation.residuals if relation else 0

    def choices(self) -> dict[str, tuple[Any, ...]]:
        """Its own, and those of its matchers, alike for all that leave the same setting open."""
        found = super().choices()
        for matcher in self._all():
            found = {**matcher.choices(), **found}
        return found

    def without_relation(self) -> ReferenceMatcher:
        """A copy that leaves out the matcher that only relates."""
        twin = copy.copy(self)
        twin.relation = None
        return twin

    def at_half_resolution(self) -> ReferenceMatcher:
        """A copy with matchers that are."""
        twin = copy.copy(self)
        twin.matchers = [matcher.at_half_resolution() for matcher in self.matchers]
        twin.relation = self.relation.at_half_resolution() if self.relation else None
        return twin

    def chosen(self, values: Mapping[str, Any]) -> ReferenceMatcher:
        """A copy of matchers with these values; one takes the candidate of its own at the same place."""
        twin = copy.copy(self)
        own = super().choices()
        twin.rotations = values.get("rotations", self.rotations) if own else self.rotations
        open_ = self.choices()
        places = {name: open_[name].index(value) for name, value in values.items()}

        def decided(matcher: ReferenceMatcher) -> ReferenceMatcher:
            return matcher.chosen({name: values_[places.get(name, 0)] for name, values_ in matcher.choices().items()})

        twin.matchers = [decided(matcher) for matcher in self.matchers]
        twin.relation = decided(self.relation) if self.relation else None
        return twin

    def fit(self, features: Features, views: int = 1) -> Fit:
        """Fit each matcher."""
        upright = tuple(level[::views] for level in features)
        return self._fit(
            [
                *(matcher.fit(features, views) for matcher in self.matchers),
                *(matcher.fit(upright) for matcher in self._relating()),
            ]
        )

    def fit_stream(self, references: Sequence[Features]) -> Fit:
        """Fit each matcher, one after another."""
        upright = LazySequence(first_view, references)
        return self._fit(
            [
                *(matcher.fit_stream(references) for matcher in self.matchers),
                *(matcher.fit_stream(upright) for matcher in self._relating()),
            ]
        )

    def _relating(self) -> list[ReferenceMatcher]:
        """The matcher that relates for all, if one does."""
        return [] if self.relation is None else [self.relation]

    def _all(self) -> list[ReferenceMatcher]:
        return [*self.matchers, *self._relating()]

    def _fit(self, fits: Sequence[Fit]) -> Fit:
        judged = min((fit.judged for fit in fits if fit.judged is not None), key=len, default=None)
        fits = [fit.of(judged) for fit in fits]
        state: State = {}
        for i, fit in enumerate(fits):
            state |= {f"{i}.{key}": value for key, value in fit.state.items()}
        for i, fit in enumerate(fits[: len(self.matchers)]):
            state[f"spread{i}"] = fit.among.std(correction=0).clamp_min(1e-6)
        relating = fits[len(self.matchers) :] or fits
        relations = [fit.relation for fit in relating if fit.relation is not None]
        return Fit(
            state,
            self._joined([fit.among for fit in fits[: len(self.matchers)]], state),
            torch.cat(on_finest_grid(relations), 1) if relations else None,
            judged,
            fits[-1].residual if self.relation else None,
        )

    def match(self, features: Features, state: State) -> Tensor:
        """Mean over the matchers of the map divided by its spread, float [B, h, w]."""
        parts = self._parts(state)[: len(self.matchers)]
        return self._joined([m.match(features, part) for m, part in parts], state)

    def relate(self, features: Features, state: State) -> Tensor:
        """The relation of `relation`, else of all matchers, float [B, R, h, w]."""
        parts = self._parts(state)[len(self.matchers) if self.relation else 0 :]
        return torch.cat(on_finest_grid([m.relate(features, part) for m, part in parts if m.relations]), 1)

    def match_and_relate(self, features: Features, state: State) -> tuple[Tensor, Tensor]:
        """Both, of one comparison by each matcher that relates."""
        if self.relation is not None:
            return super().match_and_relate(features, state)
        maps, relations = [], []
        for matcher, part in self._parts(state):
            if matcher.relations:
                heat, relation = matcher.match_and_relate(features, part)
                relations.append(relation)
            else:
                heat = matcher.match(features, part)
            maps.append(heat)
        return self._joined(maps, state), torch.cat(on_finest_grid(relations), 1)

    def residual(self, features: Features, state: State) -> Tensor:
        """The residual of `relation`, float [B, S, h, w]."""
        if self.relation is None:
            return super().residual(features, state)
        matcher, part = self._parts(state)[-1]
        return matcher.residual(features, part)

    def _parts(self, state: State) -> list[tuple[ReferenceMatcher, State]]:
        return [
            (matcher, {key.removeprefix(f"{i}."): value for key, value in state.items() if key.startswith(f"{i}.")})
            for i, matcher in enumerate(self._all())
        ]

    def _joined(self, maps: list[Tensor], state: State) -> Tensor:
        scaled = [heat[:, None] / state[f"spread{i}"] for i, heat in enumerate(maps)]
        shares = torch.tensor(self.weights).to(scaled[0]) / sum(self.weights)
        return (torch.cat(on_finest_grid(scaled), 1) * shares[:, None, None]).sum(1)
