"""Training-free matchers on real images: the same references for all, several draws, mean and spread.

Run it with:
    python benchmarks/fewshot_quality.py --data ROOT [ROOT ...] --weights FILE [--shots 1 4] [--seeds 5] [--every 1]
        [--matcher NAME_OR_YAML ...]

Each ROOT is in MVTec layout. References are drawn as `adcore run --context.shots K --context.seed S` draws them; the
backbone sees each test image once. `--every 3` judges every third test image, for a first look. Prints a line of JSON
for each set, number of shots and matcher.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from adcore.data.split import split_normals
from adcore.detector import Detector
from adcore.images import Images
from adcore.metrics.image import rank
from adcore.metrics.pixel import PixelMetrics
from adcore.recipe import parse
from adcore.settings import ContextSettings

MATCHERS = ("anomalygpt", "patchcore", "mahalanobis", "subspace", "ensemble")


def detector(root: Path, weights: str, size: int, matcher: Any) -> tuple[Detector, Images]:
    backbone = {"name": "resnet", "depth": 18, "levels": [1, 2, 3], "weights": weights}
    content = {"data": {"name": "folder", "root": str(root)}, "backbone": backbone, "matcher": matcher}
    runner = parse(content | {"fuser": "mean", "image_size": size}).build()
    made = runner.detector().eval()
    return made, Images(runner.data, made.image_size)


class Evaluation:
    """One data set at one size, its test images' features held in memory."""

    def __init__(self, root: Path, weights: str, size: int, every: int):
        self.make = lambda matcher: detector(root, weights, size, matcher)
        backbone, self.images = self.make("anomalygpt")
        samples = self.images.data.samples()
        self.normals = [sample for sample in samples if sample.split == "train" and not sample.label]
        self.tests = [sample for sample in samples if sample.split == "test"][::every]
        with torch.inference_mode():
            self.features = [backbone.features(self.images.image(sample)[None]) for sample in self.tests]
        self.masks = [self.images.mask(sample) for sample in self.tests]

    def measure(self, judge: Detector, shots: int, seed: int) -> dict[str, float]:
        assert judge.matcher is not None
        settings = ContextSettings(shots=shots, seed=seed)
        references = split_normals(self.normals, settings, trained=False).references
        with torch.inference_mode():
            fitted = judge.fit(self.images.stack(references))
            joined, scores, pixels = judge.fuser.fit(fitted.among), [], PixelMetrics()
            for features, mask in zip(self.features, self.masks, strict=True):
                heat = {"reference": judge.matcher.match(features, fitted.matcher)}
                full = judge.full_maps(heat, joined)["fused"]
                scores.append(float(judge.score(full)[0]))
                if mask is not None:
                    pixels.add(full[0].numpy(), mask)
        image = rank(np.asarray(scores), np.asarray([bool(sample.label) for sample in self.tests]))
        return {"image.auroc": image.auroc(), "image.ap": image.average_precision(), **pixels.compute()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--matcher", nargs="+", default=MATCHERS)
    given = parser.parse_args()
    for root in given.data:
        evaluation = Evaluation(root, given.weights, given.size, given.every)
        for shots in given.shots:
            for matcher in given.matcher:
                judge, _ = evaluation.make(yaml.safe_load(matcher))
                runs = [evaluation.measure(judge, shots, seed) for seed in range(given.seeds)]
                record: dict[str, Any] = {"data": root.name, "shots": shots, "matcher": matcher}
                for key in ("image.auroc", "image.ap", "pixel.auroc", "pixel.ap"):
                    values = [run.get(key, float("nan")) for run in runs]
                    record[key] = f"{np.mean(values):.3f} +- {np.std(values):.3f}"
                print(json.dumps(record))
                sys.stdout.flush()


if __name__ == "__main__":
    main()
