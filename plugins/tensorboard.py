"""The observer that writes TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adcore.errors import UserError
from adcore.hooks import RunInfo
from adcore.interfaces import Observer
from adcore.prediction import TestResult
from adcore.report.case import Case
from adcore.report.gallery import MapScale

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard(Observer):
    """Writes training curves, final metrics and heat maps for ``tensorboard --logdir`` into the run folder."""

    def __init__(self, images: int = 8):
        """Watch a run.

        Args:
            images: heat maps of anomalous test images written for each category.
        """
        self.images = images
        self._writer: SummaryWriter | None = None
        self._cases: dict[str, list[Case]] = {}
        self._scales: dict[str, MapScale] = {}

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
        self._cases, self._scales = {}, {}
        self._writer = SummaryWriter(run.out / "tensorboard")

    def on_epoch_end(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write the epoch's figures: ``train.loss`` as ``train/loss``."""
        for key, value in metrics.items():
            self._scalar(key.replace(".", "/", 1), value, epoch)

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
