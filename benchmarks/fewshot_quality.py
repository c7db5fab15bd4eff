"""Training-free matchers on real images: the same references for all, several draws, mean and spread.

Run it with:
    python benchmarks/fewshot_quality.py --data ROOT [ROOT ...] --weights FILE [--shots 1 4] [--seeds 5] [--every 1]
        [--recipe fewshot] [--matcher recipe NAME_OR_YAML ...] [--reference drawn] [--moved] [--KEY VALUE ...]

The recipe is used as it stands, with other matchers in its place where they are named. Each ROOT is in MVTec layout, or
`products`; any other value of the recipe can be changed, as in `adcore run` (`--data products --data.count 80`).
References are those of `adcore run --reference HOW --context.shots K --context.seed S`; the backbone sees each test
image once for each matcher. `--every 3` judges every third test image, for a first look. `--moved` shifts and turns
each image at random, as parts lie that nothing holds. Prints a line of JSON for each set, number of shots and matcher,
mean and spread over draws and categories, with what was chosen of what the recipe leaves open.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

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


SHIFT, TURN = 0.12, 15.0
"""How far `--moved` shifts an image, as a share of its side, and turns it, in degrees; at most, either way."""


class Moved(Images):
    """Each image shifted and turned by random amounts of its own; what comes in from outside repeats the edge."""

    def image(self, sample: Sample) -> Tensor:
        """Float [3, H, W] in [0, 1]."""
        return _moved(super().image(sample), sample, "border")

    def mask(self, sample: Sample) -> np.ndarray | None:
        """Bool [H, W], moved as the image is."""
        mask = super().mask(sample)
        return None if mask is None else _moved(torch.from_numpy(mask)[None].float(), sample, "zeros")[0].numpy() > 0.5


def _moved(image: Tensor, sample: Sample, outside: str) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(sample.path.encode()))
    x, y, turn = (2 * torch.rand(3, generator=generator) - 1).tolist()
    sin, cos = math.sin(math.radians(turn * TURN)), math.cos(math.radians(turn * TURN))
    theta = torch.tensor([[[cos, -sin, 2 * SHIFT * x], [sin, cos, 2 * SHIFT * y]]])  # half a side is the unit
    grid = F.affine_grid(theta, [1, *image.shape], align_corners=False)
    return F.grid_sample(image[None], grid, padding_mode=outside, align_corners=False)[0]


def detector(
    root: Path, weights: str, recipe: str, matcher: str, changes: Sequence[str] = (), moved: bool = False
) -> tuple[Detector, Images]:
    """The recipe's detector, with another matcher unless it is ``recipe``; a matcher is named or written as YAML."""
    changes = ["--data", str(root), "--backbone.weights", weights, *changes]
    if matcher != "recipe":
        named = yaml.safe_load(matcher)
        changes += ["--matcher", named] if isinstance(named, str) else ["--matcher", json.dumps(named)]
    runner = parse(recipe, changes).build()
    made = runner.detector().eval()
    return made, (Moved if moved else Images)(runner.data, made.image_size)


class Evaluation:
    """One category of a data set, its test images' features held in memory."""

    def __init__(self, judge: Detector, images: Images, samples: Sequence[Sample], every: int, reference: str):
        self.judge, self.images, self.reference = judge, images, reference
        self.normals = [sample for sample in samples if sample.split == "train" and not sample.label]
        self.tests = [sample for sample in samples if sample.split == "test"][::every]
        with torch.inference_mode():
            self.features = [judge.features(images.image(sample)[None]) for sample in self.tests]
        self.extract = Remembered(partial(judge.features, full=True), memory=2**31)
        self.masks = [images.mask(sample) for sample in self.tests]

    def references(self, shots: int, seed: int) -> list[Sample]:
        split = split_normals(self.normals, ContextSettings(shots=shots, seed=seed), trained=False)
        if self.reference == "drawn":
            return split.references
        return representatives(split.candidates, shots, self.images.image, self.extract)[0]

    def measure(self, shots: int, seed: int) -> tuple[dict[str, float], str]:
        """Metrics, and what was chosen of what the recipe leaves open."""
        judge = self.judge
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
    parser.add_argument("--moved", action="store_true", help="shift and turn each image at random")
    given, changes = parser.parse_known_args()
    for root in given.data:
        for matcher in given.matcher:
            judge, images = detector(root, given.weights, given.recipe, matcher, changes, given.moved)
            categories: dict[str, list[Sample]] = {}
            for sample in images.data.samples():
                categories.setdefault(sample.category, []).append(sample)
            runs: dict[int, list[tuple[dict[str, float], str]]] = {shots: [] for shots in given.shots}
            seconds = dict.fromkeys(given.shots, 0.0)
            for samples in categories.values():
                evaluation = Evaluation(judge, images, samples, given.every, given.reference)
                for shots in given.shots:
                    started = time.monotonic()
                    runs[shots] += [evaluation.measure(shots, seed) for seed in range(given.seeds)]
                    seconds[shots] += time.monotonic() - started
            for shots in given.shots:
                record: dict[str, Any] = {"data": root.name, "shots": shots, "matcher": matcher}
                record |= {"reference": given.reference, "moved": given.moved}
                for key in KEYS:
                    values = [metrics.get(key, float("nan")) for metrics, _ in runs[shots]]
                    record[key] = f"{np.mean(values):.3f} +- {np.std(values):.3f}"
                record["seconds"] = round(seconds[shots] / given.seeds, 1)
                record["chosen"] = dict(Counter(chosen for _, chosen in runs[shots]))
                print(json.dumps(record))
                sys.stdout.flush()


if __name__ == "__main__":
    main()
