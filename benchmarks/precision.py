"""Reduced precision beside full: the share of decisions that agree, and how far every AUROC moves.

Run it with: python benchmarks/precision.py --data CATEGORY [CATEGORY ...] --weights FILE [--matcher NAME ...]
Runs `adcore run recipes/fewshot.yaml` in both precisions on each set, from the references on. Prints one line of JSON
for each set and matcher; asked for are 0.995 of the decisions and 0.002 of every AUROC.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RECIPE = Path(__file__).parent.parent / "recipes" / "fewshot.yaml"


def run(data: Path, weights: str, matcher: str, precision: str, out: Path) -> tuple[dict[str, Any], list[str]]:
    """The metrics of a run, and its decisions."""
    command = [sys.executable, "-m", "adcore", "run", str(RECIPE), "--data", str(data), "--backbone.weights", weights]
    chosen = ["--matcher", matcher, "--precision", precision, "--observers", "null", "--out", str(out)]
    subprocess.run(command + chosen, check=True, stdout=subprocess.DEVNULL)
    with (out / "predictions.csv").open(newline="") as stream:
        return json.loads((out / "metrics.json").read_text()), [row["decision"] for row in csv.DictReader(stream)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--weights", default="none")
    parser.add_argument("--matcher", nargs="+", default=["patchcore", "mahalanobis", "ensemble", "anomalygpt"])
    parser.add_argument("--reduced", default="auto")
    given = parser.parse_args()
    for data in given.data:
        for matcher in given.matcher:
            with tempfile.TemporaryDirectory() as name:
                full, reduced = (
                    run(data, given.weights, matcher, precision, Path(name) / precision)
                    for precision in ("32-true", given.reduced)
                )
            agreed = [one == two for one, two in zip(full[1], reduced[1], strict=True)]
            record: dict[str, Any] = {"data": data.name, "matcher": matcher, "decisions": len(agreed)}
            record["agree"] = round(sum(agreed) / len(agreed), 4)
            for key in ("image.auroc", "pixel.auroc"):
                values = [metrics["mean"][key] for metrics, _ in (full, reduced)]
                record[key] = [round(value, 4) for value in values]
                record[f"{key} moves"] = round(abs(values[0] - values[1]), 4)
            print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
