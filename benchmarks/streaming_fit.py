"""Fitting a context to more and more references: time, and peak memory over the loaded model.

Run it with: python benchmarks/streaming_fit.py --data FOLDER --weights FILE [--matcher patchcore] [--counts 1000 2000]
The images of FOLDER are repeated until there are enough; every repetition is read and decoded anew. Each count runs in
a process of its own. Prints one line of JSON per count; processor time says more than seconds where others compute too.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from measuring import measured

BOUND_MIB = 1536


def fit(given: argparse.Namespace, count: int) -> dict[str, object]:
    import torch

    from adcore.data.decoding import read_image
    from adcore.data.resizing import to_tensor
    from adcore.lazy_sequence import LazySequence
    from adcore.recipe import parse
    from adcore.reference_features import Remembered
    from adcore.studying import fit_references

    recipe = {
        "data": "demo",
        "backbone": {"name": "resnet", "depth": 18, "levels": [1, 2, 3], "weights": given.weights},
        "matcher": json.loads(given.matcher) if given.matcher.startswith("{") else given.matcher,
        "fuser": "mean",
        "image_size": given.size,
    }
    detector = parse(recipe).build().detector().eval()
    with torch.inference_mode():
        detector.features(torch.zeros(1, 3, *detector.image_size))
    files = sorted(file for file in given.data.rglob("*") if file.suffix in (".png", ".jpg"))
    repeated = list(itertools.islice(itertools.cycle(files), count))
    images = LazySequence(lambda file: to_tensor(read_image(file), detector.image_size), repeated)
    cpu = time.process_time()
    extract = Remembered(partial(detector.features, full=True))
    fitted, seconds, mib = measured(lambda: fit_references(detector, images, extract))
    cpu = time.process_time() - cpu
    return {
        "matcher": given.matcher,
        "references": count,
        "seconds": round(seconds, 1),
        "cpu_ms_per_reference": round(1000 * cpu / count, 1),
        "peak_mib_over_model": round(mib),
        "within_bound": mib < BOUND_MIB,
        "judged": len(fitted.among["reference"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="none")
    parser.add_argument("--matcher", default="patchcore")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(fit(given, given.counts[0])), flush=True)
        return
    shared = [
        "--data",
        str(given.data),
        "--weights",
        given.weights,
        "--matcher",
        given.matcher,
        "--size",
        str(given.size),
    ]
    for count in given.counts:
        subprocess.run([sys.executable, __file__, "--alone", "--counts", str(count), *shared], check=True)


if __name__ == "__main__":
    main()
