"""The contracts: what each kind of component takes, returns and promises.

Letters in shapes: ``B`` images, ``H, W`` image size in pixels, ``L`` levels of a pyramid, ``C_l, H_l, W_l`` channels
and size of level ``l``, ``h, w`` size of the grid on which maps are made, ``D`` embedding size, ``R`` relation
channels, ``N`` points. Maps grow with abnormality. Images are RGB in [0, 1].

A component is built from a recipe: ``__init__`` takes typed, documented keyword arguments, stores them, and reads no
file and touches no device, except a Backbone, which loads its weights. No argument may be called ``name``. Dimensions
that another component decides (``channels``, ``relations``) are handed over by the runner; declare the argument and it
comes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from adcore.data.samples import Sample

Features = tuple[Tensor, ...]
"""A feature pyramid, fine to coarse: level ``l`` is float [B, C_l, H_l, W_l]."""

State = dict[str, Tensor]
"""What fitting leaves behind: named tensors, stored as safetensors with the context that they belong to."""


class Component(ABC):
    """Anything a recipe can name. ``kind`` is its slot and its entry-point group ``adcore.<kind>``."""

    kind: ClassVar[str]


class Backbone(nn.Module, Component):
    """Turns images into a feature pyramid and normalises its own input.

    Attributes:
        channels: ``C_l`` of each level, fine to coarse.
        strides: pixels per cell of each level; level ``l`` of an ``H x W`` image has about ``H / strides[l]`` rows.
        pretrained: whether the weights come from a checkpoint. Only then may they be left untrained.
    """

    kind = "backbone"
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    pretrained: bool

    @abstractmethod
    def forward(self, images: Tensor) -> Features:
        """Extract features.

        Args:
            images: float [B, 3, H, W] in [0, 1], any H and W of at least the coarsest stride; left untouched.

        Returns:
            One float [B, C_l, H_l, W_l] per level, fine to coarse.
        """


class HeadOutput(NamedTuple):
    """What a Head says of every cell of its grid.

    Attributes:
        embedding: unit-norm float [B, D, h, w], to be clustered per image, or None.
        logits: float [B, h, w], positive where anomalous, or None.
        image: float [B], log-odds that there is an anomaly at all, or None. They are added to the image's score, not to
            its map, as far as the fuser trusts them (`Fuser.trust`).
    """

    embedding: Tensor | None = None
    logits: Tensor | None = None
    image: Tensor | None = None


class Head(nn.Module, Component):
    """The trained part of the contrastive branch.

    Attributes:
        input: what ``forward`` is given. ``features``: the backbone's pyramid, no context needed (FOCAL as published).
            ``relation``: a one-level pyramid [B, R, h, w], how each pixel differs from the context's references
            (`ReferenceMatcher.relate`). ``both``: the pyramid with the relation as its last level. ``residual``: a
            one-level pyramid [B, S, h, w], features less those of the most similar reference patch
            (`ReferenceMatcher.residual`).
        pretrained: whether its weights come from a checkpoint. Then it is trained only where the recipe asks for it.
    """

    kind = "head"
    input: Literal["features", "relation", "both", "residual"] = "features"
    pretrained: bool = False

    @property
    def reads(self) -> Literal["", "relation", "residual"]:
        """What `input` has of a comparison with references; empty for none."""
        if self.input == "features":
            return ""
        return "residual" if self.input == "residual" else "relation"

    @abstractmethod
    def forward(self, inputs: Features) -> HeadOutput:
        """Embed and/or classify pixels.

        Args:
            inputs: what `input` declares; dimensions as handed to ``__init__`` by the runner (``channels`` of the
                pyramid, ``relations`` of the relation, ``residuals`` of the residual).

        Returns:
            Embedding and/or logits on a grid of the head's choice.
        """

    @abstractmethod
    def loss(self, output: HeadOutput, target: Tensor, generator: torch.Generator) -> Tensor:
        """Training loss, a scalar with a graph, finite also when the batch holds only one class.

        Args:
            output: what ``forward`` returned.
            target: bool [B, h, w] on the output's grid, True where anomalous.
            generator: source of all randomness in the loss, on the CPU.
        """


class Clusterer(Component):
    """Groups the pixel embeddings of one image on the fly; never trained. Like those of scikit-learn it sees numpy."""

    kind = "clusterer"

    @abstractmethod
    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        """Cluster points.

        Args:
            x: float32 [N, D], unit-norm rows, N >= 1, possibly read-only.

        Returns:
            int [N] labels, equal for points of one cluster; -1 is noise. One cluster ("no anomaly here") is a valid
            answer.
        """


class Fit(NamedTuple):
    """What a matcher makes of a context's references.

    Attributes:
        state: everything `ReferenceMatcher.match` and `ReferenceMatcher.relate` need.
        among: float [m, h, w], map of each judged reference matched against others, as `match` would an unseen normal
            image.
        relation: float [m, R, h, w], the same for `relate`; None where it is not offered.
        residual: float [m, S, h, w], the same for `residual`; None where it is not offered.
        judged: places of the m references judged, ascending; None for all k. Of very many an even choice is enough.
    """

    state: State
    among: Tensor
    relation: Tensor | None = None
    judged: tuple[int, ...] | None = None
    residual: Tensor | None = None

    def of(self, places: Sequence[int] | None) -> Fit:
        """The same fit with `among` and `relation` of these references alone; they have to be among those judged."""
        if places is None or self.judged == tuple(places):
            return self
        rows = [place if self.judged is None else self.judged.index(place) for place in places]
        relation, residual = (None if maps is None else maps[rows] for maps in (self.relation, self.residual))
        return Fit(self.state, self.among[rows], relation, tuple(places), residual)


class ReferenceMatcher(Component):
    """The few-shot branch: compares patches with those of a context's references. Fitted in seconds, without gradients.

    A matcher holds settings only. What it learns of a context is the `State` it returns, so one matcher serves any
    number of contexts.

    Attributes:
        relations: ``R``, the number of channels of `relate`; 0 where it is not offered.
        residuals: ``S``, the number of channels of `residual`; 0 where it is not offered.
        transductive: whether its references are the unlabelled images to be judged, each of which is judged by the
            others. A run then fits it to its test images, labels unseen, and says so.
    """

    kind = "matcher"
    relations: int = 0
    residuals: int = 0
    transductive: bool = False

    def choices(self) -> Mapping[str, Sequence[Any]]:
        """Settings left open, to be chosen for each context from the references alone (a recipe says ``auto``).

        Returns:
            By setting, the candidates, plain data; the first is taken where nothing speaks for another. Empty by
            default.
        """
        return {}

    def chosen(self, values: Mapping[str, Any]) -> ReferenceMatcher:
        """This matcher with open settings decided; `relations` stays the same.

        Args:
            values: by setting, one of its candidates; what is missing takes its first.
        """
        return self

    def without_relation(self) -> ReferenceMatcher:
        """This matcher for who needs its map alone; another where the relation costs work of its own."""
        return self

    def at_half_resolution(self) -> ReferenceMatcher:
        """This matcher for pyramids at half their resolution; another where a setting of its own counts cells."""
        return self

    def augment(self, images: Tensor) -> Tensor:
        """Further views of the references, such as rotations.

        Args:
            images: float [k, 3, H, W].

        Returns:
            float [k * v, 3, H, W], the v views of one reference next to each other, the reference itself first.
        """
        return images

    @abstractmethod
    def fit(self, features: Features, views: int = 1) -> Fit:
        """Learn what is normal from a context's references.

        Args:
            features: pyramid of the k references' views, [k * views, C_l, H_l, W_l].
            views: how many consecutive rows show one reference.

        Returns:
            The state of the context, independent of the order of the references, and what the references look like to
            each other. With one reference, it is compared with itself without the patch's own neighbourhood.
        """

    def fit_stream(self, references: Sequence[Features]) -> Fit:
        """Learn the same from any number of references, one after another, within bounded memory.

        Unless it is overridden, all references are held at once and given to `fit`.

        Args:
            references: the pyramid of each reference's views, [views, C_l, H_l, W_l]; the same number of views for all.
                They are computed when asked for, so go through them as seldom as possible.

        Returns:
            What `fit` returns for all references at once.
        """
        features = tuple(torch.cat(level) for level in zip(*references, strict=True))
        return self.fit(features, len(features[0]) // len(references))

    def extend(self, state: State, features: Features, views: int = 1) -> Fit:
        """Learn further references on top of a state; optional. Without it a context is fitted anew to all of them.

        Args:
            state: what `fit` or `extend` returned of the references so far; left as it is.
            features: pyramid of the further references' views, as for `fit`, on the same grid.
            views: as it was when `state` was fitted.

        Returns:
            What `fit` returns for all references at once.

        Raises:
            NotImplementedError: the matcher does not offer it.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot extend a state; fit all references at once")

    @abstractmethod
    def match(self, features: Features, state: State) -> Tensor:
        """Map of how little each patch resembles the references.

        Args:
            features: pyramid of B images.
            state: what `fit` returned.

        Returns:
            float [B, h, w] >= 0; the map of a reference against itself is lowest.
        """

    def relate(self, features: Features, state: State) -> Tensor:
        """How each patch differs from the references, in numbers that carry over between products.

        Args:
            features: pyramid of B images.
            state: what `fit` returned.

        Returns:
            float [B, R, h, w]; each channel is a distance, z-scored by those of the references among themselves.
        """
        raise NotImplementedError(f"{type(self).__name__} offers no relation")

    def match_and_relate(self, features: Features, state: State) -> tuple[Tensor, Tensor]:
        """What `match` and `relate` return; override it where both rest on the same comparison."""
        return self.match(features, state), self.relate(features, state)

    def residual(self, features: Features, state: State) -> Tensor:
        """What is left of each patch's features when those of the most similar reference patch are taken away.

        Args:
            features: pyramid of B images.
            state: what `fit` returned.

        Returns:
            float [B, S, h, w].
        """
        raise NotImplementedError(f"{type(self).__name__} offers no residual")


