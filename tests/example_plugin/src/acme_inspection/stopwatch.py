"""Where the time goes."""

from __future__ import annotations

import json
from pathlib import Path

from adcore import Observer
from adcore.hooks import RunInfo


class Stopwatch(Observer):
    """Writes stages.json into the run folder: the seconds of each stage, also of a run that fails."""

    def __init__(self, digits: int = 3):
        """Watch a run.

        Args:
            digits: behind the point.
        """
        self.digits = digits
        self._out: Path | None = None
        self._seconds: dict[str, float] = {}

    def on_run_start(self, run: RunInfo) -> None:
        self._out, self._seconds = run.out, {}

    def on_stage_end(self, stage: str, seconds: float) -> None:
        self._seconds[stage] = round(seconds, self.digits)

    def on_run_end(self, seconds: float) -> None:
        if self._out:
            times = self._seconds | {"all": round(seconds, self.digits)}
            (self._out / "stages.json").write_text(json.dumps(times))
            self._out = None
