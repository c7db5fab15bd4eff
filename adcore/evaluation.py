"""The test stage: every test image judged in its context, measured and written down."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from adcore.background import prefetched
from adcore.baseline import MeanImage
from adcore.context import Context
from adcore.data.resizing import to_uint8
from adcore.data.samples import Sample
from adcore.detector import Detector
from adcore.images import Images
from adcore.metrics.flip import flip_metrics
from adcore.metrics.pixel import PixelMetrics
from adcore.metrics.summary import category_metrics, summarise
from adcore.prediction import Prediction, TestResult
from adcore.store import write_text

OURS, BASELINE = "fused", "baseline"


@dataclass
class Judged:
    """All verdicts on one category; maps are folded into the pixel metrics and not kept."""

    samples: list[Sample] = field(default_factory=list)
    predictions: list[Row] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    pixels: dict[str, PixelMetrics] = field(default_factory=dict)

    def add(
        self, sample: Sample, prediction: Prediction, truth: np.ndarray | None, baseline: np.ndarray, floor: float
    ) -> None:
        """Take in one verdict, with the baseline's map and score of the same image."""
        self.samples.append(sample)
        self.predictions.append(Row.of(sample, prediction))
        maps = {OURS: prediction.map, **prediction.branch_maps, BASELINE: baseline}
        scores = {OURS: prediction.score, **prediction.branch_scores, BASELINE: floor}
        for branch, values in maps.items():
            self.scores.setdefault(branch, []).append(scores[branch])
            pixels = self.pixels.setdefault(branch, PixelMetrics())
            if truth is not None:
                pixels.add(values, truth)

    def metrics(self, branch: str) -> dict[str, float]:
        """Metrics of a branch's map and score, with the decisions for the fused one."""
        labels = [sample.label for sample in self.samples]
        decisions = [row.decision == "anomalous" for row in self.predictions] if branch == OURS else None
        return category_metrics(self.scores[branch], labels, decisions, self.pixels.pop(branch))


@dataclass(frozen=True)
class Row:
    """One line of ``predictions.csv``."""

    path: str
    category: str
    context: str
    label: int | str
    score: float
    p_value: float
    decision: str
    defect: str
    reference: str | None
    branches: Mapping[str, float]

    @classmethod
    def of(cls, sample: Sample, prediction: Prediction) -> Row:
        """The line of a test sample."""
        return cls(
            sample.path,
            sample.category,
            prediction.context,
            sample.label,
            prediction.score,
            prediction.p_value,
            prediction.decision,
            sample.defect,
            prediction.reference,
            dict(prediction.branch_scores),
        )


def judge_category(
    detector: Detector,
    images: Images,
    context: Context,
    tests: Sequence[Sample],
    normals: Sequence[Sample],
    predict: Callable[[Sample, Tensor, Context], Prediction],
    on_result: Callable[[TestResult], None],
    at_once: int = 1,
) -> Judged:
    """Judge the test images of one category.

    Args:
        detector: the trained detector.
        images: reads the data set.
        context: on the detector's device, calibrated.
        tests: test samples of the category.
        normals: normal training samples, for the baseline.
        predict: gives the verdict on a sample and its image, float [3, H, W], in the context.
        on_result: called after each image, in order.
        at_once: images judged at the same time, each by one thread.
    """
    baseline = MeanImage()
    baseline.fit(images.training_image(sample) for sample in normals)
    judged = Judged()

    def read(sample: Sample) -> tuple[Sample, Tensor]:
        return sample, images.image(sample)

    def judge(sample: Sample, image: Tensor) -> tuple[TestResult, Tensor, float]:
        prediction = predict(sample, image, context)
        result = TestResult(sample, to_uint8(image), images.mask(sample), prediction)
        floor = baseline.map(image)
        return result, floor, float(detector.score(floor[None])[0])

    if at_once > 1:
        results: Iterable[tuple[TestResult, Tensor, float]] = prefetched(lambda s: judge(*read(s)), tests, at_once)
    else:
        results = (judge(*one) for one in prefetched(read, tests))
    for result, floor, floor_score in results:
        judged.add(result.sample, result.prediction, result.mask, floor.numpy(), floor_score)
        on_result(result)
    return judged


def all_metrics(judged: Mapping[str, Judged]) -> dict[str, Any]:
    """Everything that is measured: ours per category, mean and worst, and the branches and the baseline beside it."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for category, part in judged.items():
        for branch in list(part.scores):
            found.setdefault(branch, {})[category] = part.metrics(branch)
    metrics: dict[str, Any] = {**summarise(found[OURS]), "categories": found[OURS]}
    flips = flip_metrics(
        (row.path, row.context, row.label, row.decision == "anomalous")  # type: ignore[misc]
        for part in judged.values()
        for row in part.predictions
    )
    metrics["mean"] |= {key: value for key, value in flips.items() if value == value}  # nan: nothing is shared
    others = {branch: {"mean": summarise(found[branch])["mean"], "categories": found[branch]} for branch in found}
    metrics["branches"] = {branch: part for branch, part in others.items() if branch not in (OURS, BASELINE)}
    metrics["baseline"] = others[BASELINE]
    return metrics


def write_predictions(path: Path, rows: Iterable[Row]) -> None:
    """Write ``predictions.csv``; numbers are written so that reading them gives the same number again."""
    rows = list(rows)
    paired = ["golden_sample"] if any(row.reference for row in rows) else []
    branches = list(dict.fromkeys(branch for row in rows for branch in row.branches))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["path", "category", "context", "label", "score", "p_value", "decision", "defect", *paired, *branches]
    )
    for row in rows:
        scores = [repr(row.branches[branch]) if branch in row.branches else "" for branch in branches]
        fixed = [row.path, row.category, row.context, row.label, repr(row.score), repr(row.p_value), row.decision]
        writer.writerow([*fixed, row.defect, *([row.reference] if paired else []), *scores])
    write_text(path, text.getvalue())
