"""Training-free matchers on real images: the same references for all, several draws, mean and spread.

Run it with:
    python benchmarks/fewshot_quality.py --data ROOT [ROOT ...] --weights FILE [--shots 1 4] [--seeds 5] [--every 1]
        [--recipe fewshot] [--matcher recipe NAME_OR_YAML ...] [--reference drawn]

The recipe is used as it stands, with other matchers in its place where they are named. Each ROOT is in MVTec layout.
References are those of `adcore run --reference HOW --context.shots K --context.seed S`; the backbone sees each test
image once. `--every 3` judges every third test image, for a first look. Prints a line of JSON for each set, number
of shots and matcher, with what was chosen of what the recipe leaves open.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from adcore.calibration import Calibration
from adcore.context import Context
from adcore.data.samples import Sample
from adcore.data.split import split_normals
from adcore.detector import Detector
from adcore.images import Images
from adcore.metrics.image import rank
from adcore.metrics.pixel import PixelMetrics
from adcore.recipe import parse
from adcore.reference_features import Remembered
from adcore.representatives import representatives
from adcore.settings import ContextSettings
from adcore.studying import fit_references

MATCHERS = ("recipe", "anomalygpt", "patchcore", "mahalanobis", "subspace", "ensemble")
KEYS = ("image.auroc", "image.ap", "pixel.auroc", "pixel.ap")


def detector(root: Path, weights: str, recipe: str, matcher: str) -> tuple[Detector, Images]:
    """The recipe's detector, with another matcher unless it is ``recipe``; a matcher is named or written as YAML."""
    changes = ["--data", str(root), "--backbone.weights", weights]
    if matcher != "recipe":
        named = yaml.safe_load(matcher)
        changes += ["--matcher", named] if isinstance(named, str) else ["--matcher", json.dumps(named)]
    runner = parse(recipe, changes).build()
    made = runner.detector().eval()
    return made, Images(runner.data, made.image_size)


class Evaluation:
    """One data set, its test images' features held in memory."""

    def __init__(self, root: Path, weights: str, recipe: str, every: int, reference: str):
        self.root, self.weights, self.recipe, self.reference = root, weights, recipe, reference
        judge, self.images = detector(root, weights, recipe, "recipe")
        samples = self.images.data.samples()
        self.normals = [sample for sample in samples if sample.split == "train" and not sample.label]
        self.tests = [sample for sample in samples if sample.split == "test"][::every]
        with torch.inference_mode():
            self.features = [judge.features(self.images.image(sample)[None]) for sample in self.tests]
        self.extract = Remembered(partial(judge.features, full=True), memory=2**31)
        self.masks = [self.images.mask(sample) for sample in self.tests]

    def make(self, matcher: str) -> Detector:
        return detector(self.root, self.weights, self.recipe, matcher)[0]

    def references(self, shots: int, seed: int) -> list[Sample]:
        split = split_normals(self.normals, ContextSettings(shots=shots, seed=seed), trained=False)
        if self.reference == "drawn":
            return split.references
        return representatives(split.candidates, shots, self.images.image, self.extract)[0]

    def measure(self, judge: Detector, shots: int, seed: int) -> tuple[dict[str, float], str]:
        """Metrics, and what was chosen of what the recipe leaves open."""
        with torch.inference_mode():
            fitted = fit_references(judge, self.images.stack(self.references(shots, seed)))
        context = Context(
            "benchmark",
            (),
            fitted.matcher,
            fuser=judge.fuser.fit(fitted.among),
            calibration=Calibration.of([0.0], [0.0], 0.5),  # no decision is looked at
            score=fitted.choice.score,
        )
        scores, pixels = [], PixelMetrics()
        for features, mask in zip(self.features, self.masks, strict=True):
            prediction = judge.judge(features, context)
            scores.append(prediction.score)
            if mask is not None:
                pixels.add(prediction.map, mask)
        image = rank(np.asarray(scores), np.asarray([bool(sample.label) for sample in self.tests]))
        chosen = [f"{trial.setting} {trial.value}" for trial in fitted.choice.trials if trial.taken]
        metrics = {"image.auroc": image.auroc(), "image.ap": image.average_precision(), **pixels.compute()}
        return metrics, ", ".join(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--recipe", default="fewshot")
    parser.add_argument("--matcher", nargs="+", default=MATCHERS)
    parser.add_argument("--reference", choices=("drawn", "representative"), default="drawn")
    given = parser.parse_args()
    for root in given.data:
        evaluation = Evaluation(root, given.weights, given.recipe, given.every, given.reference)
        for shots in given.shots:
            for matcher in given.matcher:
                judge = evaluation.make(matcher)
                started = time.monotonic()
                runs = [evaluation.measure(judge, shots, seed) for seed in range(given.seeds)]
                record: dict[str, Any] = {"data": root.name, "shots": shots, "matcher": matcher}
                record["reference"] = given.reference
                for key in KEYS:
                    values = [metrics.get(key, float("nan")) for metrics, _ in runs]
                    record[key] = f"{np.mean(values):.3f} +- {np.std(values):.3f}"
                record["seconds"] = round((time.monotonic() - started) / given.seeds, 1)
                record["chosen"] = [chosen for _, chosen in runs]
                print(json.dumps(record))
                sys.stdout.flush()


if __name__ == "__main__":
    main()
