"""Judge images with a trained model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from adcore.cli import OK
from adcore.cli.judging import Verdict, check_unused, image_files, judge_files

if TYPE_CHECKING:
    import numpy as np


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder, or the run folder that holds it")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGES", help="image files, or folders of images")
    parser.add_argument("--context", metavar="NAME", help="the context that judges; needed where the model has several")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder for the csv and the pictures"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")


def run(args: argparse.Namespace) -> int:
    """Write ``predictions.csv``, and an overlay and a mask of each image, one image at a time."""
    files = image_files(args.images)
    check_unused(args.out)

    from adcore.model import load  # heavy imports only once the arguments are known to be right

    model = load(args.model, args.device)
    context = model.context(args.context)

    def judge(image: np.ndarray) -> Verdict:
        found = model.predict(image, context.name)
        row = [context.name, repr(found.score), repr(found.p_value), found.decision]
        line = f"{found.decision:9}  score {found.score:9.4f}  p {found.p_value:.3f}"
        return Verdict(row, line, found, context)

    columns = ["context", "score", "p_value", "decision"]
    judge_files(files, args.out, columns, judge, f"in context '{context.name}'")
    return OK