class Fuser(Component):
    """Joins the maps of the branches into one.

    Attributes:
        scaled: whether `fit` has to be given maps of normal images before `fuse`.
        simulates: whether it learns from simulated anomalies: `learn` is called in place of `fit`.
    """

    kind = "fuser"
    scaled: bool = False
    simulates: bool = False

    def fit(self, normals: Mapping[str, Tensor]) -> State:
        """Learn a common scale from maps of a context's own normal images, which nothing was trained on.

        Args:
            normals: by branch, float [n, h, w]; all branches on one grid.
        """
        return {}

    def learn(self, normals: Mapping[str, Tensor], simulated: Mapping[str, Tensor], masks: Tensor) -> State:
        """Learn from the context's own normal images, and from normal images with simulated anomalies.

        Args:
            normals: as of `fit`.
            simulated: by branch, float [m, h, w]; m may be 0, where none could be made.
            masks: bool [m, h, w], where they are anomalous; it may be nowhere.
        """
        return self.fit(normals)

    @abstractmethod
    def fuse(self, maps: Mapping[str, Tensor], state: State) -> Tensor:
        """Join maps.

        Args:
            maps: by branch (``reference``, ``contrastive``), float [B, h, w], all on one grid, at least one.
            state: what `fit` returned.

        Returns:
            float [B, h, w], monotone in each map; with one map its ranking is kept.

        Raises:
            ValueError: a map holds NaN.
        """

    def telling(self, maps: Mapping[str, Tensor], state: State) -> Tensor | None:
        """The map that the image's score is taken from, where that is not the fused one; arguments as of `fuse`.

        What finds where a defect is need not be what tells best whether there is any.

        Returns:
            float [B, h, w], or None.
        """
        return None

    def trust(self, state: State) -> float:
        """How much is added to the score for each unit of the log-odds of the whole image (`HeadOutput.image`).

        Nothing by default: what they mean beside the fused map depends on the scale that the fuser gives it.
        """
        return 0.0


