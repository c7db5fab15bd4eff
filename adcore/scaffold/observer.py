"""An observer: a file of its own beside the report.

The hooks that it may implement, and their arguments, stand in `adcore.hooks.Hooks`; take only those that you need. The
arguments of ``__init__`` are what a recipe sets.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from adcore import Observer
from adcore.prediction import TestResult

COLUMNS = ("category", "path", "defect", "decision", "score", "threshold")


class Template(Observer):
    """Writes mistakes.csv: the test images that were judged wrongly, those furthest from the threshold first."""

    def __init__(self, file: str = "mistakes.csv"):
        """Watch a run.

        Args:
            file: what to write in the run folder.
        """
        self.file = file
        self._mistakes: list[tuple[float, tuple[object, ...]]] = []

    def on_run_start(self) -> None:
        """Begin anew."""
        self._mistakes = []

    def on_scores(self, results: Sequence[TestResult]) -> None:
        """Note what was judged wrongly; not the maps, which are large."""
        for result in results:
            sample, verdict = result.sample, result.prediction
            if (verdict.decision == "anomalous") != bool(sample.label):
                row = (sample.category, sample.path, sample.defect, verdict.decision, verdict.score, verdict.threshold)
                self._mistakes.append((abs(verdict.score - verdict.threshold), row))

    def on_report(self, out: Path) -> None:
        """Write the file."""
        self._mistakes.sort(key=lambda mistake: -mistake[0])
        with (out / self.file).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(row for _, row in self._mistakes)
