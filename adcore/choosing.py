"""Settings that a recipe leaves open (``auto``), chosen for each context from its references alone.

References judged by the others stand for normal images, the same with a simulated defect for anomalous ones. The
better a candidate tells them apart, and the better its maps point at the defects, the higher its merit. Settings are
decided one after another; one leaves its first candidate only for a gain of at least `MARGIN`. Simulated defects say
nothing of orientation: rotated references are used where a turned reference could pass as a normal one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.folds import evenly
from adcore.interfaces import Features, ReferenceMatcher, State, Synthesizer
from adcore.scoring import Reduction, enlarge

MARGIN = 0.05
"""Gain in merit for which a setting leaves its plain candidate; few references cannot tell less from chance."""

UPRIGHT = 0.95
"""Separation of turned references from upright ones from which on orientation is taken as part of what is normal."""

MOST_REFERENCES = 6
"""References that evidence is taken from."""

DEFECTS = 3
"""Simulated defects on each of them."""

REDUCTIONS = ("top1%", "max", "top5%")
"""Candidates of an open score reduction, the plain one first."""

CHOSEN = "chosen"
"""Name, in a matcher's state, of the candidates chosen: int [settings], in the order of `ReferenceMatcher.choices`."""


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


@dataclass(frozen=True)
class Choice:
    """What was chosen for a context, and why.

    Attributes:
        values: of the matcher's open settings.
        score: the score reduction, or None where the recipe names one.
        trials: every candidate looked at; none where there was too little to choose by.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    score: str | None = None
    trials: tuple[Trial, ...] = ()

    def record(self) -> list[dict[str, Any]]:
        """The trials as plain data."""
        return [asdict(trial) for trial in self.trials]


def encode(matcher: ReferenceMatcher, values: Mapping[str, Any]) -> State:
    """What a matcher's state keeps of the values chosen; nothing where no setting is open."""
    choices = matcher.choices()
    if not choices:
        return {}
    places = [list(candidates).index(values.get(name, candidates[0])) for name, candidates in choices.items()]
    return {CHOSEN: torch.tensor(places)}


def as_chosen(matcher: ReferenceMatcher, state: State) -> ReferenceMatcher:
    """The matcher with the values that a state was fitted with."""
    if CHOSEN not in state:
        return matcher
    places = zip(matcher.choices().items(), state[CHOSEN].tolist(), strict=True)
    return matcher.chosen({name: candidates[place] for (name, candidates), place in places})


class Evidence:
    """References without and with simulated defects, seen by the backbone once; for one context."""

    def __init__(
        self,
        references: Sequence[Tensor],
        synthesizers: Sequence[Synthesizer],
        extract: Callable[[Tensor], Features],
        enlarged: tuple[tuple[int, int], float],
    ):
        """Simulate.

        Args:
            references: float [3, H, W] each.
            synthesizers: make the defects, in turn.
            extract: pyramid of one image, [1, C_l, H_l, W_l].
            enlarged: size and smoothing of the maps that scores are taken from.
        """
        self._extract = extract
        self._enlarged = enlarged
        self.references = evenly(sorted(references, key=_digest), MOST_REFERENCES)  # their order must not matter
        self._views: dict[tuple[int, int], Features] = {}
        self.queries: list[Features] = []
        self.masks: list[Tensor | None] = []
        self.owner: list[int] = []
        for place, image in enumerate(self.references):
            self._add(place, image, None)
            generator = torch.Generator().manual_seed(int(_digest(image)[:8], 16))
            source = self.references[(place + 1) % len(self.references)]
            for turn in range(DEFECTS):
                synthesizer = synthesizers[(place + turn) % len(synthesizers)]
                changed, mask = synthesizer.synthesize(image.cpu(), source.cpu(), generator)
                if mask.amax() > 0.5:
                    self._add(place, changed.to(image.device), mask)

    @property
    def enough(self) -> bool:
        """Whether there is anything to compare: two references, and a defect."""
        return len(self.references) > 1 and any(mask is not None for mask in self.masks)

    @cached_property
    def turned(self) -> list[list[Features]]:
        """Features of each reference turned by quarter turns; looked at only where rotations are open."""
        return [[_halved(self._extract(view[None])) for view in _quarter_turns(image)] for image in self.references]

    def maps(self, matcher: ReferenceMatcher) -> Tensor:
        """Maps [n, h, w] of all images, with and without defects, each judged by the other references."""
        found: list[Tensor] = []
        for place in range(len(self.references)):
            state = self._state(place, matcher)
            own = [query for query, owner in zip(self.queries, self.owner, strict=True) if owner == place]
            found += [matcher.match(query, state) for query in own]
        return torch.cat(found)

    def trial(self, setting: str, value: Any, maps: Tensor, score: Reduction) -> Trial:
        """How well maps of all images tell which of them have a defect, and where."""
        scores = score(enlarge(maps, *self._enlarged))
        bad = torch.tensor([mask is not None for mask in self.masks])
        separation = _separation(scores[bad], scores[~bad])
        found = [_average_precision(m, mask) for m, mask in zip(maps, self.masks, strict=True) if mask is not None]
        localisation = float(np.mean(found))
        told = f"tells simulated defects apart at {separation:.2f}, points at them at {localisation:.2f}"
        return Trial(setting, value, (separation + localisation) / 2, told)

    def orientation(self, matcher: ReferenceMatcher, score: Reduction) -> float:
        """How well turned references are told from upright ones, each judged by the others."""
        upright, turned = [], []
        for place, views in enumerate(self.turned):
            state = self._state(place, matcher)
            first = self.queries[self.owner.index(place)]
            maps = torch.cat([matcher.match(features, state) for features in (first, *views)])
            scores = score(enlarge(maps, *self._enlarged))
            upright.append(scores[:1])
            turned.append(scores[1:])
        return _separation(torch.cat(turned), torch.cat(upright))

    def _state(self, place: int, matcher: ReferenceMatcher) -> State:
        """What all references but one teach."""
        others = [self._seen(other, matcher) for other in range(len(self.references)) if other != place]
        return matcher.fit_stream(others).state

    def _add(self, place: int, image: Tensor, mask: Tensor | None) -> None:
        self.queries.append(_halved(self._extract(image[None])))
        self.masks.append(mask)
        self.owner.append(place)

    def _seen(self, place: int, matcher: ReferenceMatcher) -> Features:
        """Features of all views of a reference; what views there are is told by their number."""
        views = matcher.augment(self.references[place][None])
        if (place, len(views)) not in self._views:
            pyramids = [self._extract(view[None]) for view in views]
            joined = tuple(torch.cat(level) for level in zip(*pyramids, strict=True))
            self._views[place, len(views)] = _halved(joined)
        return self._views[place, len(views)]


