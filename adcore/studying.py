"""References looked at: what the matcher and the head make of them before any image is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from adcore.branches import Maps, one_grid, told_of_images
from adcore.choosing import Choice, choose, encode, needs_defects
from adcore.contrastive import contrastive_map, distance, prototypes, prototypes_of_others
from adcore.evidence import MOST_REFERENCES, Evidence
from adcore.folds import MOST_JUDGED, content, evenly_chosen
from adcore.gate import Gate, gate_threshold
from adcore.interfaces import Features, Fit, HeadOutput, ReferenceMatcher, State
from adcore.nearest import searching_in
from adcore.reference_features import ReferenceFeatures, Remembered
from adcore.scoring import Reduction

if TYPE_CHECKING:
    from adcore.detector import Detector

Extract = Callable[[Tensor], Features]
"""Makes the pyramid of one image, [1, 3, H, W]."""


@dataclass(frozen=True)
class Fitted:
    """What the references alone say.

    Attributes:
        matcher: the matcher's state.
        prototypes: the head's embeddings of reference pixels, or None.
        among: maps of references judged by the others, [m, h, w] by branch: of all k, or an even choice of very many.
        choice: of what the recipe leaves open.
        gate: score from which on an image is clustered, or None where every image is.
    """

    matcher: State
    prototypes: Tensor | None
    among: Maps
    choice: Choice = field(default_factory=Choice)
    gate: float | None = None


@dataclass(frozen=True)
class Studied:
    """References as the backbone and the matcher see them; what the head makes of them changes while it is trained.

    Attributes:
        features: pyramid of each reference's views, [views, C_l, H_l, W_l], the reference itself first.
        fit: what the matcher makes of them, or None without a matcher.
        choice: of what the recipe leaves open.
    """

    features: Sequence[Features]
    fit: Fit | None
    choice: Choice = field(default_factory=Choice)

    @property
    def matcher(self) -> State:
        """The matcher's state; empty without a matcher."""
        return self.fit.state if self.fit else {}


@torch.no_grad()
def study(
    detector: Detector,
    references: Tensor | Sequence[Tensor],
    extract: Extract | None = None,
    matched: bool = True,
) -> Studied:
    """Look at references without the head.

    Args:
        detector: that looks.
        references: float [3, H, W] each, read when needed.
        extract: the detector's `features`, or what remembers them.
        matched: by the matcher too.
    """
    images, extract = cast(Sequence[Tensor], references), extract or Remembered(detector.features)
    if detector.matcher is None or not matched:
        return Studied(ReferenceFeatures(images, lambda image: _views(detector, image, None, extract)), None)
    with searching_in(detector.number_type):
        choice = _choice(detector, detector.matcher, images, extract)
        matcher = detector.matcher.chosen(choice.values) if choice.values else detector.matcher
        features = ReferenceFeatures(images, lambda image: _views(detector, image, matcher, extract))
        fit = matcher.fit_stream(features)
    return Studied(features, fit._replace(state=fit.state | encode(detector.matcher, choice.values)), choice)


def _choice(detector: Detector, matcher: ReferenceMatcher, images: Sequence[Tensor], extract: Extract) -> Choice:
    """What suits these references of what the recipe leaves open."""
    if not matcher.choices() and not detector.open_score:
        return Choice()
    shown = [image.to(detector.device) for image in images[: 4 * MOST_REFERENCES]]
    threads = torch.get_num_threads() if detector.device.type == "cpu" else 1
    synthesizers = detector.synthesizers if needs_defects(matcher, detector.open_score) else ()
    evidence = Evidence(shown, synthesizers, extract, (detector.image_size, detector.score_smoothing), threads)
    return choose(matcher, evidence, None if detector.open_score else detector.score)


def _views(detector: Detector, image: Tensor, matcher: ReferenceMatcher | None, extract: Extract) -> Features:
    """Features of all views of one reference, float [3, H, W]; one at a time, so that no batch changes them."""
    views = image[None].to(detector.device)
    if matcher is not None:
        views = matcher.augment(views)
    return _concatenate([extract(view[None]) for view in views])


def embed_references(detector: Detector, studied: Studied) -> HeadOutput:
    """The head's output for the references judged by the others, each related to the others."""
    assert detector.head is not None
    fit, outputs = studied.fit, []
    for row, place in enumerate(_judged(studied)):
        features = tuple(level[:1] for level in studied.features[place])
        compared = None if fit is None or not detector.head.reads else getattr(fit, detector.head.reads)
        rows = None if compared is None else compared[row : row + 1]
        outputs.append(detector.head(detector.head_inputs(features, rows)))
    columns = zip(*outputs, strict=True)
    return HeadOutput(*(None if column[0] is None else torch.cat(column) for column in columns))


def _judged(studied: Studied) -> Sequence[int]:
    """Places of the references that are judged by the others."""
    if studied.fit is None and len(studied.features) > MOST_JUDGED:
        return evenly_chosen([content(reference) for reference in studied.features])
    judged = studied.fit.judged if studied.fit else None
    return range(len(studied.features)) if judged is None else judged


@torch.inference_mode()
def fit_references(detector: Detector, references: Tensor | Sequence[Tensor], extract: Extract | None = None) -> Fitted:
    """Learn a context from its references; arguments as of `study`."""
    studied, known, gate = study(detector, references, extract), None, None
    among: Maps = {}
    if studied.fit is not None:
        among["reference"] = studied.fit.among
    if detector.head is not None:
        output = embed_references(detector, studied)
        known = None if output.embedding is None else prototypes(output.embedding)
        score = Reduction.parse(studied.choice.score) if studied.choice.score else detector.score
        among["contrastive"], gate = _contrastive_among(detector, output, score)
        among |= told_of_images(output)
    return Fitted(studied.matcher, known, one_grid(among), studied.choice, gate)


def _contrastive_among(detector: Detector, output: HeadOutput, score: Reduction) -> tuple[Tensor, float | None]:
    """Contrastive map of each reference, with the others as prototypes and gate, [k, h, w]; and the gate of all."""
    if output.embedding is None:
        return contrastive_map(output, detector.clusterer, None), None
    known = prototypes_of_others(output.embedding)
    scores = [float(score(distance(*pair)[None])[0]) for pair in zip(output.embedding, known, strict=True)]
    maps = []
    for j in range(len(known)):
        one = HeadOutput(*(None if part is None else part[j : j + 1] for part in output))
        threshold = gate_threshold(scores[:j] + scores[j + 1 :], detector.gate_rate)
        gate = None if threshold is None else Gate(threshold, score)
        maps.append(contrastive_map(one, detector.clusterer, known[j], gate))
    return torch.cat(maps), gate_threshold(scores, detector.gate_rate)


def _concatenate(pyramids: Sequence[Features]) -> Features:
    if len(pyramids) == 1:
        return pyramids[0]
    return tuple(torch.cat(level) for level in zip(*pyramids, strict=True))
