"""Routing: how many images find their context, and how many of a product without a context are told to be unknown.

Run it with:
    python benchmarks/routing.py --data ROOT --weights FILE [--shots 1 2 4 8] [--seeds 5] [--most 60]

ROOT is in MVTec layout, one category or many; the categories of the demo set are contexts beside them. Its two plate
lines make one part, so either of them counts as right for both. Test images are drawn, `--most` of a category, good and
defective. Prints a line for each number of shots: right contexts among all images, images found near their own context,
and images told to be unknown when their own context is left out; then the worst category of each.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adcore.detector import Detector
from adcore.images import Images
from adcore.interfaces import Features
from adcore.recipe import parse
from adcore.routing import Router, describe, survey

Category = tuple[list[Tensor], Tensor]
"""Normal training images, and descriptors of test images [n, D]."""


def detector(data: Any, weights: str) -> tuple[Detector, Images]:
    backbone = {"name": "resnet", "depth": 18, "levels": [1, 2, 3], "weights": weights}
    runner = parse({"data": data, "backbone": backbone, "matcher": "patchcore", "fuser": "mean"}).build()
    made = runner.detector().eval()
    return made, Images(runner.data, made.image_size)


def categories(made: Detector, images: Images, most: int) -> Iterator[tuple[str, Category]]:
    draws = np.random.default_rng(0)
    samples = images.data.samples()
    for category in dict.fromkeys(sample.category for sample in samples):
        own = [sample for sample in samples if sample.category == category]
        tests = [sample for sample in own if sample.split == "test"]
        tests = [tests[i] for i in draws.permutation(len(tests))[:most]]
        normals = [sample for sample in own if sample.split == "train" and not sample.label]
        normals = [normals[i] for i in draws.permutation(len(normals))[:40]]
        with torch.inference_mode():
            found = [describe(made.features(images.image(sample)[None])) for sample in tests]
        yield category, ([images.image(sample) for sample in normals], torch.cat(found))


def part(category: str) -> str:
    return "plate" if category.startswith("plate_line_") else category


def measure(
    extract: Callable[[Tensor], Features], found: dict[str, Category], shots: int, seed: int
) -> dict[str, dict[str, float]]:
    places = {}
    for category, (normals, _) in found.items():
        order = np.random.default_rng(seed).permutation(len(normals))
        places[category] = survey(extract, [normals[i] for i in order[:shots]])
    everywhere, shares = Router(places), {}
    for category, (_, tests) in found.items():
        routes = [everywhere.route(descriptor) for descriptor in tests]
        others = Router({name: place for name, place in places.items() if part(name) != part(category)})
        shares[category] = {
            "right context": float(np.mean([part(route.context) == part(category) for route in routes])),
            "near it": float(np.mean([route.near and part(route.context) == part(category) for route in routes])),
            "unknown": float(np.mean([not others.route(descriptor).near for descriptor in tests])),
        }
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--most", type=int, default=60)
    options = parser.parse_args()
    found: dict[str, Category] = {}
    for data in ({"name": "folder", "root": options.data}, {"name": "demo", "normals": 40}):
        made, images = detector(data, options.weights)
        found |= categories(made, images, options.most)
    for shots in options.shots:
        runs = [measure(made.features, found, shots, seed) for seed in range(options.seeds)]
        line = []
        for key in runs[0][next(iter(found))]:
            mean = {category: float(np.mean([shares[category][key] for shares in runs])) for category in found}
            worst = min(mean, key=lambda category: mean[category])
            line.append(f"{key} {np.mean(list(mean.values())):.1%} (worst {worst} {mean[worst]:.1%})")
        print(f"{shots} shots: " + ", ".join(line), flush=True)


if __name__ == "__main__":
    main()