def choose(matcher: ReferenceMatcher, evidence: Evidence, score: Reduction | None) -> Choice:
    """Decide a matcher's open settings, and the score reduction where that is open too.

    Args:
        matcher: as the recipe has it.
        evidence: of the context.
        score: the recipe's reduction, or None where it is to be chosen.
    """
    plain = {name: candidates[0] for name, candidates in matcher.choices().items()}
    if not evidence.enough:
        return Choice(plain, REDUCTIONS[0] if score is None else None)
    by = score or Reduction.parse(REDUCTIONS[0])
    values, trials = dict(plain), list[Trial]()
    maps = evidence.maps(matcher.chosen(values))
    for name, candidates in matcher.choices().items():
        if name == "rotations":
            tried = _rotations(candidates, evidence.orientation(matcher.chosen(values), by))
            values[name] = next(trial.value for trial in tried if trial.taken)
            trials += tried
            if values[name] != candidates[0]:
                maps = evidence.maps(matcher.chosen(values))
            continue
        seen = [(evidence.trial(name, candidates[0], maps, by), maps)]
        for candidate in candidates[1:]:
            others = evidence.maps(matcher.chosen(values | {name: candidate}))
            seen.append((evidence.trial(name, candidate, others, by), others))
        best = _best([trial for trial, _ in seen])
        values[name], maps = candidates[best], seen[best][1]
        trials += _marked([trial for trial, _ in seen], best)
    if score is not None:
        return Choice(values, None, tuple(trials))
    seen_scores = [evidence.trial("score", text, maps, Reduction.parse(text)) for text in REDUCTIONS]
    best = _best(seen_scores)
    return Choice(values, REDUCTIONS[best], (*trials, *_marked(seen_scores, best)))


def _rotations(candidates: Sequence[Any], orientation: float) -> list[Trial]:
    """The first candidate (none) where turned references stand out, else the second."""
    told = f"turned references stand out from upright ones at {orientation:.2f}, upright counts from {UPRIGHT} on"
    merits = orientation, UPRIGHT
    return _marked(
        [Trial("rotations", value, merit, told) for value, merit in zip(candidates, merits, strict=False)],
        0 if orientation >= UPRIGHT else 1,
    )


def _best(trials: Sequence[Trial]) -> int:
    """The candidate of most merit; the first where none is better by the margin."""
    best = max(range(len(trials)), key=lambda i: trials[i].merit)
    return best if trials[best].merit >= trials[0].merit + MARGIN else 0


def _marked(trials: Sequence[Trial], best: int) -> list[Trial]:
    return [replace(trial, taken=i == best) for i, trial in enumerate(trials)]


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


def _halved(features: Features) -> Features:
    """A pyramid at half its resolution: a sixteenth of the comparisons, which is enough to choose by."""
    return tuple(F.avg_pool2d(level, 2, ceil_mode=True) if min(level.shape[-2:]) > 1 else level for level in features)


def _digest(image: Tensor) -> str:
    return hashlib.sha256(image.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
