"""A trained model as users meet it: load a folder, judge images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import PIL.Image
import torch
import yaml

from adcore.context import Context, load_contexts
from adcore.data.decoding import read_image, to_pixels
from adcore.data.resizing import to_tensor
from adcore.detector import Detector
from adcore.errors import UserError
from adcore.prediction import Prediction
from adcore.store import load_tensors, save_tensors, write_text
from adcore.suggestions import did_you_mean

ImageLike = str | os.PathLike[str] | np.ndarray | PIL.Image.Image
"""A path, an array [H, W] or [H, W, 3] (uint8, or float in [0, 1]), or a PIL image."""


class Model:
    """A detector with its contexts.

    Attributes:
        contexts: by name.
    """

    def __init__(self, detector: Detector, contexts: dict[str, Context], folder: Path):
        self.detector = detector
        self.contexts = contexts
        self.folder = folder

    def context(self, wanted: str | None = None) -> Context:
        """The context of a name; without a name the only one there is.

        Raises:
            UserError: no such context, or several to choose from.
        """
        if wanted is None:
            if len(self.contexts) == 1:
                return next(iter(self.contexts.values()))
            raise UserError(
                f"{self.folder}: this model has {len(self.contexts)} contexts; name one with --context: "
                + ", ".join(self.contexts)
            )
        if wanted not in self.contexts:
            raise UserError(
                f"{self.folder}: no context '{wanted}'; there are: {', '.join(self.contexts)}"
                + did_you_mean(wanted, self.contexts)
            )
        return self.contexts[wanted]

    def predict(self, image: ImageLike, context: str | None = None) -> Prediction:
        """Judge one image in a context.

        Args:
            image: a path, an array [H, W] or [H, W, 3] (RGB; uint8, or float in [0, 1]), or a PIL image.
            context: its name; may be left out where the model has one context.

        Returns:
            The same as the run that made the model gave for this image.

        Raises:
            UserError: the image cannot be read, or there is no such context.
        """
        chosen = self.context(context)
        tensor = to_tensor(as_array(image), self.detector.image_size)
        device = self.detector.device
        return self.detector.predict(tensor.to(device), chosen)


def as_array(image: ImageLike) -> np.ndarray:
    """An image as uint8 or float32 [H, W, 3], from a path, an array or a PIL image."""
    if isinstance(image, str | os.PathLike):
        return read_image(Path(image))
    if isinstance(image, PIL.Image.Image):
        return to_pixels(image, "image")
    array = np.asarray(image)
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, 2)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise UserError(f"image of shape {array.shape}: give [H, W] or [H, W, 3] in RGB")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise UserError(f"image of type {array.dtype}: give uint8, or float in [0, 1]")
    if not (array.min() >= 0 and array.max() <= 1):  # NaN fails too
        raise UserError("image of floats outside [0, 1]: divide by its full scale, or give uint8")
    return array.astype(np.float32)


def save_model(folder: Path, detector: Detector, recipe: str) -> None:
    """Write recipe and weights; contexts are added by `Context.save`."""
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

    root = Path(folder)
    if not (root / "weights.safetensors").exists() and (root / "model" / "weights.safetensors").exists():
        root = root / "model"
    if not (root / "recipe.yaml").is_file():
        raise UserError(
            f"{root}: not a model folder (no recipe.yaml); name the folder runs/.../model of a finished run"
        )
    if not (root / "weights.safetensors").is_file():
        raise UserError(f"{root}: this model has no weights yet; finish its run with --resume")
    try:
        recipe = yaml.safe_load((root / "recipe.yaml").read_text(encoding="utf-8"))
        recipe["backbone"].get("init_args", {})["weights"]
        recipe["backbone"]["init_args"]["weights"] = "none"  # they come from weights.safetensors
    except KeyError:
        pass  # a backbone without that setting
    except (AttributeError, TypeError, yaml.YAMLError) as error:
        raise UserError(f"{root / 'recipe.yaml'}: not a recipe of this adcore ({error})") from None
    recipe.update(device=device, observers=[])
    runner = parse(recipe).build()
    detector = runner.detector()
    restore(detector, root / "weights.safetensors")
    detector.eval().to(runner.torch_device())
    contexts = {name: context.to(runner.torch_device()) for name, context in load_contexts(root / "contexts").items()}
    if not contexts:
        raise UserError(f"{root}: this model has no finished context; finish its run with --resume")
    return Model(detector, contexts, root)


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
