"""From normal images to a calibrated context: the one place where contexts are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from adcore.background import prefetched
from adcore.branches import Maps
from adcore.calibration import Calibration, calibration_notes
from adcore.context import Context
from adcore.detector import Detector
from adcore.folds import evenly
from adcore.fused import made_for
from adcore.gate import gate_threshold
from adcore.interfaces import State
from adcore.lazy_sequence import LazySequence
from adcore.precision import in_floats, in_full, rounding
from adcore.reference_features import Remembered
from adcore.routing import survey
from adcore.simulated_maps import MOST_IMAGES, Seen, simulated_maps
from adcore.store import sha256
from adcore.studying import Extract, Fitted, fit_references
from adcore.thumbnails import thumbnail
from adcore.unlike_others import notes_on_calibration

MOST_SHOWN = 32
"""References of which a global descriptor, to route by, and a thumbnail are kept; of more, an even choice."""

MOST_LEFT_OUT = 4
"""References that anomalies are simulated on for the fuser, where no other normals are held out; for each the others
are fitted anew."""


@dataclass(frozen=True)
class Draft:
    """A context before it is calibrated.

    Attributes:
        context: without a calibration.
        among: maps of references judged by the others, [m, h, w] by branch.
    """

    context: Context
    among: Maps


class ContextFitter:
    """Makes the contexts of one detector, without integers: a threshold is that of all images, and made once."""

    def __init__(self, detector: Detector, read: Callable[[str], Tensor], rate: float):
        """Prepare.

        Args:
            detector: on its device, for evaluation.
            read: gives the image of a path, float [3, H, W] in [0, 1], at the detector's image size.
            rate: false-alarm rate of the contexts' decisions.
        """
        self.detector = detector
        self.read = read
        self.rate = rate

    def fit(
        self, label: str, references: Sequence[str], calibration: Sequence[str] = (), scale: Sequence[str] = ()
    ) -> Context:
        """A calibrated context.

        Args:
            label: its name.
            references: paths of the references.
            calibration: paths of normals to calibrate on; none leaves out one reference at a time.
            scale: paths of normals from which a fuser takes its scale; none lets the references serve.
        """
        return self.calibrate(self.draft(label, references, scale), calibration)

    @in_floats()
    def draft(self, label: str, references: Sequence[str], scale: Sequence[str] = ()) -> Draft:
        """Everything but the calibration; arguments as of `fit`."""
        detector = self.detector
        features = Remembered(partial(detector.features, full=True))
        fitted = self._fitted(references, features)
        shown = [self.read(path) for path in evenly(sorted(references), MOST_SHOWN)]
        descriptors, reach = survey(features, [image.to(detector.device) for image in shown])
        context = Context(
            name=label,
            references=tuple(references),
            matcher=fitted.matcher,
            prototypes=fitted.prototypes,
            descriptors=descriptors,
            reach=reach,
            scale_images=tuple(scale),
            hashes=_hashes([*references, *scale]),
            thumbnails=tuple(map(thumbnail, shown)),
            gate=fitted.gate,
            score=fitted.choice.score,
            choices=tuple(fitted.choice.record()),
        )
        normals = fitted.among
        if scale and detector.gate_rate < 1:  # held-out normals say more than the few references
            seen = self._seen(scale, context)
            scores = [score for images, own, _ in seen for score in detector.score_before_clustering(images, own)]
            context = replace(context, gate=gate_threshold(scores, detector.gate_rate))
        if scale and detector.fuser.scaled:
            maps = list(self._maps(scale, context))
            normals = {branch: torch.cat([each[branch] for each in maps]) for branch in maps[0]}
        return Draft(replace(context, fuser=self._fuser(normals, context, features)), fitted.among)

    def _fuser(self, normals: Maps, context: Context, features: Extract) -> State:
        """What the fuser learns of the maps of normals, and where it asks for them of simulated anomalies."""
        detector = self.detector
        made = None
        if detector.fuser.simulates and len(normals) > 1 and detector.synthesizers:
            held_out = evenly(sorted(context.scale_images), MOST_IMAGES)
            left_out = evenly(sorted(context.references), MOST_LEFT_OUT)
            seen = self._seen(held_out, context) if held_out else self._left_out(left_out, context, features)
            count, source = len(held_out or left_out), self.read(min(context.references))
            made = simulated_maps(seen, count, source, detector.synthesizers, detector.branch_maps)
        return detector.fit_fuser(normals, made)

    @in_floats()
    def calibrate(self, draft: Draft, paths: Sequence[str] = (), on_image: Callable[[], None] | None = None) -> Context:
        """The draft with thresholds, from held-out normals or, where there are none, from the references.

        Held-out normals near the threshold are judged again in full precision: it is the score of one of them.

        Args:
            draft: what `draft` returned.
            paths: of the held-out normals.
            on_image: called after each of them.
        """
        context, method = draft.context, "held-out" if paths else "leave-one-out"
        if paths:
            scores, peaks = [], []
            for maps in self._maps(paths, context):
                score, peak = self._scores(maps, context)
                scores += score
                peaks += peak
                if on_image:
                    on_image()
            if rounding(self.detector.precision):
                rough = Calibration.of(scores, peaks, self.rate)
                near = [path for path, score in zip(paths, scores, strict=True) if rough.doubtful(score)]
                anew = self._scores_in_full(near, context)
                scores = [anew.get(path, score) for path, score in zip(paths, scores, strict=True)]
        else:
            scores, peaks = self._scores(draft.among, context)
        notes = calibration_notes(len(scores), len(paths), self.rate)
        if paths:
            notes += notes_on_calibration(paths, scores)
        return replace(
            context,
            calibration=Calibration.of(scores, peaks, self.rate, method),
            calibration_images=tuple(paths),
            hashes={**context.hashes, **_hashes(paths)},
            notes=tuple(notes),
        )

    def _scores_in_full(self, paths: Sequence[str], context: Context) -> dict[str, float]:
        """Scores of a few images by path, nothing of them rounded."""
        with in_full(), made_for(len(paths)):
            judged = zip(paths, self._maps(paths, context), strict=True)
            return {path: self._scores(maps, context)[0][0] for path, maps in judged}

    def _fitted(self, references: Sequence[str], features: Extract) -> Fitted:
        return fit_references(self.detector, LazySequence(self.read, references), features)

    def _maps(self, paths: Sequence[str], context: Context) -> Iterator[Maps]:
        """Maps of each image, judged in a context."""
        for seen in self._seen(paths, context):
            yield self.detector.branch_maps(*seen)

    def _left_out(self, paths: Sequence[str], context: Context, features: Extract) -> Iterator[Seen]:
        """Some of the references, each in a context of the others."""
        for path in paths:
            if others := [other for other in context.references if other != path]:
                fitted = self._fitted(others, features)
                matcher, known, gate = fitted.matcher, fitted.prototypes, fitted.gate
                yield from self._seen([path], replace(context, matcher=matcher, prototypes=known, gate=gate))

    def _seen(self, paths: Sequence[str], context: Context) -> Iterator[Seen]:
        """Each image, [1, 3, H, W], the context that judges it, and the part of it that is judged, None for all."""
        for image in prefetched(self.read, paths):
            yield image[None].to(self.detector.device), context, None

    def _scores(self, maps: Maps, context: Context) -> tuple[list[float], list[float]]:
        """Score of each image, and highest value of its fused map."""
        joined = self.detector.joined(maps, context.fuser)
        peaks = self.detector.shown(joined)["fused"].flatten(1).amax(1)
        return self.detector.scores(joined, context)["fused"].tolist(), peaks.tolist()


def _hashes(paths: Sequence[str]) -> dict[str, str]:
    """SHA-256 of those that are files, by path."""
    found = {path: sha256(path) for path in paths}
    return {path: digest for path, digest in found.items() if digest}
