"""How fast procedural products are made: CPU time an image on one thread, set-up of the product included.

Run it with: python benchmarks/products.py [--products 60] [--images 16] [--size 256] [--workers 2]
Half of each product's images have a defect. With `--workers` the same is done in so many processes at once, by the wall
clock. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from multiprocessing import get_context

import numpy as np

from adcore.products import KINDS, Product


def make(number: int, images: int, size: int) -> tuple[str, float, float, float, int]:
    """Kind of the product, CPU seconds of set-up, normal and defective images, and defects without a visible pixel."""
    start = time.process_time()
    product = Product((1, number))
    ready = time.process_time()
    for index in range(images // 2):
        product.normal(index, size)
    half = time.process_time()
    empty = sum(int(not (product.defective(index, size).mask > 0.5).any()) for index in range(images - images // 2))
    return product.design.kind, ready - start, half - ready, time.process_time() - half, empty


def single_threaded() -> None:
    import torch

    torch.set_num_threads(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=60)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args()
    single_threaded()
    make(10**6, 4, args.size)  # warm up
    jobs = [(number, args.images, args.size) for number in range(args.products)]
    start = time.perf_counter()
    if args.workers:
        with get_context("spawn").Pool(args.workers, single_threaded) as pool:
            pool.starmap(make, jobs[: args.workers], 1)
            start = time.perf_counter()
            made = pool.starmap(make, jobs, 1)
    else:
        made = [make(*job) for job in jobs]
    wall = time.perf_counter() - start
    times = defaultdict(list)
    for kind, setup, normal, defective, _ in made:
        times[kind].append(1e3 * (setup + normal + defective) / args.images)
    setups, normals, defectives = (np.array([row[i] for row in made]) for i in (1, 2, 3))
    total = args.products * args.images
    print(
        json.dumps(
            {
                "ms_per_image": round(1e3 * float((setups + normals + defectives).sum()) / total, 1),
                "ms_setup": round(1e3 * float(setups.mean()), 1),
                "ms_normal": round(2e3 * float(normals.sum()) / total, 1),
                "ms_defective": round(2e3 * float(defectives.sum()) / total, 1),
                "images_per_second": round(total / wall, 1),
                "by_kind": {kind: round(float(np.mean(times[kind])), 1) for kind in KINDS if kind in times},
                "without_visible_defect": sum(row[4] for row in made),
                **vars(args),
            }
        )
    )


if __name__ == "__main__":
    main()
