"""A trained model as users meet it: load a folder, judge images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from adcore.background import prefetched
from adcore.context import Context
from adcore.context_editing import ContextEditor
from adcore.context_store import ContextStore
from adcore.contexts import Contexts
from adcore.data.arrays import ImageLike, as_array
from adcore.data.resizing import to_tensor
from adcore.detector import Detector
from adcore.errors import UserError
from adcore.interfaces import Dataset, Features
from adcore.paired import PairFitter
from adcore.prediction import Prediction
from adcore.routing import describe
from adcore.store import load_tensors, model_folder, save_tensors, write_text
from adcore.suggestions import did_you_mean
from adcore.weights import RANDOM


class Model:
    """A detector with its contexts.

    Attributes:
        contexts: by name; read when they are first used.
        folder: where the model is.
        false_alarm_rate: of contexts that are added, unless they ask for another.
    """

    def __init__(
        self,
        detector: Detector,
        contexts: Contexts,
        folder: Path,
        data: Dataset,
        false_alarm_rate: float,
        registration: bool = True,
    ):
        self.detector = detector
        self.contexts = contexts
        self.folder = folder
        self.false_alarm_rate = false_alarm_rate
        self._editor = ContextEditor(detector, contexts.store, data)
        self._pairs = PairFitter(detector, as_array, registration)

    def context(self, wanted: str | None = None) -> Context:
        """The context of a name; without a name the only one there is.

        Raises:
            UserError: no such context, or several to choose from.
        """
        if not self.contexts:
            raise UserError(
                f"{self.folder}: this model has no context; finish its run with --resume, or use adcore context add"
            )
        if wanted is None:
            if len(self.contexts) == 1:
                return next(iter(self.contexts.values()))
            raise UserError(
                f"{self.folder}: this model has {len(self.contexts)} contexts; name one: " + ", ".join(self.contexts)
            )
        if wanted not in self.contexts:
            raise UserError(
                f"{self.folder}: no context '{wanted}'; there are: {', '.join(self.contexts)}"
                + did_you_mean(wanted, self.contexts)
            )
        return self.contexts[wanted]

    def predict(
        self, image: ImageLike, context: str | None = None, reference: str | os.PathLike[str] | None = None
    ) -> Prediction:
        """Judge one image in a context.

        Args:
            image: a path, an array [H, W] or [H, W, 3] (RGB; uint8, or float in [0, 1]), or a PIL image.
            context: its name. Without one, the only context judges, or of several the nearest; where none is near, the
                decision is ``unknown``.
            reference: path of the image's own golden sample, for the contexts of a run with `reference: paired`.

        Returns:
            The same as the run that made the model gave for this image; with the route, where one was taken.

        Raises:
            UserError: an image cannot be read, there is no such context, or it does not go with (or without) a
                golden sample.
        """
        if reference is not None:
            return self._judge_pair(as_array(image), os.fspath(reference), self.context(context))
        return self._judge(self._read(image), context)[1]

    def predict_many(self, images: Iterable[ImageLike], context: str | None = None) -> Iterator[Prediction]:
        """Judge images in order: on a CPU several at once, each by one thread, elsewhere reading the next meanwhile.

        Args:
            images: as of `predict`.
            context: as of `predict`.

        Yields:
            What `predict` returns for each, in order.

        Raises:
            UserError: as of `predict`, where the image's turn comes.
        """
        for _, _, prediction in self.look(images, context):
            yield prediction

    def look(
        self, images: Iterable[ImageLike], context: str | None = None
    ) -> Iterator[tuple[Tensor, Features, Prediction]]:
        """Judge images as `predict_many` does, and give what they were judged by.

        Args:
            images: as of `predict`.
            context: as of `predict`.

        Yields:
            Of each, in order: the image at the model's size, float [3, H, W]; the backbone's pyramid of it; and what
            `predict` returns.
        """
        if (threads := self.detector.at_once) > 1:
            yield from prefetched(lambda image: self._seen(self._read(image), context), images, threads)
            return
        for tensor in prefetched(self._read, images, threads=2):
            yield self._seen(tensor, context)

    def references(self, context: str, most: int) -> list[Tensor]:
        """References of a context, read again, float [3, H, W] at the model's size; of more than `most` an even choice.

        Raises:
            UserError: there is no such context, or a reference is gone.
        """
        return self._editor.references(self.context(context), most)

    def _seen(self, image: Tensor, context: str | None) -> tuple[Tensor, Features, Prediction]:
        return (image, *self._judge(image, context))

    def _read(self, image: ImageLike) -> Tensor:
        return to_tensor(as_array(image), self.detector.image_size)

    @torch.inference_mode()
    def _judge(self, image: Tensor, context: str | None) -> tuple[Features, Prediction]:
        routed = context is None and len(self.contexts) > 1
        image = image.to(self.detector.device)
        features = self.detector.features(image[None])
        if not routed:
            return features, self.detector.judge(features, self.context(context), image)
        route = self.contexts.router.route(describe(features)[0])
        if not route.near:
            return features, Prediction.unknown(route, self.detector.image_size)
        return features, replace(self.detector.judge(features, self.contexts[route.context], image), route=route)

    def _judge_pair(self, image: np.ndarray, reference: str, context: Context) -> Prediction:
        if not context.paired:
            raise UserError(
                f"context '{context.name}' knows what is normal, it takes no golden sample; compare two images with "
                "adcore spot"
            )
        pair = self._pairs.pair(context.name, image, (reference,))
        return replace(self._pairs.verdict(pair, context), reference=reference)

    def add_context(
        self,
        name: str,
        images: Sequence[ImageLike],
        calibration: Sequence[ImageLike] = (),
        false_alarm_rate: float | None = None,
        shots: int | None = None,
    ) -> Context:
        """Make a context from normal images and keep it with the model.

        Args:
            name: of the new context.
            images: its references, or what they are chosen from.
            calibration: other normal images that set its thresholds; without them the references do, one left out at a
                time, which is only a rough guide.
            false_alarm_rate: share of normal images that may be called anomalous; as in the model's recipe by default.
            shots: takes only so many of the images as references, those that differ most from each other. Where no
                `calibration` is given, half of the others are held out for it first, at random.

        Raises:
            UserError: the name is taken, an image cannot be read or is given twice, or there are fewer images than
                `shots`. Nothing is changed then.
        """
        rate = self.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
        self._editor.add(name, images, calibration, rate, shots)
        return self._changed(name)

    def extend_context(
        self, name: str, images: Sequence[ImageLike] = (), calibration: Sequence[ImageLike] = ()
    ) -> Context:
        """Add images to a context. It is made again from all of its images: the result is that of one fit.

        Args:
            name: of the context.
            images: further references.
            calibration: further normal images that set its thresholds.

        Raises:
            UserError: there is no such context, an image cannot be read or is in it already, or one that it was made
                from is gone or was changed. Nothing is changed then.
        """
        self._editor.extend(name, images, calibration)
        return self._changed(name)

    def merge_contexts(self, name: str, names: Sequence[str]) -> Context:
        """Make a context from all images of several, which stay. It keeps the lowest of their false-alarm rates.

        Where one of them has no calibration images of its own, the references calibrate the whole.

        Raises:
            UserError: the name is taken, a context is missing, or an image is gone or was changed.
        """
        self._editor.merge(name, names)
        return self._changed(name)

    def rename_context(self, old: str, new: str) -> None:
        """Give a context another name.

        Raises:
            UserError: there is no such context, or the new name is taken.
        """
        self.contexts.store.rename(old, new)
        self.contexts.refresh(old, new)

    def remove_context(self, name: str) -> None:
        """Remove a context.

        Raises:
            UserError: there is no such context.
        """
        self.contexts.store.remove(name)
        self.contexts.refresh(name)

    def _changed(self, name: str) -> Context:
        self.contexts.refresh(name)
        return self.contexts[name]


def save_model(folder: Path, detector: Detector, recipe: str) -> None:
    """Write recipe and weights; contexts are added by `ContextStore.save`."""
    write_text(folder / "recipe.yaml", recipe)
    save_tensors(folder / "weights.safetensors", _weights(detector))


def load(folder: str | os.PathLike[str], device: str = "auto") -> Model:
    """Load a model folder. Runs no code that the folder brings.

    Args:
        folder: the ``model`` folder of a run, or the run folder itself.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.

    Raises:
        UserError: the folder is no model, is damaged, or needs a plugin that is not installed.
    """
    from adcore.recipe import parse  # here: builds on everything else

    root = model_folder(folder)
    try:
        recipe = yaml.safe_load((root / "recipe.yaml").read_text(encoding="utf-8"))
        for slot in ("backbone", "head"):
            _drop_weights((recipe[slot] or {}).get("init_args", {}))
    except KeyError:
        pass  # a recipe without a head
    except (AttributeError, TypeError, yaml.YAMLError) as error:
        raise UserError(f"{root / 'recipe.yaml'}: not a recipe of this adcore ({error})") from None
    recipe.setdefault(
        "score_smoothing", recipe.get("smoothing", 0.0)
    )  # made when they were one: its thresholds go by it
    recipe.update(device=device, observers=[])
    runner = parse(recipe).build()
    detector = runner.detector()
    restore(detector, root / "weights.safetensors")
    detector.eval().to(runner.torch_device())
    contexts = Contexts(ContextStore(root / "contexts"), detector.device)
    return Model(detector, contexts, root, runner.data, runner.context.false_alarm_rate, runner.registration)


def _drop_weights(settings: Any) -> None:
    """Let a component and those that it is made of begin with random weights: theirs are in ``weights.safetensors``."""
    if isinstance(settings, dict):
        if "weights" in settings:
            settings["weights"] = RANDOM
        settings = list(settings.values())
    for value in settings if isinstance(settings, list) else []:
        _drop_weights(value)


def _weights(detector: Detector) -> dict[str, torch.Tensor]:
    parts = {"backbone": detector.backbone, "head": detector.head}
    return {f"{part}.{key}": v for part, net in parts.items() if net is not None for key, v in net.state_dict().items()}


def restore(detector: Detector, file: Path) -> None:
    """Load a model's weights into a detector of the same recipe.

    Raises:
        UserError: they do not fit.
    """
    tensors = load_tensors(file)
    for part, net in (("backbone", detector.backbone), ("head", detector.head)):
        if net is None:
            continue
        own = {key.removeprefix(f"{part}."): value for key, value in tensors.items() if key.startswith(f"{part}.")}
        try:
            net.load_state_dict(own)
        except RuntimeError as error:
            first = str(error).splitlines()[-1].strip()
            raise UserError(f"{file}: does not fit the recipe beside it ({first}); was one of them replaced?") from None
