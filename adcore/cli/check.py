"""Validate a recipe and its data, and print what would run."""

from __future__ import annotations

import argparse

from adcore.cli import OK
from adcore.cli.run import add_recipe_argument
from adcore.cli.table import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_recipe_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print components and categories; whatever is wrong is an error."""
    from adcore.planning import plan_notes
    from adcore.recipe import parse

    recipe = parse(args.recipe, args.overrides)
    runner = recipe.build()
    plans = runner.check()
    rows = [(path, entry.name, f"{entry.dist} {entry.version}") for path, entry in recipe.components.items()]
    print(table(("slot", "component", "distribution"), rows), end="\n\n")
    header = ("category", "references", "training", "validation", "calibration", "test good", "test defect")
    counts = []
    for category, plan in plans.items():
        split, defects = plan.split, sum(sample.label for sample in plan.tests)
        shares = (plan.references, [*split.training, *plan.anomalous], split.validation, split.calibration)
        counts.append((category, *(str(len(share)) for share in shares), str(len(plan.tests) - defects), str(defects)))
    print(table(header, counts))
    for category, notes in plan_notes(plans, runner.context).items():
        for note in notes:
            print(f"note: {category}: {note}")
    print(f"\n{recipe.name}: ready to run")
    return OK
