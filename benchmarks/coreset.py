"""Our greedy k-centre coreset beside the textbook loop and anomalib's: the same picks, time and memory.

Run it with: python benchmarks/coreset.py [--points 61440] [--channels 384] [--count 6144] [--textbook] [--peer PYTHON]
`--peer` names the Python of an environment with anomalib 2.7; its KCenterGreedy picks from the features that ours
projected, so that it need not project them. `--textbook` runs the plain loop in double precision (slow), and compares
picks. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from measuring import measured


def textbook(points: torch.Tensor, count: int) -> torch.Tensor:
    """One pass over all points for each pick, in double precision."""
    x = points.double()
    x -= x.mean(0)
    picks = [int(x.square().sum(1).argmax())]
    nearest = torch.full((len(x),), torch.inf, dtype=x.dtype)
    while True:
        # pieces that stay in the cache, or it would take hours
        for part, near in zip(torch.split(x, 1024), torch.split(nearest, 1024), strict=True):
            torch.minimum(near, (part - x[picks[-1]]).square_().sum(1), out=near)
        if len(picks) == count:
            return torch.tensor(picks)
        picks.append(int(nearest.argmax()))


def features(points: int, channels: int) -> torch.Tensor:
    """Correlated, as features are."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(32, channels, generator=generator)
    drawn = torch.randn(points, 32, generator=generator) @ mixing
    return drawn + 0.5 * torch.randn(points, channels, generator=generator)


def ours(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from adcore.coreset import k_centre_greedy, project

    points = features(given.points, given.channels)
    projected = project(points)
    k_centre_greedy(projected[:1000], 100)  # warm up
    runs = [measured(lambda: k_centre_greedy(project(points), given.count)) for _ in range(3)]  # memory jumps
    seconds, mib = statistics.median(run[1] for run in runs), statistics.median(run[2] for run in runs)
    torch.save(projected, folder / "projected.pt")
    torch.save(runs[0][0], folder / "ours.pt")
    return {"projected": projected.shape[1], "ours_s": round(seconds, 2), "ours_peak_mib": round(mib)}


def peer(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from anomalib.models.components import KCenterGreedy

    projected = torch.load(folder / "projected.pt")
    KCenterGreedy(projected[:1000], 0.1).select_coreset_idxs()  # warm up
    sampler = KCenterGreedy(projected, (given.count + 0.5) / len(projected))
    sampler.model.fit = sampler.model.transform = lambda embedding: embedding.clone()
    _, seconds, mib = measured(sampler.select_coreset_idxs)
    return {"peer_s": round(seconds, 2), "peer_peak_mib": round(mib)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=61_440)
    parser.add_argument("--channels", type=int, default=384)
    parser.add_argument("--count", type=int, default=6_144)
    parser.add_argument("--textbook", action="store_true")
    parser.add_argument("--peer", metavar="PYTHON")
    parser.add_argument("--side", choices=["ours", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        found = ours(given, given.folder) if given.side == "ours" else peer(given, given.folder)
        (given.folder / f"{given.side}.json").write_text(json.dumps(found))
        return
    sizes = ["--points", str(given.points), "--channels", str(given.channels), "--count", str(given.count)]
    record: dict[str, Any] = {"points": [given.points, given.channels], "picks": given.count}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side, python in (("ours", sys.executable), ("peer", given.peer)):
            if python:
                command = [python, __file__, "--side", side, "--folder", name, *sizes]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                record |= json.loads((folder / f"{side}.json").read_text())
        if given.peer:
            record["times_faster"] = round(record["peer_s"] / record["ours_s"], 1)
            record["share_of_peer_memory"] = round(record["ours_peak_mib"] / max(1, record["peer_peak_mib"]), 2)
        if given.textbook:
            points, picks = torch.load(folder / "projected.pt"), torch.load(folder / "ours.pt")
            loop, seconds, _ = measured(lambda: textbook(points, given.count))
            record |= {"textbook_s": round(seconds, 1), "same_picks_as_textbook": torch.equal(picks, loop)}
    print(json.dumps(record))


if __name__ == "__main__":
    main()
