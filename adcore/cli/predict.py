"""Judge images with a trained model."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from adcore.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


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
    files = list(_files(args.images))
    if not files:
        raise UserError(f"{', '.join(map(str, args.images))}: no image found there; name files or folders of images")
    table = args.out / "predictions.csv"
    if table.exists():
        raise UserError(f"--out {args.out}: holds predictions already; name another folder, or remove it")
    names = _unique_names(files)

    from adcore.data.decoding import read_image  # heavy imports only once the arguments are known to be right
    from adcore.maps import write_overlay_and_mask
    from adcore.model import load
    from adcore.store import check_writable

    model = load(args.model, args.device)
    context = model.context(args.context)
    check_writable(args.out)
    unreadable = []
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", "context", "score", "p_value", "decision"])
        for file, name in zip(files, names, strict=True):
            try:
                image = read_image(file)
            except UserError as error:
                unreadable.append(str(error))
                continue
            prediction = model.predict(image, context.name)
            verdict = prediction.decision
            writer.writerow([file, context.name, repr(prediction.score), repr(prediction.p_value), verdict])
            stream.flush()  # what is done stays done, whatever comes
            write_overlay_and_mask(args.out, name, image, prediction, context)
            print(f"{verdict:9}  score {prediction.score:9.4f}  p {prediction.p_value:.3f}  {file}", flush=True)
    judged = len(files) - len(unreadable)
    print(f"{judged} image{'s' * (judged != 1)} judged in context '{context.name}'; results in {args.out}")
    if unreadable:
        raise UserError(f"{len(unreadable)} of {len(files)} images left out: " + " | ".join(unreadable))
    return 0


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        elif path.exists():
            yield path
        else:
            raise UserError(f"{path}: no such file or folder; name images that exist")


def _unique_names(files: Sequence[Path]) -> list[str]:
    """A short name for each file's pictures: its stem, with as many parent folders as tell it from the others."""
    whole = [file.absolute().with_suffix("").parts for file in files]
    for depth in range(1, max(map(len, whole))):
        names = ["_".join(parts[-depth:]) for parts in whole]
        if len(set(names)) == len(names):
            return names
    return [f"{index:05d}_{file.stem}" for index, file in enumerate(files)]  # the same file twice, or a.png and a.jpg
