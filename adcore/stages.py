"""The stages of one run, in order; each leaves its results in the run folder before the next begins."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from adcore.background import in_background
from adcore.context import Context
from adcore.context_store import ContextStore
from adcore.data.resizing import to_uint8
from adcore.data.samples import Sample
from adcore.evaluation import Judged, all_metrics, judge_category, write_predictions
from adcore.fitting import ContextFitter, Draft
from adcore.folds import evenly
from adcore.hooks import Example
from adcore.images import Images
from adcore.interfaces import Features
from adcore.joined_processes import joined
from adcore.lazy_sequence import LazySequence
from adcore.maps import map_names, write_map
from adcore.metrics.summary import jsonable
from adcore.model import restore, save_model
from adcore.observing import Observers
from adcore.paired_contexts import PairedContexts
from adcore.planning import CategoryPlan, plan_notes
from adcore.prediction import Prediction, TestResult
from adcore.representatives import looked_at, representatives
from adcore.settings import trains_head
from adcore.statistics import adapt_statistics
from adcore.store import folder_name, save_json
from adcore.trainable import backbone_mode
from adcore.training import Trainer
from adcore.training_set import training_set
from adcore.unlike_others import notes_on_references

if TYPE_CHECKING:
    from adcore.runner import Runner


STATISTICS_IMAGES = 16
"""Normal images of each category that a random backbone's normalisation statistics are taken from."""

STATISTICS_CATEGORIES = 64
"""Categories that they are taken from, an even choice of more."""


