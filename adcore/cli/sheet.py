"""Draw a contact sheet of a data set, or of what synthesizers make of normal images.

A data set: one row for each category with references, normal test images, and defects with their masks outlined.
Synthesizers: normal image, the same with a simulated defect, and its mask.

  adcore sheet products --data.count 8             a data set that is installed, with its arguments
  adcore sheet ./parts                             a folder of images
  adcore sheet nsa missing --data ./parts          synthesizers, on the demo images unless --data names others
  adcore sheet nsa --synthesizers.0.size '[0.1,0.2]'
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adcore import registry
from adcore.cli import OK
from adcore.errors import UserError
from adcore.overrides import Override, apply, is_path
from adcore.suggestions import did_you_mean

if TYPE_CHECKING:
    from adcore.report.sheet import Row

KEYS = ("data", "synthesizers")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shown", nargs="+", metavar="WHAT", help="a data set or a folder; or one or more synthesizers")
    parser.add_argument(
        "--out", type=Path, default=Path("sheet.png"), metavar="FILE", help="PNG to write (default sheet.png)"
    )
    parser.add_argument(
        "--count", type=int, default=8, metavar="N", help="categories, or defects of each synthesizer (default 8)"
    )
    parser.add_argument("--size", type=int, default=160, metavar="N", help="side of an image in pixels (default 160)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other defects (default 0)")
    parser.set_defaults(overrides=[])
    parser.usage = f"{parser.prog} WHAT... [options] [--data NAME | --data.ARGUMENT VALUE ...]"


def run(args: argparse.Namespace) -> int:
    """Draw the sheet and say where it is.

    Raises:
        UserError: something that is neither a data set nor a synthesizer, an argument out of range, data that cannot be
            read, or a file that cannot be written.
    """
    for option, least in (("count", 1), ("size", 32), ("seed", 0)):
        if getattr(args, option) < least:
            raise UserError(f"--{option} is {getattr(args, option)}, it has to be at least {least}")
    if args.out.suffix.lower() != ".png":
        raise UserError(f"--out {args.out}: a sheet is a PNG; write {args.out.with_suffix('.png')}")
    content = _content(args.shown, args.overrides)

    from adcore.report.sheet import draw

    rows = _rows(content, args)
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        draw(rows).save(args.out)
    except OSError as error:
        raise UserError(f"cannot write the sheet to {args.out}: {error.strerror or error}") from error
    print(f"{sum(len(row.tiles) for row in rows)} images in {args.out}")
    return OK


def _content(shown: Sequence[str], changes: Sequence[str]) -> dict[str, Any]:
    """Data set and synthesizers, as a recipe has them. Imports nothing.

    Raises:
        UserError: something is neither, or data sets and synthesizers are mixed.
    """
    names = {kind: _names(kind) for kind in ("dataset", "synthesizer")}
    data = [what for what in shown if what in names["dataset"] or is_path(what)]
    unknown = [what for what in shown if what not in data and what not in names["synthesizer"]]
    if unknown:
        known = names["dataset"] | names["synthesizer"]
        raise UserError(
            f"{unknown[0]!r} is no data set, synthesizer or folder{did_you_mean(unknown[0], known)}; "
            "`adcore plugins dataset` and `adcore plugins synthesizer` list them"
        )
    if data and len(shown) > 1:
        raise UserError(f"{' '.join(shown)}: name one data set, or only synthesizers and their images with --data")
    overrides = [Override.parse(change) for change in changes]
    for override in overrides:
        if override.path[0] not in KEYS:
            raise UserError(f"{override}: a sheet takes --data and --synthesizers, and their arguments")
        key, *argument = override.path
        if (not argument and (data or key == "synthesizers")) or (data and key == "synthesizers"):
            raise UserError(f"{override}: what a sheet shows is named first; {' '.join(shown)} is shown")
    start: dict[str, Any] = {"data": data[0] if data else "demo"}
    return apply(start if data else start | {"synthesizers": list(shown)}, overrides)


def _names(kind: str) -> set[str]:
    return {name for e in registry.entries(kind) for name in (e.name, e.unique_name, registry.recipe_name(e))}


def _rows(content: dict[str, Any], args: argparse.Namespace) -> list[Row]:
    from adcore.parts import assemble, build
    from adcore.report.sheet import Shown, dataset_rows, synthesizer_rows

    shown: Shown = build(assemble(Shown, content))
    if not shown.synthesizers:
        return list(dataset_rows(shown.data, args.count, args.size))
    named = list(zip(args.shown, shown.synthesizers, strict=True))
    return list(synthesizer_rows(named, shown.data, args.count, args.size, args.seed))
