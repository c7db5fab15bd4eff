"""The observer that writes TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from adcore.errors import UserError
from adcore.hooks import Example, RunInfo
from adcore.interfaces import Observer
from adcore.prediction import TestResult
from adcore.report.case import Case
from adcore.report.gallery import MapScale
from adcore.report.overlay import mask_image, overlay

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard(Observer):
    """Writes curves, final metrics, heat maps and pixel embeddings for ``tensorboard --logdir`` into the run folder."""

    def __init__(self, images: int = 8, points: int = 2000):
        """Watch a run.

        Args:
            images: heat maps of anomalous test images written for each category, and validation images of each epoch.
            points: most pixels in the embedding projector, half of them anomalous where there are as many; 0 for none.
        """
        self.images = images
        self.points = points
        self._writer: SummaryWriter | None = None
        self._cases: dict[str, list[Case]] = {}
        self._scales: dict[str, MapScale] = {}
        self._examples: tuple[int, Sequence[Example]] = (0, ())

    def on_run_start(self, run: RunInfo) -> None:
        """Open the event file; a resumed run adds one beside those that are there.

        Raises:
            UserError: the package tensorboard is missing.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter  # here: takes a second
        except ImportError as error:
            raise UserError(
                f"observer tensorboard: {error}; 'pip install tensorboard' or leave it out of the recipe's observers"
            ) from None
        self._cases, self._scales, self._examples = {}, {}, (0, ())
        self._writer = SummaryWriter(run.out / "tensorboard")

    def on_epoch_end(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write the epoch's figures: ``train.loss`` as ``train/loss``."""
        for key, value in metrics.items():
            self._scalar(key.replace(".", "/", 1), value, epoch)

    def on_examples(self, epoch: int, examples: Sequence[Example]) -> None:
        """Write validation images with truth and map; the maps of an epoch share one scale."""
        self._examples = epoch, examples
        highest = max((float(example.map.max()) for example in examples), default=0.0)
        for index, example in enumerate(examples[: self.images]):
            if self._writer:
                panels = _example(example, highest)
                tag = f"validation/{example.category} {index}"
                self._writer.add_image(tag, panels, epoch, dataformats="HWC")

    def on_stage_end(self, stage: str) -> None:
        """Write the pixels of the last epoch's examples for the embedding projector, to be coloured by label."""
        epoch, examples = self._examples
        chosen = [example for example in examples if example.embedding is not None]
        if stage != "fit" or not self._writer or not self.points or not chosen:
            return
        points, labels = _pixels(chosen, self.points)
        self._writer.add_embedding(
            points, metadata=labels, metadata_header=["label", "category"], global_step=epoch, tag="pixels"
        )

    def on_scores(self, category: str, results: Sequence[TestResult]) -> None:
        """Keep the first anomalous images, reduced, until their common colour scale is known."""
        scale = self._scales.setdefault(category, MapScale())
        cases = self._cases.setdefault(category, [])
        for result in results:
            scale.add(result.prediction)
            if result.sample.label and len(cases) < self.images:
                cases.append(Case.of(result))

    def on_report(self, metrics: Mapping[str, Any]) -> None:
        """Write the final metrics and the pictures."""
        for group, values in [("mean", metrics.get("mean", {})), *metrics.get("categories", {}).items()]:
            for key, value in values.items():
                self._scalar(f"test.{group}/{key}", value, 0)
        contexts = metrics.get("contexts", {})
        for category, cases in self._cases.items():
            limits = self._scales[category].limits(contexts.get(category, {}).get("pixel_threshold"))
            for index, case in enumerate(cases):
                if self._writer:
                    panels = _side_by_side(case, limits)
                    self._writer.add_image(f"{category}/{case.sample.defect} {index}", panels, 0, dataformats="HWC")

    def on_run_end(self) -> None:
        """Close the event file."""
        if self._writer:
            self._writer.close()
            self._writer = None

    def _scalar(self, tag: str, value: float | None, step: int) -> None:
        if self._writer and value is not None:
            self._writer.add_scalar(tag, value, step)


def _side_by_side(case: Case, limits: tuple[float, float]) -> np.ndarray:
    """Image, truth (grey where unknown) and map; above each other where the image is wide: uint8 [H, W, 3]."""
    image, truth, laid_over = case.pictures(limits)
    grey = np.full((image.height, image.width, 3), 127, dtype=np.uint8)
    panels = [np.asarray(image), grey if truth is None else np.asarray(truth.convert("RGB")), np.asarray(laid_over)]
    return np.concatenate(panels, axis=0 if image.width > image.height else 1)


def _example(example: Example, highest: float) -> np.ndarray:
    """Image, truth and map of a validation image, side by side or above each other: uint8 [H, W, 3]."""
    height, width = example.image.shape[:2]
    map_ = np.asarray(Image.fromarray(example.map.astype(np.float32)).resize((width, height), Image.Resampling.NEAREST))
    truth = Image.fromarray(mask_image(example.truth)).resize((width, height), Image.Resampling.NEAREST)
    panels = [example.image, np.asarray(truth.convert("RGB")), overlay(example.image, map_, 0.0, highest)]
    return np.concatenate(panels, axis=0 if width > height else 1)


def _pixels(examples: Sequence[Example], most: int) -> tuple[np.ndarray, list[list[str]]]:
    """Embeddings [n, D] of at most so many pixels, evenly spaced within each class, with label and category of each."""
    points, truth, categories = [], [], []
    for example in examples:
        assert example.embedding is not None
        points.append(example.embedding.reshape(len(example.embedding), -1).T)  # [h * w, D]
        truth.append(example.truth.ravel())
        categories += [example.category] * example.truth.size
    anomalous = np.concatenate(truth)
    inside, outside = np.flatnonzero(anomalous), np.flatnonzero(~anomalous)
    count = min(len(inside), max(most // 2, most - len(outside)))
    places = [_spread(inside, count), _spread(outside, min(len(outside), most - count))]
    chosen = np.concatenate(places)
    labels = [["anomalous" if anomalous[place] else "normal", categories[place]] for place in chosen]
    return np.concatenate(points)[chosen], labels


def _spread(places: np.ndarray, count: int) -> np.ndarray:
    return places[np.arange(count) * len(places) // max(1, count)]