class Stages:
    """Fit, reference, calibrate, test, report."""

    def __init__(self, runner: Runner, out: Path, recipe: str, plans: Mapping[str, CategoryPlan], observers: Observers):
        """Prepare the stages of `runner` in the folder `out`; `recipe` is kept with the model."""
        self.runner = runner
        self.out = out
        self.recipe = recipe
        self.plans = plans
        self.observers = observers
        self.device = runner.torch_device()
        self.detector = runner.detector().to(self.device)
        self.images = Images(runner.data, self.detector.image_size)
        self.notes = plan_notes(plans, runner.context)
        self._sources = {
            sample.path: sample for part in plans.values() for sample in (*part.normals, *part.split.candidates)
        }
        self._fitter, self._predict = self._judging()

    def all(self) -> dict[str, Any]:
        """Run what is not done yet; returns the metrics."""
        for category, notes in self.notes.items():
            for note in notes:
                self.observers.on_message(level="warning", text=f"{category}: {note}")
        computed = f"computing on {self.device} in {self.detector.precision} with {torch.get_num_threads()} threads"
        self.observers.on_message(level="info", text=computed)
        if self.runner.reference == "representative":
            self.choose()
        self.fit()
        self.detector.eval()
        contexts = self.contexts()
        judged = self.test(contexts)
        return self.report(contexts, judged)

    def choose(self) -> None:
        """Take as references those of the normals that nothing else is held out for which differ most."""
        plans, counter = dict(self.plans), itertools.count(1)
        total = sum(len(looked_at(part.split.candidates, len(part.split.references))) for part in plans.values())
        self.detector.eval()
        with self._stage("choose", total) as progress:

            def extract(image: torch.Tensor) -> Features:
                progress(next(counter), total)
                return self.detector.features(image.to(self.device), full=True)  # the same picks in any precision

            for category, part in self.plans.items():
                wanted = len(part.split.references)
                picks, apart, seen = representatives(part.split.candidates, wanted, self.images.image, extract)
                plans[category] = replace(part, split=part.split.with_references(picks))
                for note in notes_on_references(_paths(apart), seen):
                    self.observers.on_message(level="info", text=f"{category}: {note}")
        self.plans = plans

    def fit(self) -> None:
        """Train the head, if there is one, and save the model without contexts."""
        model, folder, runner = self.out / "model", self.out / "fit", self.runner
        if (model / "weights.safetensors").exists():
            restore(self.detector, model / "weights.safetensors")
            return
        if backbone_mode(self.detector, runner.training) == "statistics":
            adapt_statistics(self.detector.backbone, self._normal_batches())
        if not trains_head(self.detector.head, runner.training):
            save_model(model, self.detector, self.recipe)
        else:
            sets = {category: training_set(part, runner.seed) for category, part in self.plans.items()}
            steps, recipe = runner.training.epochs * runner.training.steps, self.out / "recipe.yaml"
            with self._stage("fit", steps) as progress, joined(runner, recipe, folder, sets) as fabric:
                trainer = Trainer(
                    self.detector, self.images, runner.synthesizers, runner.training, runner.seed, folder, fabric
                )
                trainer.fit(sets, progress, self._on_epoch_end, self._on_examples)
                save_model(model, self.detector, self.recipe)

    def _on_epoch_end(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        self.observers.on_epoch_end(epoch=epoch, epochs=epochs, metrics=metrics)

    def _on_examples(self, epoch: int, examples: Sequence[Example]) -> None:
        self.observers.on_examples(epoch=epoch, examples=examples)

    def _normal_batches(self) -> Iterator[torch.Tensor]:
        """A few normal images of each category, on the device: training images, or where there are none references."""
        for part in evenly(list(self.plans.values()), STATISTICS_CATEGORIES):
            samples = (part.split.training or part.split.references)[:STATISTICS_IMAGES]
            yield self.images.stack(samples).to(self.device)

    def contexts(self) -> dict[str, Context]:
        """One calibrated context per category, in two stages."""
        store = ContextStore(self.out / "model" / "contexts")
        contexts = {name: store.load(name) for name in store.names() if name in self.plans}
        todo = {category: part for category, part in self.plans.items() if category not in contexts}
        fitter = self._fitter
        drafts: dict[str, Draft] = {}
        if todo:
            with self._stage("reference", len(todo)) as progress:
                for category, part in todo.items():
                    scale = [sample for sample in part.split.validation if sample.reference or not part.golden]
                    drafts[category] = fitter.draft(category, _paths(part.references), _paths(scale))
                    progress(len(drafts), len(todo))
            total = sum(len(part.split.calibration) for part in todo.values())
            with self._stage("calibrate", total) as progress:
                counter = itertools.count(1)
                for category, draft in drafts.items():
                    images = _paths(todo[category].split.calibration)
                    contexts[category] = fitter.calibrate(draft, images, lambda: progress(next(counter), total))
                    store.save(contexts[category])
        for category, part in self.plans.items():
            for note in contexts[category].notes:
                if note not in self.notes[category]:  # what calibrating has shown, beyond what was planned
                    self.notes[category].append(note)
                    self.observers.on_message(level="warning", text=f"{category}: {note}")
            references = LazySequence(self._picture, part.references)
            self.observers.on_context_ready(context=contexts[category], references=references)
        return {category: contexts[category].to(self.device) for category in self.plans}

    def _judging(self) -> tuple[ContextFitter, Callable[[Sample, torch.Tensor, Context], Prediction]]:
        """What makes contexts, and the verdict on a sample whose image is at hand."""
        rate, detector = self.runner.context.false_alarm_rate, self.detector
        if self.runner.reference == "paired":
            samples = [sample for part in self.plans.values() for sample in (*part.normals, *part.tests)]
            fitter = PairedContexts(detector, self.runner.data, samples, rate, self.runner.registration)
            return fitter, lambda sample, image, context: fitter.predict(sample, context)
        drawn = ContextFitter(detector, self._read, rate)
        return drawn, lambda sample, image, context: detector.predict(image.to(self.device), context)

    def _read(self, path: str) -> torch.Tensor:
        """An image that a context is made from by its path, float [3, H, W]."""
        return self.images.image(self._sources[path])

    def _picture(self, sample: Sample) -> np.ndarray:
        return to_uint8(self.images.image(sample))

    def test(self, contexts: Mapping[str, Context]) -> dict[str, Judged]:
        """Judge all test images."""
        total = sum(len(part.tests) for part in self.plans.values())
        judged, done = {}, 0
        with self._stage("test", total) as progress, in_background() as background:
            for category, part in self.plans.items():
                folder = self.out / "maps" / folder_name(category)
                names = map_names([sample.path for sample in part.tests])

                def on_result(
                    result: TestResult,
                    context: Context = contexts[category],
                    folder: Path = folder,
                    names: Mapping[str, str] = names,
                ) -> None:
                    nonlocal done
                    background(write_map, folder / names[result.sample.path], result, context)
                    self.observers.on_scores(category=result.sample.category, results=[result])
                    progress(done := done + 1, total)

                if part.tests:
                    judged[category] = judge_category(
                        self.detector,
                        self.images,
                        contexts[category],
                        part.tests,
                        part.normals,
                        self._predict,
                        on_result,
                        1 if self.runner.reference == "paired" else self.detector.at_once,
                    )
            write_predictions(
                self.out / "predictions.csv", (row for part in judged.values() for row in part.predictions)
            )
        return judged

    def report(self, contexts: Mapping[str, Context], judged: Mapping[str, Judged]) -> dict[str, Any]:
        """Measure, and hand everything to the observers."""
        with self._stage("report", 1) as progress:
            metrics = all_metrics(judged) if judged else {"mean": {}, "worst": {}, "categories": {}}
            metrics["contexts"] = {name: _summary(context, self.notes[name]) for name, context in contexts.items()}
            metrics["settings"] = {
                "false_alarm_rate": self.runner.context.false_alarm_rate,
                "score": self.runner.score,
                "image_size": list(self.detector.image_size),
                "shots": self.runner.context.shots,
                "reference": self.runner.reference,
                "device": str(self.device),
                "precision": self.detector.precision,
                "threads": torch.get_num_threads(),
            }
            plain: dict[str, Any] = jsonable(metrics)
            self.observers.on_report(out=self.out, metrics=plain)
            save_json(self.out / "metrics.json", plain)  # last: a run with this file is finished
            progress(1, 1)
        return plain

    @contextmanager
    def _stage(self, stage: str, total: int) -> Iterator[Any]:
        started = time.monotonic()
        self.observers.on_stage_start(stage=stage, total=total)
        yield lambda done, of: self.observers.on_progress(stage=stage, done=done, total=of)
        self.observers.on_stage_end(stage=stage, seconds=time.monotonic() - started)


def _paths(samples: Iterable[Sample]) -> list[str]:
    return [sample.path for sample in samples]


def _summary(context: Context, notes: Sequence[str]) -> dict[str, Any]:
    calibration = context.calibration
    assert calibration is not None
    return {
        "references": list(context.references),
        "calibration": len(calibration.scores),
        "calibration_method": calibration.method,
        "supported_rate": calibration.supported_rate,
        "threshold": calibration.threshold,
        "pixel_threshold": calibration.pixel_threshold,
        "choices": [dict(trial) for trial in context.choices],
        "warnings": list(notes),
    }
