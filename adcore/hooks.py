"""The hooks of a run: when observers are called, and with what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import numpy as np

    from adcore.context import Context
    from adcore.prediction import TestResult

PROJECT = "adcore"
_spec = pluggy.HookspecMarker(PROJECT)


@dataclass(frozen=True)
class RunInfo:
    """What a run knows of itself at its start.

    Attributes:
        out: the run folder.
        recipe: the resolved recipe, plain data.
        categories: names of the categories in order.
        resumed: whether an earlier, unfinished run is being continued.
    """

    out: Path
    recipe: Mapping[str, Any]
    categories: Sequence[str]
    resumed: bool = False


class Hooks:
    """Every hook, when it fires and with what. An observer may take fewer arguments."""

    @_spec
    def on_run_start(self, run: RunInfo) -> None:
        """Once, after the recipe was checked and before anything is computed."""

    @_spec
    def on_stage_start(self, stage: str, total: int) -> None:
        """A stage begins: ``fit``, ``reference``, ``calibrate``, ``test`` or ``report``; `total` steps ahead."""

    @_spec
    def on_progress(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` steps of the stage are done."""

    @_spec
    def on_stage_end(self, stage: str, seconds: float) -> None:
        """The stage is done and its results are on disk; `seconds` of wall time."""

    @_spec
    def on_epoch_end(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        """A training epoch (counted from 1) was validated; `metrics` such as ``train.loss``, ``val.pixel.f1``."""

    @_spec
    def on_context_ready(self, context: Context, references: Sequence[np.ndarray]) -> None:
        """A context has its references, matcher state and calibration; `references` are uint8 [H, W, 3]."""

    @_spec
    def on_scores(self, category: str, results: Sequence[TestResult]) -> None:
        """A few test images were judged. Do not keep them all: maps are large."""

    @_spec
    def on_report(self, out: Path, metrics: Mapping[str, Any]) -> None:
        """Everything is measured; ``metrics.json`` and ``predictions.csv`` are in `out`."""

    @_spec
    def on_message(self, level: str, text: str) -> None:
        """Something to tell the user; `level` is ``info`` or ``warning``."""

    @_spec
    def on_error(self, error: BaseException) -> None:
        """The run ends early by this error (KeyboardInterrupt included)."""

    @_spec
    def on_run_end(self, seconds: float) -> None:
        """The run is over, also after an error."""
