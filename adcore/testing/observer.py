"""What an Observer promises."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from adcore.calibration import Calibration
from adcore.context import Context
from adcore.data.samples import Sample
from adcore.errors import AdcoreWarning, UserError
from adcore.hooks import RunInfo
from adcore.interfaces import Observer
from adcore.observing import ARGUMENTS, Observers
from adcore.prediction import Prediction, TestResult
from adcore.testing import inputs
from adcore.testing.checks import Seen, check, require
from adcore.testing.conduct import use
from adcore.testing.subject import Subject

CATEGORY, SIDE = "part", 24


@use("observer")
def _use(observer: Observer) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _watch(Observers([observer]), Path(folder))


def _watch(observers: Observers, out: Path) -> None:
    """A short run of one category, as its observers see it: every hook but ``on_error``, in order."""
    references = [np.full((SIDE, SIDE, 3), 90, dtype=np.uint8)] * 2
    metrics = {"train.loss": 0.5, "train.learning_rate": 1e-3, "val.pixel.ap": 0.25}
    context = _context()
    observers.on_run_start(run=RunInfo(out, {"fuser": {"class_path": "adcore_plugins.mean.Mean"}}, [CATEGORY]))
    observers.on_message(level="warning", text="few normals")
    observers.on_stage_start(stage="fit", total=1)
    observers.on_progress(stage="fit", done=1, total=1)
    observers.on_epoch_end(epoch=1, epochs=1, metrics=metrics)
    observers.on_stage_end(stage="fit", seconds=0.5)
    observers.on_stage_start(stage="reference", total=1)
    observers.on_progress(stage="reference", done=1, total=1)
    observers.on_stage_end(stage="reference", seconds=0.5)
    observers.on_context_ready(context=context, references=references)
    observers.on_stage_start(stage="test", total=2)
    for index, defect in enumerate(("good", "dent")):
        observers.on_scores(category=CATEGORY, results=[_result(index, defect, context)])
        observers.on_progress(stage="test", done=index + 1, total=2)
    observers.on_stage_end(stage="test", seconds=0.5)
    observers.on_stage_start(stage="report", total=1)
    observers.on_report(out=out, metrics=_metrics(context))
    observers.on_progress(stage="report", done=1, total=1)
    observers.on_stage_end(stage="report", seconds=0.5)
    observers.on_run_end(seconds=2.0)


def _context() -> Context:
    calibration = Calibration.of([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5], rate=0.2)
    paths = tuple(f"{CATEGORY}/train/good/{index}.png" for index in range(2))
    return Context(CATEGORY, paths, {"bank": torch.zeros(4, 3)}, calibration=calibration)


def _result(index: int, defect: str, context: Context) -> TestResult:
    calibration, truth = context.calibration, np.zeros((SIDE, SIDE), dtype=bool)
    assert calibration is not None
    truth[4:10, 4:10] = defect != "good"
    score, map_ = (0.9 if defect != "good" else 0.1), np.where(truth, 0.9, 0.1).astype(np.float32)
    prediction = Prediction(
        context=context.name,
        score=score,
        p_value=calibration.p_value(score),
        decision="anomalous" if score >= calibration.threshold else "normal",
        threshold=calibration.threshold,
        map=map_,
        mask=map_ >= calibration.pixel_threshold,
        branch_scores={"reference": score},
        branch_maps={"reference": map_},
    )
    pixels = (inputs.images(1, SIDE, SIDE)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    sample = Sample(f"{CATEGORY}/test/{defect}/{index}.png", CATEGORY, "test", defect)
    return TestResult(sample, pixels, truth, prediction)


def _metrics(context: Context) -> dict[str, object]:
    """As in metrics.json; a figure that could not be measured is None."""
    figures = {"image.auroc": 1.0, "pixel.ap": 0.5, "pixel.aupro30": None}
    assert context.calibration is not None
    return {
        "mean": figures,
        "worst": figures,
        "categories": {CATEGORY: figures},
        "contexts": {
            CATEGORY: {
                "references": list(context.references),
                "calibration": len(context.calibration.scores),
                "calibration_method": context.calibration.method,
                "supported_rate": context.calibration.supported_rate,
                "threshold": context.calibration.threshold,
                "pixel_threshold": context.calibration.pixel_threshold,
                "warnings": [],
            }
        },
        "settings": {"false_alarm_rate": 0.2, "score": "max", "image_size": [SIDE, SIDE], "shots": 2},
    }


def _observers(subject: Subject) -> Observers:
    observer = subject.build()
    try:
        return Observers([observer])
    except UserError:
        pytest.skip("a hook or argument is unknown: see the check `known_hooks`")


@contextmanager
def _strictly() -> Iterator[None]:
    """Notice failures of which a run that ends early only warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", AdcoreWarning)
        try:
            yield
        except AdcoreWarning as failure:
            raise Seen(str(failure)) from None


@check(
    "observer", "write the hook and its arguments as in adcore/hooks.py; call what is no hook without `on_` in front"
)
def known_hooks(subject: Subject) -> None:
    """Each method ``on_*`` is a hook and takes some of the hook's arguments, by name; there is at least one."""
    observer = subject.build()
    Observers([observer])
    hooks = [hook for hook in ARGUMENTS if hasattr(observer, hook)]
    require(bool(hooks), "it implements no hook, so it sees nothing", f"implement one of {', '.join(ARGUMENTS)}")


@check(
    "observer",
    "write only below the `out` of on_run_start, and expect figures that are None and categories without defects",
)
def survives_a_run(subject: Subject) -> None:
    """It watches a run from its first to its last hook, and then another one."""
    observers = _observers(subject)
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            _watch(observers, Path(folder))


@check(
    "observer",
    "give every attribute a value in __init__, and let on_run_end do without what later hooks would have set",
)
def survives_an_early_end(subject: Subject) -> None:
    """It watches a run that ends before ``on_run_start``, as a file is damaged, and one that is interrupted."""
    observers = _observers(subject)
    with tempfile.TemporaryDirectory() as folder, _strictly():
        observers.on_error(error=ValueError("an image cannot be read"))
        observers.on_run_end(seconds=0.1)
        observers.on_run_start(run=RunInfo(Path(folder), {}, [CATEGORY]))
        observers.on_stage_start(stage="fit", total=2)
        observers.on_progress(stage="fit", done=1, total=2)
        observers.on_error(error=KeyboardInterrupt())
        observers.on_run_end(seconds=0.1)
