"""Write the built-in demo images to a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from adcore.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="new or empty folder to write into")
    parser.add_argument("--categories", nargs="+", metavar="NAME", help="which categories; all by default")
    parser.add_argument("--normals", type=int, default=100, metavar="N", help="training images of each (default 100)")
    parser.add_argument("--size", type=int, default=128, metavar="N", help="side of the images in pixels (default 128)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other images (default 0)")


def run(args: argparse.Namespace) -> int:
    """Write the demo set and say how to use it.

    Raises:
        UserError: the folder holds something, cannot be written, or an argument is out of range.
    """
    from adcore.data.demo.catalogue import choose  # numpy and scipy only when something is made
    from adcore.data.demo.writing import write

    categories = choose(args.categories, args.normals, args.size, args.seed)
    root: Path = args.folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise UserError(f"{root} is not empty: name a new folder for the demo set")
        count = sum(1 for _ in write(root, categories, args.normals, args.size, args.seed))
    except OSError as error:
        raise UserError(f"cannot write the demo set to {root}: {error.strerror or error}") from error
    print(f"{count} images of {', '.join(categories)} written to {root}; use them with --data {root}")
    return 0
