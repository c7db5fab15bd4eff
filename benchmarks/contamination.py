"""Faulty images among the normals: how many of them are chosen as references, beside how many a random draw takes.

Run it with:
    python benchmarks/contamination.py --data ROOT [ROOT ...] --weights FILE [--normals 100] [--faulty 1 2 5 10]
        [--draws 20]

Each ROOT is one category in MVTec layout. Its defective test images are mixed into normal training images, both drawn
anew each time, and representatives are chosen as `adcore run --reference representative` and `adcore context add
--shots` do. Prints a line of JSON for each set and number of faulty images: how many of the first 4, 8 and 16
references are faulty on average, chosen and drawn.
"""

from __future__ import annotations

import argparse
import json
from functools import cache, partial
from pathlib import Path

import numpy as np
from fewshot_quality import detector

from adcore.data.samples import Sample
from adcore.reference_features import Remembered
from adcore.representatives import representatives

SHOTS = (4, 8, 16)


def drawn(samples: list[Sample], count: int, draw: int) -> list[Sample]:
    return [samples[place] for place in np.random.default_rng(draw).permutation(len(samples))[:count]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--normals", type=int, default=100)
    parser.add_argument("--faulty", type=int, nargs="+", default=[1, 2, 5, 10])
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
                picks, _ = representatives(mixed, max(SHOTS), read, extract)
                found.append([sum(pick.label for pick in picks[:shots]) for shots in SHOTS])
            chosen = np.mean(found, 0).round(2).tolist()
            random = [round(shots * faulty / len(mixed), 2) for shots in SHOTS]
            record = {"data": root.name, "normals": len(mixed) - faulty, "faulty": faulty, "shots": SHOTS}
            print(json.dumps(record | {"chosen": chosen, "drawn": random}), flush=True)


if __name__ == "__main__":
    main()
