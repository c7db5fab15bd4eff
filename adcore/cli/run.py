"""Carry out a recipe: train, fit the contexts, test, report.

Any value of the recipe can be changed: --backbone resnet --backbone.depth 18 --head null --observers+=tensorboard.
--data PATH is short for --data folder --data.root PATH. `adcore plugins NAME` explains a component's arguments.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from adcore.cli import OK
from adcore.keys import recipe_keys

RUNS = Path("runs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_recipe_argument(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="run folder; the next free one of runs/NAME, runs/NAME-2, ... by default",
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue an interrupted run: the latest, or that in --out"
    )
    parser.add_argument("--print_config", action="store_true", help="print the resolved recipe and exit")


def add_recipe_argument(parser: argparse.ArgumentParser) -> None:
    """Declare a recipe that can be changed on the command line; changes arrive as ``args.overrides``."""
    parser.add_argument("recipe", metavar="RECIPE", help="a YAML file, a run folder, or a name such as unified")
    parser.set_defaults(overrides=[])
    parser.usage = f"{parser.prog} RECIPE [--KEY VALUE | --KEY.ARGUMENT VALUE | --KEY+=VALUE ...] [options]"
    lines = [f"  --{key.name:<16} {key.doc.replace('``', '')}" for key in recipe_keys().values()]
    parser.epilog = "\n".join(["keys of a recipe:", *lines])


def run(args: argparse.Namespace) -> int:
    """Carry out the recipe, and say what was found and where the results are."""
    from adcore.cli.summary import show
    from adcore.recipe import parse

    recipe = parse(args.recipe, args.overrides)
    if args.print_config:
        print(recipe.dump(), end="")
        return OK
    if args.resume and not args.out and (Path(args.recipe) / "recipe.yaml").is_file():
        args.out = Path(args.recipe)
    out = args.out or run_folder(RUNS, recipe.name, args.resume)
    runner = recipe.build()
    try:
        metrics = runner.run(out, recipe=recipe.dump(), resume=args.resume)
    except KeyboardInterrupt:
        if (out / "recipe.yaml").exists():
            print(f"\nadcore: interrupted; continue with: adcore run {out} --resume", file=sys.stderr)
        raise
    show(metrics, out)
    return OK


def run_folder(parent: Path, name: str, resume: bool) -> Path:
    """The folder of a run that was given none: nothing is ever overwritten.

    Args:
        parent: where runs are.
        name: of the recipe.
        resume: whether to continue a run rather than to start one.

    Returns:
        The next free one of ``name``, ``name-2``, ...; to resume, the latest that is not finished, or else the latest.
    """
    taken: list[Path] = []
    free = parent / name
    while (free / "recipe.yaml").exists():
        taken.append(free)
        free = parent / f"{name}-{len(taken) + 1}"
    if not resume or not taken:
        if taken:
            print(f"adcore: {taken[-1]} holds an earlier run; this one goes to {free}", file=sys.stderr)
        return free
    unfinished = [folder for folder in taken if not (folder / "metrics.json").exists()]
    latest = (unfinished or taken)[-1]
    print(f"adcore: resuming {latest}", file=sys.stderr)
    return latest
