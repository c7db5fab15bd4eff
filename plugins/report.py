"""The observer that writes ``report.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from adcore.hooks import RunInfo
from adcore.interfaces import Observer
from adcore.prediction import TestResult
from adcore.report.case import thumbnail
from adcore.report.gallery import CategoryGallery
from adcore.report.page import Page
from adcore.store import write_text

if TYPE_CHECKING:
    from adcore.context import Context

REFERENCES_SHOWN = 8
REFERENCE_AREA = 96 * 96


class Report(Observer):
    """Writes report.html: results, charts and the most telling images, in one file that needs no network."""

    def __init__(self, gallery: int = 8):
        """Ask for a report.

        Args:
            gallery: images shown of each category: wrong decisions, the nearest to the threshold, and the clearest.
        """
        self.gallery = gallery
        self._forget()

    def _forget(self) -> None:
        self._recipe: Mapping[str, Any] = {}
        self._categories: dict[str, CategoryGallery] = {}
        self._epochs: list[tuple[int, Mapping[str, float]]] = []
        self._stages: dict[str, float] = {}
        self._references: dict[str, list[bytes]] = {}
        self._messages: dict[tuple[str, str], None] = {}  # in order, none twice

    def on_run_start(self, run: RunInfo) -> None:
        """Remember what is run."""
        self._recipe = run.recipe

    def on_epoch_end(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Remember the training curve."""
        self._epochs.append((epoch, dict(metrics)))

    def on_stage_end(self, stage: str, seconds: float) -> None:
        """Remember how long the stage took."""
        self._stages[stage] = seconds

    def on_message(self, level: str, text: str) -> None:
        """Remember what the user was told."""
        self._messages[level, text] = None

    def on_context_ready(self, context: Context, references: Sequence[np.ndarray]) -> None:
        """Make small pictures of the first references."""
        shown = references[:REFERENCES_SHOWN]
        self._references[context.name] = [thumbnail(image, REFERENCE_AREA) for image in shown]

    def on_scores(self, category: str, results: Sequence[TestResult]) -> None:
        """Note all scores, and keep small pictures of the most telling cases."""
        gallery = self._categories.setdefault(category, CategoryGallery(self.gallery))
        for result in results:
            gallery.add(result)

    def on_report(self, out: Path, metrics: Mapping[str, Any]) -> None:
        """Write the page."""
        recipe = out / "recipe.yaml"
        saved = recipe.read_text(encoding="utf-8") if recipe.is_file() else yaml.safe_dump(dict(self._recipe))
        page = Page(
            title=out.resolve().name,
            out=out,
            metrics=metrics,
            categories=self._categories,
            recipe=saved,
            epochs=self._epochs,
            stages=self._stages,
            messages=list(self._messages),
            references=self._references,
        )
        write_text(out / "report.html", page.render())

    def on_run_end(self) -> None:
        """Be ready to watch another run."""
        self._forget()
