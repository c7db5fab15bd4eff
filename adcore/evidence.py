"""What speaks for a setting: references judged by the others, with and without simulated defects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.background import mapped
from adcore.folds import evenly
from adcore.interfaces import Features, ReferenceMatcher, State, Synthesizer
from adcore.reference_features import digest
from adcore.scoring import Reduction, enlarge

MOST_REFERENCES = 6
"""References that evidence is taken from."""

DEFECTS = 3
"""Simulated defects on each of them."""


@dataclass(frozen=True)
class Trial:
    """What speaks for one candidate of a setting.

    Attributes:
        setting: its name.
        value: the candidate.
        merit: grows with what speaks for it; comparable between the candidates of a setting.
        evidence: what was seen, in words.
        taken: whether it was chosen.
    """

    setting: str
    value: Any
    merit: float
    evidence: str
    taken: bool = False


class Judged(NamedTuple):
    """What a matcher says of all images.

    Attributes:
        matcher: with all of its settings decided.
        states: for each reference, what the others teach.
        maps: float [n, h, w] of all images.
    """

    matcher: ReferenceMatcher
    states: Sequence[State]
    maps: Tensor


class Evidence:
    """References without and with simulated defects, seen by the backbone once; for one context."""

    def __init__(
        self,
        references: Sequence[Tensor],
        synthesizers: Sequence[Synthesizer],
        extract: Callable[[Tensor], Features],
        enlarged: tuple[tuple[int, int], float],
        threads: int = 1,
    ):
        """Simulate.

        Args:
            references: float [3, H, W] each.
            synthesizers: make the defects, in turn; none where nothing is chosen by them.
            extract: pyramid of one image, [1, C_l, H_l, W_l].
            enlarged: size and smoothing of the maps that scores are taken from.
            threads: that compute.
        """
        self._extract = extract
        self._enlarged = enlarged
        self._threads = threads
        self.references = evenly(sorted(references, key=digest), MOST_REFERENCES)  # their order must not matter
        images: list[Tensor] = []
        self.masks: list[Tensor | None] = []
        self.owner: list[int] = []
        for place, image in enumerate(self.references):
            for shown, mask in [(image, None), *self._simulated(place, synthesizers)]:
                images.append(shown)
                self.masks.append(mask)
                self.owner.append(place)
        self.queries = mapped(self._coarse, images, threads)

    @property
    def defects(self) -> int:
        """How many images have a simulated defect."""
        return sum(mask is not None for mask in self.masks)

    @cached_property
    def turned(self) -> list[list[Features]]:
        """Features of each reference turned by quarter turns; looked at only where rotations are open."""
        turns = [_quarter_turns(image) for image in self.references]
        found = iter(mapped(self._coarse, [view for views in turns for view in views], self._threads))
        return [[next(found) for _ in views] for views in turns]

    def judged(self, matcher: ReferenceMatcher) -> Judged:
        """All images, with and without defects, each judged by the other references; by the map alone."""
        matcher, places = matcher.without_relation().at_half_resolution(), range(len(self.references))
        seen = [self._seen(place, matcher) for place in places]

        def by_others(place: int) -> tuple[State, Tensor]:
            state = matcher.fit_stream([seen[other] for other in places if other != place]).state
            own = [query for query, owner in zip(self.queries, self.owner, strict=True) if owner == place]
            return state, torch.cat([matcher.match(query, state) for query in own])

        states, maps = zip(*mapped(by_others, places, self._threads), strict=True)
        return Judged(matcher, states, torch.cat(maps))

    def trial(self, setting: str, value: Any, maps: Tensor, score: Reduction) -> Trial:
        """How well maps of all images tell which of them have a defect, and where."""
        scores = score(enlarge(maps, *self._enlarged))
        bad = torch.tensor([mask is not None for mask in self.masks])
        separation = _separation(scores[bad], scores[~bad])
        found = [_average_precision(m, mask) for m, mask in zip(maps, self.masks, strict=True) if mask is not None]
        localisation = float(np.mean(found))
        told = f"tells simulated defects apart at {separation:.2f}, points at them at {localisation:.2f}"
        return Trial(setting, value, (separation + localisation) / 2, told)

    def orientation(self, judged: Judged, score: Reduction) -> float:
        """How well turned references are told from upright ones, each judged by the others."""
        turned = self.turned

        def scores(place: int) -> Tensor:
            upright = judged.maps[self.owner.index(place)][None]
            maps = [judged.matcher.match(features, judged.states[place]) for features in turned[place]]
            return score(enlarge(torch.cat([upright, *maps]), *self._enlarged))

        found = torch.stack(mapped(scores, range(len(self.references)), self._threads))  # [k, 1 + turns]
        return _separation(found[:, 1:].flatten(), found[:, 0])

    def _simulated(self, place: int, synthesizers: Sequence[Synthesizer]) -> list[tuple[Tensor, Tensor]]:
        """A reference with each of its defects, and where that is."""
        image, source = self.references[place], self.references[(place + 1) % len(self.references)]
        generator, found = torch.Generator().manual_seed(int(digest(image)[:8], 16)), []
        for turn in range(DEFECTS if synthesizers else 0):
            synthesizer = synthesizers[(place + turn) % len(synthesizers)]
            changed, mask = synthesizer.synthesize(image.cpu(), source.cpu(), generator)
            if mask.amax() > 0.5:
                found.append((changed.to(image.device), mask))
        return found

    def _seen(self, place: int, matcher: ReferenceMatcher) -> Features:
        """Features of all views of a reference."""
        views = mapped(self._coarse, [*matcher.augment(self.references[place][None])], self._threads)
        return tuple(torch.cat(level) for level in zip(*views, strict=True))

    def _coarse(self, image: Tensor) -> Features:
        """A pyramid at half its resolution: a sixteenth of the comparisons, which is enough to choose by."""
        return tuple(
            F.avg_pool2d(level, 2, ceil_mode=True) if min(level.shape[-2:]) > 1 else level
            for level in self._extract(image[None])
        )


def _separation(high: Tensor, low: Tensor) -> float:
    """Chance that one of the `high` scores exceeds one of the `low` ones, were both normally distributed."""
    high, low = high.double(), low.double()
    spread = (high.var(correction=0) + low.var(correction=0)).sqrt().clamp_min(1e-12)
    return float(torch.special.ndtr((high.mean() - low.mean()) / spread))


def _quarter_turns(image: Tensor) -> list[Tensor]:
    """The image [3, H, W] turned by quarter turns; by a half turn only where H and W differ."""
    turns = (1, 2, 3) if image.shape[-1] == image.shape[-2] else (2,)
    return [image.rot90(turn, (-2, -1)) for turn in turns]


def _average_precision(heat: Tensor, mask: Tensor) -> float:
    """Of the cells of a map [h, w], where a mask [H, W] covers half of them or, of a small defect, most."""
    from adcore.metrics.image import rank  # here: what leaves nothing open need not wait for scipy

    cover = F.adaptive_avg_pool2d(mask[None, None].to(heat), (heat.shape[0], heat.shape[1]))[0, 0]
    truth = cover >= min(0.5, float(cover.amax()))
    return rank(heat.flatten().double().cpu().numpy(), truth.flatten().cpu().numpy()).average_precision()
