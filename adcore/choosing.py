"""Settings that a recipe leaves open (``auto``), chosen for each context from its references alone.

References judged by the others stand for normal images, the same with a simulated defect for anomalous ones. The
better a candidate tells them apart, and the better its maps point at the defects, the higher its merit. Settings are
decided one after another; one leaves its first candidate only for a gain of at least `MARGIN`. Simulated defects say
nothing of orientation: rotated references are used where a turned reference could pass as a normal one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from adcore.evidence import Evidence, Trial
from adcore.interfaces import ReferenceMatcher, State
from adcore.scoring import Reduction

MARGIN = 0.05
"""Gain in merit for which a setting leaves its plain candidate; few references cannot tell less from chance."""

UPRIGHT = 0.95
"""Separation of turned references from upright ones from which on orientation is taken as part of what is normal."""

REDUCTIONS = ("top1%", "max", "top5%")
"""Candidates of an open score reduction, the plain one first."""

TURNED = "rotations"
"""The setting that is chosen by turned references and not by simulated defects."""

CHOSEN = "chosen"
"""Name, in a matcher's state, of the candidates chosen: int [settings], in the order of `ReferenceMatcher.choices`."""


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


def needs_defects(matcher: ReferenceMatcher | None, open_score: bool) -> bool:
    """Whether what is left open is chosen by simulated defects."""
    return open_score or (matcher is not None and any(name != TURNED for name in matcher.choices()))


def choose(matcher: ReferenceMatcher, evidence: Evidence, score: Reduction | None) -> Choice:
    """Decide a matcher's open settings, and the score reduction where that is open too.

    Args:
        matcher: as the recipe has it.
        evidence: of the context.
        score: the recipe's reduction, or None where it is to be chosen.
    """
    plain = {name: candidates[0] for name, candidates in matcher.choices().items()}
    if len(evidence.references) < 2 or (needs_defects(matcher, score is None) and not evidence.defects):
        return Choice(plain, REDUCTIONS[0] if score is None else None)
    by = score or Reduction.parse(REDUCTIONS[0])
    values, trials = dict(plain), list[Trial]()
    judged = evidence.judged(matcher.chosen(values))
    for name, candidates in matcher.choices().items():
        if name == TURNED:
            tried = _rotations(candidates, evidence.orientation(judged, by))
            values[name] = next(trial.value for trial in tried if trial.taken)
            trials += tried
            if values[name] != candidates[0] and evidence.defects:
                judged = evidence.judged(matcher.chosen(values))
            continue
        seen = [(evidence.trial(name, candidates[0], judged.maps, by), judged)]
        for candidate in candidates[1:]:
            other = evidence.judged(matcher.chosen(values | {name: candidate}))
            seen.append((evidence.trial(name, candidate, other.maps, by), other))
        best = _best([trial for trial, _ in seen])
        values[name], judged = candidates[best], seen[best][1]
        trials += _marked([trial for trial, _ in seen], best)
    if score is not None:
        return Choice(values, None, tuple(trials))
    seen_scores = [evidence.trial("score", text, judged.maps, Reduction.parse(text)) for text in REDUCTIONS]
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
