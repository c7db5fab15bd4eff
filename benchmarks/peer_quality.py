"""anomalib's PatchCore on the references that fewshot_quality.py draws: the peer's side of that benchmark.

Run it with: python benchmarks/peer_quality.py --data ROOT [ROOT ...] --weights FILE --peer PYTHON [--shots 1 4]
Each ROOT is in MVTec layout; the peer gets its images as PNG of 256 x 256 pixels (it reads no other). `--peer` is the
Python of an environment with anomalib 2.7, `--script` what it runs. Prints a line of JSON for each set and number of
shots.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from subprocess import DEVNULL

import numpy as np
from adcore_plugins.folder import Folder
from speed_vs_anomalib import convert

from adcore.data.split import split_normals
from adcore.settings import ContextSettings

KEYS = {"image.auroc": "image_AUROC", "pixel.auroc": "pixel_AUROC"}


def measure(given: argparse.Namespace, root: Path, converted: Path, shots: int, seed: int) -> dict[str, float]:
    """The peer's metrics with one draw of references."""
    normals = [sample for sample in Folder(str(root)).samples() if sample.split == "train" and not sample.label]
    drawn = split_normals(normals, ContextSettings(shots=shots, seed=seed), trained=False).references
    train = converted / "train" / "good"
    shutil.rmtree(converted / "train", ignore_errors=True)
    train.mkdir(parents=True)
    for sample in drawn:
        shutil.copy(converted.parent / "normals" / f"{Path(sample.path).stem}.png", train)
    out = converted.parent / "peer.json"
    command = [given.peer, str(given.script.absolute()), "--data", str(converted.parent), "--category", converted.name]
    settings = [
        "--weights",
        str(given.weights.absolute()),
        "--out",
        str(out),
        "--results",
        str(converted.parent / "runs"),
    ]
    subprocess.run([*command, *settings], check=True, cwd=converted.parent, stdout=DEVNULL, stderr=DEVNULL)
    found = json.loads(out.read_text())["metrics"]
    return {key: found[theirs] for key, theirs in KEYS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--peer", required=True, metavar="PYTHON")
    parser.add_argument("--script", type=Path, default=Path("../shared/bench/anomalib_patchcore.py"))
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    for root in given.data:
        with tempfile.TemporaryDirectory() as folder:
            converted = Path(folder) / root.name
            convert(root, converted)
            (converted / "train" / "good").rename(converted.parent / "normals")
            for shots in given.shots:
                runs = [measure(given, root, converted, shots, seed) for seed in range(given.seeds)]
                spread = {key: [run[key] for run in runs] for key in KEYS}
                told = {key: f"{np.mean(values):.3f} +- {np.std(values):.3f}" for key, values in spread.items()}
                print(
                    json.dumps({"data": root.name, "shots": shots, "matcher": "anomalib PatchCore"} | told), flush=True
                )


if __name__ == "__main__":
    main()
