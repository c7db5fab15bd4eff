"""Compare images with golden samples; nothing is trained, no model is needed.

Each reference is laid on the image (shift, small rotation, scale) before both are compared. How the verdict comes about
is a recipe's matter, as in `adcore run`, and any value of it can be changed: --matcher patchcore --score max.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from adcore.cli import OK
from adcore.cli.judging import Verdict, check_unused, image_files, judge_files
from adcore.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from adcore.prediction import Prediction
    from adcore.runner import Runner

COLUMNS = ["reference", "score", "limit", "decision", "x", "y", "peak", "registration"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("images", type=Path, nargs="+", metavar="TEST", help="images to judge, or folders of them")
    parser.add_argument(
        "--reference",
        type=Path,
        action="append",
        required=True,
        metavar="GOOD",
        help="golden sample, or a folder of them; may be given several times",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="new folder for the csv, overlays and masks")
    parser.add_argument(
        "--weights", default="pretrained", metavar="PATH", help="the backbone's; by default those of timm's hub"
    )
    parser.add_argument("--image-size", type=int, default=512, metavar="N", help="side in pixels (default 512)")
    parser.add_argument(
        "--registration",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether to lay references on the image first (default yes)",
    )
    parser.add_argument("--recipe", default="paired", help="a recipe that trains nothing (default paired)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")
    parser.set_defaults(overrides=[])
    parser.usage = f"{parser.prog} --reference GOOD [--reference GOOD ...] TEST... [options] [--KEY VALUE ...]"


def run(args: argparse.Namespace) -> int:
    """Print a line for each image, and write the pictures where a folder is named."""
    tests, references = image_files(args.images), image_files(args.reference)
    if args.out:
        check_unused(args.out)
    runner = _runner(args)

    from adcore.data.decoding import read_image
    from adcore.fused import made_for
    from adcore.paired import PairFitter

    detector = runner.detector().eval().to(runner.torch_device())
    fitter = PairFitter(detector, read_image, args.registration)
    paths = [str(file) for file in references]

    def judge(image: np.ndarray) -> Verdict:
        pair = fitter.pair("golden sample", image, paths)
        found, context = fitter.spot(pair, runner.context.false_alarm_rate)
        registered = "; ".join(map(str, pair.transforms))
        x, y = _strongest(found, (image.shape[0], image.shape[1]))
        peak = float(found.map.max())
        row = ["; ".join(paths), repr(found.score), repr(found.threshold), found.decision, x, y, repr(peak), registered]
        line = (
            f"{found.decision:9}  score {found.score:9.4f}  limit {found.threshold:9.4f}  "
            f"strongest difference {peak:9.4f} at x {x:4} y {y:4}"
        )
        return Verdict(row, line, found, context)

    count = len(references)
    with made_for(len(tests) * (1 + count)):
        judge_files(tests, args.out, COLUMNS, judge, f"beside {count} reference{'s' * (count != 1)}")
    print("note: the limit is a rule of thumb, made from references and image alone; `adcore run` calibrates it")
    return OK


def _runner(args: argparse.Namespace) -> Runner:
    """The recipe with the weights and the size asked for.

    Raises:
        UserError: it is not valid, or has a head that nobody has trained.
    """
    from adcore.recipe import parse
    from adcore.weights import RANDOM

    unused = {"data": "{name: folder, root: .}", "observers": "[]"}  # of another recipe they may be slow to import
    asked = unused | {"image_size": args.image_size, "device": args.device, "backbone.weights": args.weights}
    recipe = parse(args.recipe, [*(f"--{key}={value}" for key, value in asked.items()), *args.overrides])
    head = recipe.resolved["head"]
    if head is not None and head["init_args"].get("weights", RANDOM) == RANDOM:
        raise UserError(
            f"recipe {recipe.name} has a head, and here nothing is trained; leave it out (--head null), or name one "
            "with weights, e.g. --head '{name: relative, weights: bundled}'"
        )
    return recipe.build()


def _strongest(prediction: Prediction, size: tuple[int, int]) -> tuple[int, int]:
    """Column and row of the highest value of the map, in pixels of the image as it was, of a height and width."""
    height, width = prediction.map.shape
    row, column = divmod(int(prediction.map.argmax()), width)
    return (2 * column + 1) * size[1] // (2 * width), (2 * row + 1) * size[0] // (2 * height)
