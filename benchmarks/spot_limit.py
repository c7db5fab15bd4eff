"""How often `adcore spot`, which has no images to calibrate with, calls normal and defective images anomalous.

Run it with:
    python benchmarks/spot_limit.py --data ROOT --weights FILE [--seeds 2] [--every 1] [--KEY VALUE ...]

ROOT is in MVTec layout, or `products`. Any value of the recipe can be changed, as in `adcore spot`:
    --data products --data.count 70 --data.normals 2 --data.good 2 --data.defective 2 --data.image_size 512
    --head null --fuser mean
Each category has one of its normals for a reference, drawn anew by each seed. Prints one line of JSON for each seed:
images called anomalous, of how many, and the image AUROC of all scores together, which takes no limit.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from adcore.data.samples import Sample, by_category
from adcore.data.split import split_normals
from adcore.metrics.image import rank
from adcore.paired import PairFitter
from adcore.recipe import parse
from adcore.settings import ContextSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--recipe", default="paired")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="judge one test image in so many, of each kind")
    asked, changes = parser.parse_known_args()
    fixed = [f"--data={asked.data}", f"--image_size={asked.image_size}", f"--backbone.weights={asked.weights}"]
    runner = parse(asked.recipe, [*fixed, *changes]).build()
    detector, samples = runner.detector().eval(), runner.data.samples()
    by_path = {sample.path: sample for sample in samples}
    fitter = PairFitter(detector, lambda path: runner.data.image(by_path[path]), runner.registration)

    normals = by_category(sample for sample in samples if sample.split == "train" and not sample.label)
    tests: dict[tuple[str, bool], list[Sample]] = {}
    for sample in samples:
        if sample.split == "test":
            tests.setdefault((sample.category, bool(sample.label)), []).append(sample)
    judged = [sample for key in sorted(tests) for sample in tests[key][:: asked.every]]
    for seed in range(asked.seeds):
        settings = ContextSettings(shots=1, seed=seed)
        golden = {name: split_normals(own, settings, trained=False).references[0].path for name, own in normals.items()}
        scores, called = [], []
        for sample in judged:
            pair = fitter.pair("golden sample", runner.data.image(sample), [golden[sample.category]])
            found, _ = fitter.spot(pair, runner.context.false_alarm_rate)
            scores.append(found.score)
            called.append((bool(sample.label), found.decision == "anomalous"))
        wrong, told = np.asarray(called).T
        record = {"data": asked.data, "seed": seed, "image.auroc": round(rank(np.asarray(scores), wrong).auroc(), 4)}
        for kind, those in (("normal", ~wrong), ("defective", wrong)):
            record[kind] = f"{int(told[those].sum())} of {int(those.sum())}"
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
