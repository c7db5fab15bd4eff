"""The observer that shows a run's progress on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column

from adcore.interfaces import Observer
from adcore.report.duration import duration


class Progress(Observer):
    """Shows a bar with the time left for each stage, on stderr; in a pipe one plain line per finished stage."""

    def __init__(self, quiet: bool = False):
        """Watch a run.

        Args:
            quiet: show warnings only.
        """
        self.quiet = quiet
        self._bars: Bars | None = None  # only while a run shows itself on a terminal
        self._tasks: dict[str, TaskID] = {}
        self._totals: dict[str, int] = {}
        self._moved: set[str] = set()
        self._figures = ""

    def on_run_start(self) -> None:
        """Show bars from now on, where they can be seen."""
        self._tasks, self._totals, self._moved, self._figures = {}, {}, set(), ""
        if self.quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            return
        self._bars = Bars(
            TextColumn("{task.description}", markup=False, table_column=Column(min_width=9)),
            BarColumn(bar_width=20, table_column=Column(min_width=20)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True, table_column=Column(min_width=5)),
            TextColumn(
                "{task.fields[figures]}",
                style="dim",
                markup=False,
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),  # gives way on a narrow terminal
            ),
            console=Console(stderr=True),
            expand=True,
            redirect_stdout=sys.stdout.isatty(),  # what is piped on must not end up on stderr
        )
        self._bars.start()

    def on_stage_start(self, stage: str, total: int) -> None:
        """Add a bar."""
        if self._bars:
            self._tasks[stage] = self._bars.add_task(stage, total=total or None, figures="")
            self._totals[stage] = total

    def on_progress(self, stage: str, done: int, total: int) -> None:
        """Advance the stage's bar."""
        if not self._bars or stage not in self._tasks:
            return
        if stage not in self._moved and done > 1:  # resumed: what was done before says nothing about the speed now
            self._bars.reset(self._tasks[stage], total=total, completed=done)
        else:
            self._bars.update(self._tasks[stage], total=total, completed=done)
        self._moved.add(stage)
        self._totals[stage] = total

    def on_epoch_end(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        """Show the epoch's loss and validation figures."""
        shown = {key: value for key, value in metrics.items() if key == "train.loss" or key.startswith("val.")}
        last_words = [key.rpartition(".")[2] for key in shown]
        unique = len(set(last_words)) == len(last_words)
        titles = last_words if unique else [key.partition(".")[2] for key in shown]
        figures = [f"{title} {value:.3f}" for title, value in zip(titles, shown.values(), strict=True)]
        self._figures = f"epoch {epoch}/{epochs} {' '.join(figures)}"
        if self._bars and "fit" in self._tasks:
            self._bars.update(self._tasks["fit"], figures=self._figures)

    def on_stage_end(self, stage: str, seconds: float) -> None:
        """Fill the bar, or say in a line that the stage is done."""
        if self._bars and stage in self._tasks:
            total = self._totals[stage] or 1
            self._bars.update(self._tasks[stage], total=total, completed=total)
        elif not self.quiet:
            figures = f" ({self._figures})" if stage == "fit" and self._figures else ""
            self._print(f"{stage} done in {duration(seconds)}{figures}")

    def on_message(self, level: str, text: str) -> None:
        """Show warnings, and other messages unless quiet."""
        if level == "warning":
            self._print(f"warning: {text}")
        elif not self.quiet:
            self._print(text)

    def on_error(self) -> None:
        """Leave the terminal as it was: bars stopped, cursor shown."""
        self._stop()

    def on_run_end(self) -> None:
        """The same after a run that went well."""
        self._stop()

    def _stop(self) -> None:
        if self._bars:
            self._bars.stop()
            self._bars = None

    def _print(self, text: str) -> None:
        line = " ".join(text.split())
        if self._bars:
            self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)
