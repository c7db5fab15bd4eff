"""The flow: images, backbone, two branches, fuser, score, decision. Nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from adcore.branches import IMAGE, TELLING, Maps, one_grid, pixels, told_of_images
from adcore.choosing import REDUCTIONS, as_chosen
from adcore.context import Context
from adcore.contrastive import contrastive_map, distance
from adcore.errors import UserError
from adcore.fused import made_for
from adcore.gate import Gate
from adcore.interfaces import (
    Backbone,
    Clusterer,
    Features,
    Fuser,
    Head,
    HeadOutput,
    ReferenceMatcher,
    State,
    Synthesizer,
)
from adcore.nearest import searching_in
from adcore.precision import computing_in, in_full, number_type, rounding
from adcore.prediction import Prediction
from adcore.scoring import Reduction, enlarge, where_shown


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
        score_smoothing: float = 0.0,
        precision: str = "32-true",
        synthesizers: Sequence[Synthesizer] = (),
        gate_rate: float = 1.0,
    ):
        """Join components; at least one of `matcher` and `head` is needed. The precision is a resolved one.

        A `score` of None is chosen for each context; for that, and for what the matcher leaves open, `synthesizers`
        make simulated defects. `gate_rate` is the share of normal images that are clustered.
        """
        super().__init__()
        self.backbone = backbone.to(memory_format=torch.channels_last)  # convolutions follow, a third faster
        self.fuser = fuser
        self.matcher = matcher
        self.head = head
        self.clusterer = clusterer
        self.image_size = image_size
        self.score = score or Reduction.parse(REDUCTIONS[0])
        self.open_score = score is None
        self.smoothing = smoothing
        self.score_smoothing = score_smoothing
        self.precision = precision
        self.synthesizers = synthesizers
        self.gate_rate = gate_rate
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def number_type(self) -> torch.dtype:
        """In which matchers look for candidates, and the backbone computes if not in integers."""
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

        What is normal is learned in `full` precision: an error there moves the threshold of every image.
        """
        with computing_in("32-true" if full else self.precision, images.device):
            pyramid = self.backbone(images)
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
            maps |= told_of_images(output)
        return one_grid(maps)

    def fit_fuser(self, normals: Maps, simulated: tuple[Maps, Tensor] | None = None) -> State:
        """What the fuser learns from maps of normal images, and of simulated anomalies and where those are."""
        known = pixels(normals)
        if not self.fuser.simulates:
            return self.fuser.fit(known)
        none = {branch: maps[:0] for branch, maps in known.items()}
        maps, masks = simulated or (none, next(iter(none.values())).bool())
        return self.fuser.learn(known, pixels(maps), masks)

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
    def joined(self, maps: Maps, fuser: State) -> Maps:
        """What is judged, on the grid of `maps`: each branch's map, ``fused``, and ``telling`` where that is another.

        What is told of images stays.
        """
        branches = pixels(maps)
        joined = {**branches, "fused": self.fuser.fuse(branches, fuser)}
        if (telling := self.fuser.telling(branches, fuser)) is not None:
            joined[TELLING] = telling
        return joined if IMAGE not in maps else {**joined, IMAGE: maps[IMAGE]}

    @torch.inference_mode()
    def shown(self, joined: Maps) -> Maps:
        """Maps to look at, float [B, H, W] at image size and smoothed: each branch's own and ``fused``."""
        return self._at_image_size({k: m for k, m in joined.items() if k not in (TELLING, IMAGE)}, self.smoothing)

    @torch.inference_mode()
    def heat(self, features: Features, context: Context, smoothing: float) -> Tensor:
        """The fused map of one image, float [H, W], smoothed by other than what maps to look at are."""
        joined = self.joined(self._maps(features, context), context.fuser)
        return enlarge(joined["fused"], self.image_size, smoothing)[0]

    @torch.inference_mode()
    def scores(self, joined: Maps, context: Context) -> Maps:
        """Scores [B] of images from what `joined` gives: ``fused`` decides, the others are those of the branches.

        That of ``fused`` is the reduction of the fused map, or of the one that the fuser says is more telling. The
        log-odds that a head gives an image are added to it, as far as the fuser trusts them. Maps are taken at image
        size, smoothed by `score_smoothing` alone: more of it helps to see where a defect is, but not that there is one.
        """
        reduction, trust = self.reduction(context), self.fuser.trust(context.fuser)
        telling = {branch: maps for branch, maps in joined.items() if branch not in (TELLING, IMAGE)}
        telling["fused"] = joined.get(TELLING, joined["fused"])
        full = self._at_image_size(telling, self.score_smoothing)
        known = {key: reduction(maps) for key, maps in {id(maps): maps for maps in full.values()}.items()}
        scores = {branch: known[id(maps)] for branch, maps in full.items()}
        if IMAGE in joined:
            scores[IMAGE] = joined[IMAGE][:, 0, 0]
            scores["fused"] = scores["fused"] + trust * scores[IMAGE]
        return scores

    def _at_image_size(self, grids: Maps, smoothing: float) -> Maps:
        full: Maps = {}
        for branch, grid in grids.items():
            same = next((other for other in full if torch.equal(grids[other], grid)), None)  # a branch that is alone
            full[branch] = enlarge(grid, self.image_size, smoothing) if same is None else full[same]
        return full

    def reduction(self, context: Context) -> Reduction:
        """How a context's maps become image scores."""
        return Reduction.parse(context.score) if context.score else self.score

    @torch.inference_mode()
    def predict(self, image: Tensor, context: Context) -> Prediction:
        """The verdict on one image, float [3, H, W] at the model's size; the same whatever else is judged."""
        return self.judge(self.features(image[None]), context, image)

    @torch.inference_mode()
    def judge(self, features: Features, context: Context, image: Tensor | None = None) -> Prediction:
        """The verdict on one image of which the backbone has made a pyramid, [1, C_l, H_l, W_l].

        Decisions that rounding leaves in doubt are made anew in full, where the `image` [3, H, W] is given.
        """
        found = self.verdict(self.joined(self._maps(features, context), context.fuser), context)
        assert context.calibration is not None
        if image is None or not (rounding(self.precision) and context.calibration.doubtful(found.score)):
            return found
        with in_full(), made_for(1):
            return self.judge(self.features(image[None]), context)

    def verdict(self, joined: Maps, context: Context) -> Prediction:
        """The verdict on an image from what `joined` gives of it, [1, h, w] each."""
        assert context.calibration is not None
        scores = {branch: float(values[0]) for branch, values in self.scores(joined, context).items()}
        shown = {branch: maps[0].cpu().numpy() for branch, maps in self.shown(joined).items()}
        fused, score, calibration = shown.pop("fused"), scores["fused"], context.calibration
        return Prediction(
            context=context.name,
            score=score,
            p_value=calibration.p_value(score),
            decision="anomalous" if score >= calibration.threshold else "normal",
            threshold=calibration.threshold,
            map=fused,
            mask=fused >= calibration.pixel_threshold,
            branch_scores={branch: score for branch, score in scores.items() if branch != "fused"},
            branch_maps=shown,
        )
