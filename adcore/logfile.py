"""The run's ``log.txt``: what happened when."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from adcore.hooks import RunInfo
from adcore.interfaces import Observer


class LogFile(Observer):
    """Appends one line per event to ``log.txt``; part of every run."""

    def __init__(self) -> None:
        self._file: Path | None = None

    def on_run_start(self, run: RunInfo) -> None:
        """Name the run."""
        self._file = run.out / "log.txt"
        self._write(f"{'resumed' if run.resumed else 'started'}: {', '.join(run.categories)}")

    def on_stage_start(self, stage: str, total: int) -> None:
        """Name the stage."""
        self._write(f"{stage}: {total} steps")

    def on_stage_end(self, stage: str, seconds: float) -> None:
        """How long the stage took."""
        self._write(f"{stage}: done in {seconds:.1f} s")

    def on_epoch_end(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        """The figures of an epoch."""
        self._write(f"epoch {epoch}/{epochs}: " + ", ".join(f"{key} {value:.4g}" for key, value in metrics.items()))

    def on_message(self, level: str, text: str) -> None:
        """What the user was told."""
        self._write(f"{level}: {text}")

    def on_error(self, error: BaseException) -> None:
        """Why the run ended early."""
        self._write(f"ended by {type(error).__name__}: {error}")

    def on_run_end(self, seconds: float) -> None:
        """How long all of it took."""
        self._write(f"end after {seconds:.1f} s")

    def _write(self, line: str) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
