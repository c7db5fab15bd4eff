"""The hooks of a run: when observers are called, and with what.

In the order in which a run calls them::

    on_run_start
        on_stage_start  choose      (where references are chosen: `reference: representative`)
            on_progress
        on_stage_end    choose
        on_stage_start  fit         (where a head is trained)
            on_progress, on_examples, on_epoch_end
        on_stage_end    fit
        on_stage_start  reference   (likewise calibrate)
            on_progress
        on_stage_end    reference
        on_context_ready            for each context
        on_stage_start  test
            on_scores, on_progress
        on_stage_end    test
        on_stage_start  report
            on_report, on_progress
        on_stage_end    report
    on_error                        only where the run ends early
    on_run_end

Each observer hears of an event, in the order of the recipe, even if another one fails on it. Then a failure ends the
run: `on_error` and `on_run_end` follow, the command says which observer of which distribution failed in which hook, and
exits with code 2. What was computed stays in the run folder, and ``--resume`` continues behind the last finished stage
or epoch, with the observer mended or left out. An observer that fails in `on_error`, or after it, is only warned of, so
that the error itself stays in sight. Ctrl-C in a hook stops the run at once, also through `on_error` and `on_run_end`.

A run that is resumed calls no hook for stages and epochs done before, but `on_context_ready` for every context. A
finished run that is resumed calls none. Mistakes in a recipe are found before there are observers; mistakes in the data
before `on_run_start`, so that `on_error` and `on_run_end` come without it.
"""

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


@dataclass(frozen=True)
class Example:
    """A validation image as the trained branch sees it.

    Attributes:
        category: of the image.
        image: uint8 [H, W, 3].
        truth: bool [h, w], where it is anomalous, on the head's grid.
        map: float [h, w], the contrastive map.
        embedding: float [D, h, w] of its pixels, unit norm; None where the head gives logits alone.
    """

    category: str
    image: np.ndarray
    truth: np.ndarray
    map: np.ndarray
    embedding: np.ndarray | None


class Hooks:
    """Every hook, when it fires and with what. An observer may take fewer arguments."""

    @_spec
    def on_run_start(self, run: RunInfo) -> None:
        """Once, after recipe and data were checked and before anything is computed.

        Args:
            run: its folder, resolved recipe and categories.
        """

    @_spec
    def on_stage_start(self, stage: str, total: int) -> None:
        """Once for each stage that is not done yet, when it begins.

        Args:
            stage: ``fit``, ``reference``, ``calibrate``, ``test`` or ``report``.
            total: steps ahead: training batches, contexts, calibration images, test images, 1 report; may be 0.
        """

    @_spec
    def on_progress(self, stage: str, done: int, total: int) -> None:
        """After each step of a stage.

        Args:
            stage: as in `on_stage_start`.
            done: steps that are done; a resumed ``fit`` does not begin at 1.
            total: steps of the stage.
        """

    @_spec
    def on_stage_end(self, stage: str, seconds: float) -> None:
        """Once for each stage, when it is done and its results are on disk; not if it fails.

        Args:
            stage: as in `on_stage_start`.
            seconds: of wall time.
        """

    @_spec
    def on_epoch_end(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        """After each training epoch, once it was validated.

        Args:
            epoch: counted from 1.
            epochs: how many there will be.
            metrics: figures of the epoch, such as ``train.loss`` and ``val.pixel.f1``.
        """

    @_spec
    def on_examples(self, epoch: int, examples: Sequence[Example]) -> None:
        """After each training epoch, before `on_epoch_end`.

        Args:
            epoch: counted from 1.
            examples: a few validation images, the same ones in every epoch.
        """

    @_spec
    def on_context_ready(self, context: Context, references: Sequence[np.ndarray]) -> None:
        """Once for each context, when it has its references, matcher state and calibration.

        Args:
            context: the context, calibrated.
            references: its reference images, uint8 [H, W, 3], read when asked for: they may be many.
        """

    @_spec
    def on_scores(self, category: str, results: Sequence[TestResult]) -> None:
        """After each few test images that were judged.

        Args:
            category: of the images.
            results: what was found in each. Do not keep them all: maps are large.
        """

    @_spec
    def on_report(self, out: Path, metrics: Mapping[str, Any]) -> None:
        """Once, when everything is measured; ``predictions.csv`` is written, ``metrics.json`` follows.

        Args:
            out: the run folder.
            metrics: what ``metrics.json`` will hold.
        """

    @_spec
    def on_message(self, level: str, text: str) -> None:
        """At any time: something to tell the user.

        Args:
            level: ``info`` or ``warning``.
            text: one or more lines.
        """

    @_spec
    def on_error(self, error: BaseException) -> None:
        """Once, when the run ends early, Ctrl-C included.

        Args:
            error: why; a `adcore.UserError` is the user's to mend, `KeyboardInterrupt` is Ctrl-C.
        """

    @_spec
    def on_run_end(self, seconds: float) -> None:
        """Once, when the run is over, also after an error.

        Args:
            seconds: of wall time.
        """
