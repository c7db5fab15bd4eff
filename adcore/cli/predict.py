"""Judge images with a trained model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from adcore.cli import OK
from adcore.cli.judging import Verdict, check_unused, image_files, judge_files

if TYPE_CHECKING:
    import numpy as np

    from adcore.model import Model
    from adcore.prediction import Prediction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder, or the run folder that holds it")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGES", help="image files, or folders of images")
    parser.add_argument(
        "--context", metavar="NAME", help="the context that judges; without it, of several the nearest to each image"
    )
    parser.add_argument(
        "--reference", type=Path, metavar="GOOD", help="golden sample of the images, for a run with reference: paired"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder for the csv and the pictures"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")


def run(args: argparse.Namespace) -> int:
    """Write ``predictions.csv``, and an overlay and a mask of each judged image, one image at a time."""
    files = image_files(args.images)
    check_unused(args.out)

    from adcore.model import load  # heavy imports only once the arguments are known to be right

    model = load(args.model, args.device)
    routed = args.context is None and args.reference is None and len(model.contexts) > 1
    context = None if routed else model.context(args.context).name

    def judge(image: np.ndarray) -> Verdict:
        return _verdict(model, model.predict(image, context, args.reference))

    columns = ["context", "score", "p_value", "decision", "route", "margin"]
    manner = f"in context '{context}'" if context else f"in the nearest of {len(model.contexts)} contexts"
    judge_files(files, args.out, columns, judge, manner, 1 if args.reference else model.detector.at_once)
    return OK


def _verdict(model: Model, found: Prediction) -> Verdict:
    """A prediction as a row of the csv, where numbers that there are not stay empty, and as a line."""
    route = [found.route.context, repr(found.route.margin)] if found.route else ["", ""]
    if found.route and not found.route.near:
        line = f"{found.decision:9}  near no context, nearest {found.route.context}"
        return Verdict(["", "", "", found.decision, *route], line, found, None)
    row = [found.context, repr(found.score), repr(found.p_value), found.decision, *route]
    line = f"{found.decision:9}  score {found.score:9.4f}  p {found.p_value:.3f}"
    return Verdict(row, f"{line}  {found.context}" if found.route else line, found, model.contexts[found.context])
