"""Fitting and predicting with PatchCore beside anomalib's: same images, weights, coreset ratio and number of threads.

Run it with: python benchmarks/speed_vs_anomalib.py --data CATEGORY --weights FILE --peer PYTHON [--rounds 3]
CATEGORY has MVTec layout; both sides get its images as PNG of 256 x 256 pixels (anomalib reads no other). `--peer` is
the Python of an environment with anomalib 2.7, `--script` the peer's side. Sides take turns, and medians are printed as
one line of JSON. Fit is the whole command on the training images. Predict is images a second, decoding included, beside
what the backbone alone does in the same process on tensors in memory, in batches of 1 and of 8, whichever is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

SIZE = 256


def convert(category: Path, out: Path) -> None:
    import numpy as np
    from PIL import Image

    from adcore.data.decoding import EXTENSIONS, read_image

    for file in sorted(category.rglob("*")):
        if file.suffix.lower() in EXTENSIONS:
            way = Image.Resampling.NEAREST if "ground_truth" in file.parts else Image.Resampling.BILINEAR
            target = (out / file.relative_to(category)).with_suffix(".png")
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.asarray(read_image(file))).resize((SIZE, SIZE), way).save(target)


def fit(given: argparse.Namespace, train: Path, out: Path) -> float:
    """Seconds of the whole command."""
    shots = len(list(train.glob("train/good/*.png")))
    matcher = ["--matcher", "patchcore", "--matcher.ratio", str(given.ratio), "--matcher.levels", "[0,1]"]
    backbone = ["--backbone.levels", "[2,3]", "--backbone.weights", given.weights, "--precision", given.precision]
    recipe = str(Path(__file__).parent.parent / "recipes" / "fewshot.yaml")
    context = ["--context.shots", str(shots), "--context.calibration", "0", "--score", "top1%"]
    command = [sys.executable, "-m", "adcore", "run", recipe, "--data", str(train), "--image_size", str(SIZE)]
    started = time.perf_counter()
    subprocess.run(
        [
            *command,
            *matcher,
            *backbone,
            *context,
            "--threads",
            str(given.threads),
            "--observers",
            "null",
            "--out",
            str(out),
        ],
        check=True,
    )
    return time.perf_counter() - started


def predict(given: argparse.Namespace) -> dict[str, Any]:
    """Images a second through the model and through its backbone alone, and image AUROC; in this process."""
    import numpy as np
    import torch

    import adcore
    from adcore.metrics.image import rank

    torch.set_num_threads(given.threads)
    model = adcore.load(given.model)
    files = sorted((given.data / "test").rglob("*.png"))
    list(model.predict_many(files[:4]))
    started = time.perf_counter()
    scores = [prediction.score for prediction in model.predict_many(files)]
    found = {"images_per_s": len(files) / (time.perf_counter() - started)}
    with torch.inference_mode():
        for batch in (1, 8):
            images = torch.rand(batch, 3, SIZE, SIZE)
            model.detector.features(images)
            started = time.perf_counter()
            for _ in range(len(files) // batch):
                model.detector.features(images)
            rate = len(files) // batch * batch / (time.perf_counter() - started)
            found["backbone_per_s"] = max(rate, found.get("backbone_per_s", 0.0))
    labels = np.array([file.parent.name != "good" for file in files])
    return {**found, "image_auroc": rank(np.array(scores), labels).auroc(), "precision": model.detector.precision}


def peer(given: argparse.Namespace, root: Path, folder: Path) -> dict[str, Any]:
    out = folder / "peer.json"
    command = [given.peer, str(given.script), "--data", str(root), "--category", "category", "--out", str(out)]
    settings = ["--ratio", str(given.ratio), "--threads", str(given.threads), "--weights", given.weights]
    results = ["--results", str(folder / "results")]
    subprocess.run([*command, *settings, *results], check=True, cwd=folder, stdout=DEVNULL, stderr=DEVNULL)
    found = json.loads(out.read_text())
    return {
        "fit_s": found["import_s"] + found["fit_total_s"],
        "images_per_s": 1000 / found["predict_per_image_ms"],
        "image_auroc": found["metrics"]["image_AUROC"],
    }


def ours(given: argparse.Namespace, root: Path, folder: Path) -> dict[str, Any]:
    train = folder / "train_only" / "category"
    if not train.exists():
        train.mkdir(parents=True)
        (train / "train").symlink_to(root / "category" / "train")
    out = folder / f"run{time.monotonic_ns()}"
    found = {"fit_s": fit(given, train, out)}
    command = [sys.executable, __file__, "--side", "--model", str(out), "--data", str(root / "category")]
    done = subprocess.run([*command, "--threads", str(given.threads)], check=True, capture_output=True, text=True)
    return {**found, **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="none")
    parser.add_argument("--peer", metavar="PYTHON", help="leave it out to measure ours alone")
    parser.add_argument("--script", type=Path, default=Path("../shared/bench/anomalib_patchcore.py"))
    parser.add_argument("--ratio", type=float, default=0.01)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(predict(given)))
        return
    if given.peer and os.sep in given.peer:
        given.peer = os.path.abspath(given.peer)  # it runs elsewhere; links stay, as they tell a venv
    given.weights, given.script = str(Path(given.weights).resolve()), given.script.resolve()
    sides = {"ours": ours} | ({"peer": peer} if given.peer else {})
    rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        convert(given.data.resolve(), folder / "data" / "category")
        for _ in range(given.rounds):
            for side, run in sides.items():
                rounds[side].append(run(given, folder / "data", folder))
    middle = {
        side: {
            key: round(statistics.median(each[key] for each in found), 4) if key != "precision" else value
            for key, value in found[0].items()
        }
        for side, found in rounds.items()
    }
    record: dict[str, Any] = {"ratio": given.ratio, "threads": given.threads, **middle}
    record["share_of_backbone"] = round(middle["ours"]["images_per_s"] / middle["ours"]["backbone_per_s"], 3)
    if given.peer:
        record["fit_times_faster"] = round(middle["peer"]["fit_s"] / middle["ours"]["fit_s"], 2)
        record["predict_times_faster"] = round(middle["ours"]["images_per_s"] / middle["peer"]["images_per_s"], 2)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
