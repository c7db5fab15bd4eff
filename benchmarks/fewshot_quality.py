"""Training-free matchers on real images: the same references for all, several draws, mean and spread.

Run it with:
    python benchmarks/fewshot_quality.py --data ROOT [ROOT ...] --weights FILE [--shots 1 4] [--seeds 5] [--every 1]
        [--recipe fewshot] [--matcher recipe NAME_OR_YAML ...] [--reference drawn] [--moved] [--KEY VALUE ...]

The recipe is used as it stands, with other matchers in its place where they are named. Each ROOT is in MVTec layout, or
`products`; any other value of the recipe can be changed, as in `adcore run` (`--data products --data.count 80`).
References are those of `adcore run --reference HOW --context.shots K --context.seed S`; the backbone sees each test
image once. `--every 3` judges every third test image, for a first look. `--moved` shifts and turns
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
import yaml
from torch import Tensor

from adcore import similarity
from adcore.calibration import Calibration
from adcore.context import Context
from adcore.data.samples import Sample, by_category
from adcore.data.split import split_normals
from adcore.detector import Detector
from adcore.images import Images
from adcore.metrics.image import rank
from adcore.metrics.pixel import PixelMetrics
from adcore.recipe import parse
from adcore.reference_features import Remembered
from adcore.representatives import representatives
from adcore.settings import ContextSettings
from adcore.similarity import Similarity
from adcore.studying import fit_references

MATCHERS = ("recipe", "anomalygpt", "patchcore", "mahalanobis", "subspace", "ensemble")
KEYS = ("image.auroc", "image.ap", "pixel.auroc", "pixel.ap")


Run = tuple[dict[str, float], str]
"""Metrics of one category and draw, and what was chosen of what the recipe leaves open."""

SHIFT, TURN = 0.12, 15.0
"""How far `--moved` shifts an image, as a share of its longer side, and turns it, in degrees; at most, either way."""


class Moved(Images):
    """Each image shifted and turned by random amounts of its own; what comes in from outside repeats the edge."""

    def image(self, sample: Sample) -> Tensor:
        """Float [3, H, W] in [0, 1]."""
        return _moved(super().image(sample), sample)[0]

    def mask(self, sample: Sample) -> np.ndarray | None:
        """Bool [H, W], moved as the image is."""
        mask = super().mask(sample)
        if mask is None:
            return None
        moved, inside = _moved(torch.from_numpy(mask)[None].float(), sample)
        return ((moved[0] > 0.5) & inside).numpy()


def _moved(image: Tensor, sample: Sample) -> tuple[Tensor, Tensor]:
    """An image [C, H, W], and where it comes from inside, bool [H, W]."""
    generator = torch.Generator().manual_seed(zlib.crc32(sample.path.encode()))
    x, y, turn = (2 * torch.rand(3, generator=generator) - 1).tolist()
    angle = math.radians(turn * TURN)
    inverse = torch.tensor([[math.cos(angle), math.sin(angle), 2 * SHIFT * x, 2 * SHIFT * y]])
    moved, inside = similarity.sample(image[None], inverse, Similarity((image.shape[1], image.shape[2])).aspect)
    return moved[0], inside[0]


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
        self.images, self.reference = images, reference
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

    def measure(self, judge: Detector, shots: int, seed: int) -> Run:
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
    parser.add_argument("--moved", action="store_true", help="shift and turn each image at random")
    given, changes = parser.parse_known_args()
    for root in given.data:
        made = {
            matcher: detector(root, given.weights, given.recipe, matcher, changes, given.moved)
            for matcher in given.matcher
        }
        first, images = made[given.matcher[0]]
        found = {(shots, matcher): list[Run]() for shots in given.shots for matcher in given.matcher}
        seconds = dict.fromkeys(found, 0.0)
        for samples in by_category(images.data.samples()).values():
            evaluation = Evaluation(first, images, samples, given.every, given.reference)
            for (shots, matcher), runs in found.items():
                started = time.monotonic()
                runs += [evaluation.measure(made[matcher][0], shots, seed) for seed in range(given.seeds)]
                seconds[shots, matcher] += time.monotonic() - started
        for (shots, matcher), runs in found.items():
            record: dict[str, Any] = {"data": root.name, "shots": shots, "matcher": matcher}
            record |= {"reference": given.reference, "moved": given.moved}
            for key in KEYS:
                values = [metrics.get(key, float("nan")) for metrics, _ in runs]
                record[key] = f"{np.mean(values):.3f} +- {np.std(values):.3f}"
            record["seconds"] = round(seconds[shots, matcher] / given.seeds, 1)
            record["chosen"] = dict(Counter(chosen for _, chosen in runs))
            print(json.dumps(record))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
