"""Our greedy k-centre coreset beside the textbook loop: the same picks, and how much faster.

Run it with: python benchmarks/coreset.py [--points 61440] [--channels 384] [--count 6144] [--peer]
`--peer` times anomalib's KCenterGreedy on the same points too (it has to be installed). Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import torch

from adcore.coreset import k_centre_greedy, project


def textbook(points: torch.Tensor, count: int) -> torch.Tensor:
    """One pass over all points for each pick."""
    x = points.double()
    x = x - x.mean(0)
    picks = [int(x.square().sum(1).argmax())]
    nearest = (x - x[picks[0]]).square().sum(1)
    while len(picks) < count:
        picks.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (x - x[picks[-1]]).square().sum(1))
    return torch.tensor(picks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=61_440)
    parser.add_argument("--channels", type=int, default=384)
    parser.add_argument("--count", type=int, default=6_144)
    parser.add_argument("--peer", action="store_true")
    given = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(32, given.channels, generator=generator)  # correlated, as features are
    points = torch.randn(given.points, 32, generator=generator) @ mixing
    points += 0.5 * torch.randn(points.shape, generator=generator)
    projected = project(points)
    record: dict[str, object] = {"points": [*points.shape], "projected": projected.shape[1], "picks": given.count}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    ours = k_centre_greedy(project(points), given.count)
    record["ours_s"] = round(time.perf_counter() - started, 2)
    record["ours_peak_mib_over_points"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before)
    started = time.perf_counter()
    record["same_picks"] = torch.equal(ours, textbook(projected, given.count))
    record["textbook_s"] = round(time.perf_counter() - started, 2)
    if given.peer:
        from anomalib.models.components import KCenterGreedy

        started = time.perf_counter()
        KCenterGreedy(points, given.count / given.points).sample_coreset()
        record["peer_s"] = round(time.perf_counter() - started, 2)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
