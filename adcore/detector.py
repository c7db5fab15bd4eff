"""The flow: images, backbone, two branches, fuser, score, decision. Nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from adcore.choosing import REDUCTIONS, Choice, as_chosen, choose, encode, needs_defects
from adcore.context import Context
from adcore.contrastive import contrastive_map, distance, prototypes, prototypes_of_others
from adcore.errors import UserError
from adcore.evidence import MOST_REFERENCES, Evidence
from adcore.folds import MOST_JUDGED, content, evenly_chosen
from adcore.gate import Gate, gate_threshold
from adcore.interfaces import (
    Backbone,
    Clusterer,
    Features,
    Fit,
    Fuser,
    Head,
    HeadOutput,
    ReferenceMatcher,
    State,
    Synthesizer,
)
from adcore.nearest import searching_in
from adcore.precision import number_type
from adcore.prediction import Prediction
from adcore.reference_features import ReferenceFeatures, Remembered
from adcore.scoring import Reduction, enlarge, on_finest_grid, where_shown

Maps = dict[str, Tensor]
"""By branch, ``reference`` and/or ``contrastive``: float [B, h, w], all on one grid.

With a head that tells images too, ``image``: float [B, 1, 1], the log-odds that there is an anomaly at all.
"""

Extract = Callable[[Tensor], Features]
"""Makes the pyramid of one image, [1, 3, H, W]."""

IMAGE = "image"
"""What a head says of images as a whole; no map, and no branch for fusers."""

TELLING = "telling"
"""Among maps at image size: the one that scores are taken from, where a fuser says that it is not the fused one."""


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


class Detector(nn.Module):
    """A backbone with one or two branches and a fuser. Which images are normal is said by a `Context` at each call."""

    _place: Tensor

    def __init__(
        self,
        backbone: Backbone,
        fuser: Fuser,
        matcher: ReferenceMatcher | None,
        head: Head | None,
        clusterer: Clusterer | None,
        image_size: tuple[int, int],
        score: Reduction | None,
        smoothing: float,
        precision: str = "32-true",
        synthesizers: Sequence[Synthesizer] = (),
        gate_rate: float = 1.0,
    ):
        """Join components; at least one of `matcher` and `head` is needed. The precision is a resolved one.

        A `score` of None is chosen for each context; for that, and for what the matcher leaves open, `synthesizers`
        make simulated defects. `gate_rate` is the share of normal images that are clustered.
        """
        super().__init__()
        self.backbone = backbone.to(memory_format=torch.channels_last)  # convolutions are a third faster
        self.fuser = fuser
        self.matcher = matcher
        self.head = head
        self.clusterer = clusterer
        self.image_size = image_size
        self.score = score or Reduction.parse(REDUCTIONS[0])
        self.open_score = score is None
        self.smoothing = smoothing
        self.precision = precision
        self.synthesizers = synthesizers
        self.gate_rate = gate_rate
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def number_type(self) -> torch.dtype:
        """In which the backbone computes and matchers look for candidates."""
        return number_type(self.precision)

    @property
    def device(self) -> torch.device:
        """Where it is, also if no component has weights."""
        return self._place.device

    @property
    def at_once(self) -> int:
        """How many images are best judged at once, each by one thread: as many as there are threads of the CPU.

        A GPU takes one after another, and a clusterer is not asked by several threads.
        """
        return torch.get_num_threads() if self.device.type == "cpu" and self.clusterer is None else 1

    def features(self, images: Tensor, full: bool = False) -> Features:
        """The backbone's pyramid of images [B, 3, H, W], computed in the detector's precision, as float32.

        Contexts are made in `full` precision: an error in what is normal moves the threshold of every image.
        """
        reduced = not full and self.number_type != torch.float32
        with torch.autocast(images.device.type, self.number_type if reduced else None, enabled=reduced):
            pyramid = self.backbone(images.contiguous(memory_format=torch.channels_last))
        return tuple(level.float() for level in pyramid)

    def head_inputs(self, features: Features, compared: Tensor | None) -> Features:
        """What the head declares as its input, of the pyramid and the relation or residual [B, channels, h, w]."""
        assert self.head is not None
        if self.head.input == "features":
            return features
        if compared is None:
            raise UserError(
                f"head {type(self.head).__name__} reads the {self.head.reads} to references, but there is no context; "
                "name a context, or use `input: features`"
            )
        return (*features, compared) if self.head.input == "both" else (compared,)

    def embed(self, features: Features, matcher: State | None, relation: Tensor | None = None) -> HeadOutput:
        """The head's output for B images, given the matcher's state of their context; with the relation if known."""
        assert self.head is not None
        compared = relation
        if self.head.reads and relation is None and self.matcher is not None and matcher:
            chosen = as_chosen(self.matcher, matcher)
            with searching_in(self.number_type):
                compare = chosen.residual if self.head.reads == "residual" else chosen.relate
                compared = compare(features, matcher)
        output: HeadOutput = self.head(self.head_inputs(features, compared))
        return output

    @torch.no_grad()
    def study(
        self, references: Tensor | Sequence[Tensor], extract: Extract | None = None, matched: bool = True
    ) -> Studied:
        """Look at references without the head.

        Args:
            references: float [3, H, W] each, read when needed.
            extract: `features`, or what remembers them.
            matched: by the matcher too.
        """
        images, extract = cast(Sequence[Tensor], references), extract or Remembered(self.features)
        if self.matcher is None or not matched:
            return Studied(ReferenceFeatures(images, lambda image: self._views(image, None, extract)), None)
        with searching_in(self.number_type):
            choice = self._choice(self.matcher, images, extract)
            matcher = self.matcher.chosen(choice.values) if choice.values else self.matcher
            features = ReferenceFeatures(images, lambda image: self._views(image, matcher, extract))
            fit = matcher.fit_stream(features)
        return Studied(features, fit._replace(state=fit.state | encode(self.matcher, choice.values)), choice)

    def _choice(self, matcher: ReferenceMatcher, images: Sequence[Tensor], extract: Extract) -> Choice:
        """What suits these references of what the recipe leaves open."""
        if not matcher.choices() and not self.open_score:
            return Choice()
        shown = [image.to(self.device) for image in images[: 4 * MOST_REFERENCES]]
        threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        synthesizers = self.synthesizers if needs_defects(matcher, self.open_score) else ()
        evidence = Evidence(shown, synthesizers, extract, (self.image_size, self.smoothing), threads)
        return choose(matcher, evidence, None if self.open_score else self.score)

    def _views(self, image: Tensor, matcher: ReferenceMatcher | None, extract: Extract) -> Features:
        """Features of all views of one reference, float [3, H, W]; one at a time, so that no batch changes them."""
        views = image[None].to(self.device)
        if matcher is not None:
            views = matcher.augment(views)
        return _concatenate([extract(view[None]) for view in views])

    def embed_references(self, studied: Studied) -> HeadOutput:
        """The head's output for the references judged by the others, each related to the others."""
        assert self.head is not None
        fit, outputs = studied.fit, []
        for row, place in enumerate(self._judged(studied)):
            features = tuple(level[:1] for level in studied.features[place])
            compared = None if fit is None or not self.head.reads else getattr(fit, self.head.reads)
            rows = None if compared is None else compared[row : row + 1]
            outputs.append(self.head(self.head_inputs(features, rows)))
        columns = zip(*outputs, strict=True)
        return HeadOutput(*(None if column[0] is None else torch.cat(column) for column in columns))

    def _judged(self, studied: Studied) -> Sequence[int]:
        """Places of the references that are judged by the others."""
        if studied.fit is None and len(studied.features) > MOST_JUDGED:
            return evenly_chosen([content(reference) for reference in studied.features])
        judged = studied.fit.judged if studied.fit else None
        return range(len(studied.features)) if judged is None else judged

    @torch.inference_mode()
    def fit(self, references: Tensor | Sequence[Tensor], extract: Extract | None = None) -> Fitted:
        """Learn a context from its references; arguments as of `study`."""
        studied, known, gate = self.study(references, extract), None, None
        among: Maps = {}
        if studied.fit is not None:
            among["reference"] = studied.fit.among
        if self.head is not None:
            output = self.embed_references(studied)
            known = None if output.embedding is None else prototypes(output.embedding)
            score = Reduction.parse(studied.choice.score) if studied.choice.score else self.score
            among["contrastive"], gate = self._contrastive_among(output, score)
            among |= _told_of_images(output)
        return Fitted(studied.matcher, known, _one_grid(among), studied.choice, gate)

    def _contrastive_among(self, output: HeadOutput, score: Reduction) -> tuple[Tensor, float | None]:
        """Contrastive map of each reference, with the others as prototypes and gate, [k, h, w]; and the gate of all."""
        if output.embedding is None:
            return contrastive_map(output, self.clusterer, None), None
        known = prototypes_of_others(output.embedding)
        scores = [float(score(distance(*pair)[None])[0]) for pair in zip(output.embedding, known, strict=True)]
        maps = []
        for j in range(len(known)):
            one = HeadOutput(*(None if part is None else part[j : j + 1] for part in output))
            threshold = gate_threshold(scores[:j] + scores[j + 1 :], self.gate_rate)
            gate = None if threshold is None else Gate(threshold, score)
            maps.append(contrastive_map(one, self.clusterer, known[j], gate))
        return torch.cat(maps), gate_threshold(scores, self.gate_rate)

    @torch.inference_mode()
    def branch_maps(self, images: Tensor, context: Context, shown: Tensor | None = None) -> Maps:
        """Maps of both branches on one grid.

        Args:
            images: float [B, 3, H, W] at the model's size.
            context: that judges.
            shown: bool [H, W], the part that the references show; elsewhere maps are at their lowest. None for all.
        """
        maps = self._maps(self.features(images), context)
        if shown is None:
            return maps
        return {branch: grid if branch == IMAGE else where_shown(grid, shown) for branch, grid in maps.items()}

    def _maps(self, features: Features, context: Context) -> Maps:
        if context.paired:
            raise UserError(
                f"context '{context.name}' judges each image beside its own golden sample; name that with --reference"
            )
        maps, relation = Maps(), None
        if self.matcher is not None:
            chosen = as_chosen(self.matcher, context.matcher)
            with searching_in(self.number_type):
                if self.head is not None and self.head.reads == "relation":
                    maps["reference"], relation = chosen.match_and_relate(features, context.matcher)
                else:
                    maps["reference"] = chosen.match(features, context.matcher)
        if self.head is not None:
            output = self.embed(features, context.matcher, relation)
            maps["contrastive"] = contrastive_map(output, self.clusterer, context.prototypes, self.gate(context))
            maps |= _told_of_images(output)
        return _one_grid(maps)

    def fit_fuser(self, normals: Maps, simulated: tuple[Maps, Tensor] | None = None) -> State:
        """What the fuser learns from maps of normal images, and of simulated anomalies and where those are."""
        pixels = _pixels(normals)
        if not self.fuser.simulates:
            return self.fuser.fit(pixels)
        none = {branch: maps[:0] for branch, maps in pixels.items()}
        maps, masks = simulated or (none, next(iter(none.values())).bool())
        return self.fuser.learn(pixels, _pixels(maps), masks)

    def gate(self, context: Context) -> Gate | None:
        """What decides whether an image is clustered; None where every image is."""
        return None if context.gate is None else Gate(context.gate, self.reduction(context))

    @torch.inference_mode()
    def score_before_clustering(self, images: Tensor, context: Context) -> list[float]:
        """What a gate goes by, of images [B, 3, H, W]; empty where nothing is embedded and clustered."""
        if self.head is None or self.clusterer is None or context.prototypes is None:
            return []
        embedding = self.embed(self.features(images), context.matcher).embedding
        assert embedding is not None
        distances = torch.stack([distance(one, context.prototypes) for one in embedding])
        scores: list[float] = self.reduction(context)(distances).tolist()
        return scores

    @torch.inference_mode()
    def full_maps(self, maps: Maps, fuser: State) -> Maps:
        """All maps at image size, float [B, H, W]: each branch's own, ``fused``, and ``telling`` where that is another.

        What is told of images stays.
        """
        pixels = _pixels(maps)
        joined = {**pixels, "fused": self.fuser.fuse(pixels, fuser)}
        if (telling := self.fuser.telling(pixels, fuser)) is not None:
            joined[TELLING] = telling
        full: Maps = {}
        for branch, grid in joined.items():
            same = next((other for other in full if torch.equal(joined[other], grid)), None)  # a branch that is alone
            full[branch] = enlarge(grid, self.image_size, self.smoothing) if same is None else full[same]
        return full if IMAGE not in maps else {**full, IMAGE: maps[IMAGE]}

    def scores(self, full: Maps, context: Context) -> Maps:
        """Scores [B] of images from what `full_maps` gives: ``fused`` decides, the others are those of the branches.

        That of ``fused`` is the reduction of the fused map, or of the one that the fuser says is more telling. The
        log-odds that a head gives an image are added to it, as far as the fuser trusts them.
        """
        reduction, trust = self.reduction(context), self.fuser.trust(context.fuser)
        telling = {branch: maps for branch, maps in full.items() if branch not in (TELLING, IMAGE)}
        telling["fused"] = full.get(TELLING, full["fused"])
        known = {key: reduction(maps) for key, maps in {id(maps): maps for maps in telling.values()}.items()}
        scores = {branch: known[id(maps)] for branch, maps in telling.items()}
        if IMAGE in full:
            scores[IMAGE] = full[IMAGE][:, 0, 0]
            scores["fused"] = scores["fused"] + trust * scores[IMAGE]
        return scores

    def reduction(self, context: Context) -> Reduction:
        """How a context's maps become image scores."""
        return Reduction.parse(context.score) if context.score else self.score

    @torch.inference_mode()
    def predict(self, image: Tensor, context: Context) -> Prediction:
        """The verdict on one image, float [3, H, W] at the model's size; the same whatever else is judged."""
        return self.judge(self.features(image[None]), context)

    @torch.inference_mode()
    def judge(self, features: Features, context: Context) -> Prediction:
        """The verdict on one image of which the backbone has made a pyramid, [1, C_l, H_l, W_l]."""
        return self.verdict(self.full_maps(self._maps(features, context), context.fuser), context)

    def verdict(self, full: Maps, context: Context) -> Prediction:
        """The verdict on an image from its maps at image size, as `full_maps` gives them, [1, H, W] each."""
        assert context.calibration is not None
        scores = {branch: float(values[0]) for branch, values in self.scores(full, context).items()}
        fused, score, calibration = full["fused"][0].cpu().numpy(), scores["fused"], context.calibration
        branches = [branch for branch in full if branch not in ("fused", TELLING, IMAGE)]
        return Prediction(
            context=context.name,
            score=score,
            p_value=calibration.p_value(score),
            decision="anomalous" if score >= calibration.threshold else "normal",
            threshold=calibration.threshold,
            map=fused,
            mask=fused >= calibration.pixel_threshold,
            branch_scores={branch: score for branch, score in scores.items() if branch != "fused"},
            branch_maps={branch: full[branch][0].cpu().numpy() for branch in branches},
        )


def _concatenate(pyramids: Sequence[Features]) -> Features:
    if len(pyramids) == 1:
        return pyramids[0]
    return tuple(torch.cat(level) for level in zip(*pyramids, strict=True))


def _told_of_images(output: HeadOutput) -> Maps:
    return {} if output.image is None else {IMAGE: output.image.float()[:, None, None]}


def _pixels(maps: Maps) -> Maps:
    """The branches' maps alone."""
    return {branch: grid for branch, grid in maps.items() if branch != IMAGE}


def _one_grid(maps: Maps) -> Maps:
    """Bring all branches to the finest grid among them."""
    pixels = _pixels(maps)
    grids = on_finest_grid([grid[:, None] for grid in pixels.values()])
    return {**maps, **{branch: grid[:, 0] for branch, grid in zip(pixels, grids, strict=True)}}
