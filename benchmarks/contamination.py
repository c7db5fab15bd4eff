"""Faulty images among the normals: how many become references, and whether they are told among calibration images.

Run it with:
    python benchmarks/contamination.py --data ROOT [ROOT ...] --weights FILE [--normals 100] [--faulty 1 2 5 10]
        [--calibration 30] [--draws 20]

Each ROOT is one category in MVTec layout. Its defective test images are mixed into normal training images, both drawn
anew each time, and representatives are chosen as `adcore run --reference representative` and `adcore context add
--shots` do. Prints a line of JSON for each set and number of faulty images: how many of the first 4, 8 and 16
references are faulty on average, chosen and drawn. Then a context of recipe `fewshot` is made from four normals, and a
line says how often something is told of so many calibration images, of which one is faulty or none.
"""

from __future__ import annotations

import argparse
import json
from functools import cache, partial
from pathlib import Path

import numpy as np
from fewshot_quality import detector

from adcore.data.samples import Sample
from adcore.detector import Detector
from adcore.fitting import ContextFitter
from adcore.images import Images
from adcore.reference_features import Remembered
from adcore.representatives import representatives
from adcore.unlike_others import far_above

SHOTS = (4, 8, 16)
MOST = 100
"""Images of either kind that are judged."""


def drawn(samples: list[Sample], count: int, draw: int) -> list[Sample]:
    return [samples[place] for place in np.random.default_rng(draw).permutation(len(samples))[:count]]


def told(made: Detector, images: Images, good: list[Sample], bad: list[Sample], count: int) -> dict[str, float]:
    """Share of draws in which a calibration image is told to be far above the others, 300 of each kind."""
    known = {sample.path: sample for sample in (*good, *bad)}
    drafter = ContextFitter(made, lambda path: images.image(known[path]), 0.05)
    shuffled, wrong = drawn(good, 4 + MOST, 0), drawn(bad, MOST, 0)
    context = drafter.fit("known", [sample.path for sample in shuffled[:4]])
    right = np.array([made.predict(images.image(sample), context).score for sample in shuffled[4:]])
    faulty = np.array([made.predict(images.image(sample), context).score for sample in wrong])
    found = {"clean": 0, "faulty": 0}
    for draw in range(300):
        rng = np.random.default_rng(draw)
        normal = rng.permutation(right)[:count]
        found["clean"] += bool(far_above(normal.tolist()))
        found["faulty"] += count - 1 in far_above([*normal[: count - 1], rng.choice(faulty)])
    return {key: round(number / 300, 2) for key, number in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--normals", type=int, default=100)
    parser.add_argument("--faulty", type=int, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--calibration", type=int, default=30)
    parser.add_argument("--draws", type=int, default=20)
    given = parser.parse_args()
    for root in given.data:
        made, images = detector(root, given.weights, "fewshot", "recipe")
        read, extract = cache(images.image), Remembered(partial(made.features, full=True), memory=2**32)
        samples = images.data.samples()
        good = [sample for sample in samples if sample.split == "train" and not sample.label]
        bad = [sample for sample in samples if sample.split == "test" and sample.label]
        for faulty in given.faulty:
            found = []
            for draw in range(given.draws):
                mixed = drawn(good, given.normals, draw) + drawn(bad, faulty, draw)
                picks, _, _ = representatives(mixed, max(SHOTS), read, extract)
                found.append([sum(pick.label for pick in picks[:shots]) for shots in SHOTS])
            chosen = np.mean(found, 0).round(2).tolist()
            random = [round(shots * faulty / len(mixed), 2) for shots in SHOTS]
            record = {"data": root.name, "normals": len(mixed) - faulty, "faulty": faulty, "shots": SHOTS}
            print(json.dumps(record | {"chosen": chosen, "drawn": random}), flush=True)
        shares = told(made, images, good, bad, given.calibration)
        print(json.dumps({"data": root.name, "calibration": given.calibration, "told": shares}), flush=True)


if __name__ == "__main__":
    main()
