"""FAISS beside exact search in a large memory bank: recall, error of the distance, time.

Run it with: python benchmarks/faiss_recall.py [--bank 1000000] [--channels 384] [--images 8] [--probes 4 16 64]
Needs: pip install 'adcore[faiss]'. Patches are drawn at random, correlated and without clusters (hard for an inverted
file), 1024 to an image. Prints one line of JSON for each number of probes.
"""

from __future__ import annotations

import argparse
import json
from functools import partial

import torch
from measuring import measured

from adcore import faiss_index
from adcore.nearest import nearest


def patches(count: int, channels: int, seed: int) -> torch.Tensor:
    """Correlated, as features are."""
    mixing = torch.randn(24, channels, generator=torch.Generator().manual_seed(0))
    draws = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 24, generator=draws) @ mixing
    return torch.nn.functional.normalize(rows + 0.3 * torch.randn(count, channels, generator=draws), dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=int, default=1_000_000)
    parser.add_argument("--channels", type=int, default=384)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--probes", type=int, nargs="+", default=[4, 16, 64])
    given = parser.parse_args()
    bank, points = patches(given.bank, given.channels, 1), patches(1024 * given.images, given.channels, 2)
    (exact, _), exact_s, _ = measured(lambda: nearest(points, bank))
    index, build_s, _ = measured(lambda: faiss_index.build(bank))
    for probes in given.probes:
        faiss_index.PROBES = probes
        copy = index.clone()  # opened anew, with these probes
        faiss_index.nearest(points[:1], copy)
        found, seconds, _ = measured(partial(faiss_index.nearest, points, copy))
        record = {
            "bank": given.bank,
            "probes": probes,
            "recall": round(float((found <= exact * (1 + 1e-4)).float().mean()), 4),
            "mean_error_of_distance": round(float((found / exact - 1).mean()), 5),
            "ms_per_image": round(1000 * seconds / given.images, 1),
            "exact_ms_per_image": round(1000 * exact_s / given.images, 1),
            "build_s": round(build_s, 1),
        }
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