class Dataset(Component):
    """Images with labels, in categories. A category is a context.

    Attributes:
        image_size: the side in pixels, or (height, width), at which its images are best judged; a recipe may name
            another.
    """

    kind = "dataset"
    image_size: int | tuple[int, int] = 256

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """All samples in a fixed order. Cheap: lists, decodes nothing.

        Raises:
            UserError: what is missing or contradictory, with the path.
        """

    @abstractmethod
    def image(self, sample: Sample) -> np.ndarray:
        """One image: uint8 [H, W, 3] RGB, or float32 [H, W, 3] in [0, 1] where the source has more than 8 bits.

        Where samples have a ``reference`` it is read in the same way, through `adcore.Sample.golden`. It may be of
        another size than the image.

        Raises:
            UserError: the image cannot be read, with its path.
        """

    @abstractmethod
    def mask(self, sample: Sample) -> np.ndarray | None:
        """Ground truth as bool [H, W], of the image's size; all False for a normal sample; None where none is known."""

    def check(self) -> None:
        """Verify, before anything is computed, that all images, masks and references can be read and sizes agree.

        Raises:
            UserError: the first file found wrong, by name.
        """
        for sample in self.samples():
            self.image(sample)
            self.mask(sample)
            if sample.golden:
                self.image(sample.golden)


class Synthesizer(Component):
    """Makes simulated anomalies on normal images, to train and validate on."""

    kind = "synthesizer"

    @abstractmethod
    def synthesize(self, image: Tensor, source: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Add one simulated defect.

        Args:
            image: normal image, float [3, H, W] in [0, 1]; left untouched.
            source: another normal image of the same size, to take texture from.
            generator: the only source of randomness, on the CPU: the same state gives the same result.

        Returns:
            The image with the defect, float [3, H, W] in [0, 1], and a soft mask, float [H, W] in [0, 1]. Outside the
            mask (where it is 0) the image is unchanged; where nothing could be placed the mask is all 0.
        """


class Observer(Component):
    """Watches a run: progress bars, TensorBoard, the report. Implements any of the hooks in `adcore.hooks.Hooks`.

    Every public method called ``on_*`` is a hook; it may take fewer of the hook's arguments, by name. A misspelt hook
    is an error at start.
    """

    kind = "observer"
