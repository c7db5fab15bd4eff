"""An observer that keeps its contract."""

from collections.abc import Mapping
from typing import Any

from adcore import Observer
from adcore.hooks import RunInfo


class Good(Observer):
    """Writes the validation figures of each epoch, and the final ones, to figures.txt."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._out = None

    def on_run_start(self, run: RunInfo) -> None:
        self._out = run.out

    def on_epoch_end(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self._lines.append(f"{epoch} {metrics['val.pixel.ap']}")

    def on_report(self, metrics: Mapping[str, Any]) -> None:
        self._lines.append(" ".join(f"{key} {value}" for key, value in metrics["mean"].items()))

    def on_run_end(self) -> None:
        if self._out:
            (self._out / "figures.txt").write_text("\n".join(self._lines))
