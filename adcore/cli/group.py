"""Sort what a model finds anomalous in images by kind.

Writes kinds.png, a contact sheet with a row for each kind, and regions.csv. Where the true kinds are known - by
--kinds, or by folder where images lie as .../test/KIND/... - their agreement with those found is printed and written
to metrics.json.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adcore.cli import OK
from adcore.cli.judging import image_files
from adcore.errors import UserError

if TYPE_CHECKING:
    from adcore.group_images import Member
    from adcore.interfaces import Clusterer
    from adcore.report.sheet import Row

COLUMNS_SHOWN, TILE = 10, 120
"""Regions of a kind on the sheet, and their side in pixels."""
COLUMNS = ("path", "left", "top", "right", "bottom", "area", "score", "kind")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder, or the run folder that holds it")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGES", help="image files, or folders of images")
    parser.add_argument(
        "--clusterer",
        default="consensus",
        metavar="NAME",
        help="that sorts, by name or as YAML with its settings, e.g. '{name: hdbscan, min_samples: 3}'",
    )
    parser.add_argument("--number", type=int, metavar="K", help="of kinds; without it, it is found")
    parser.add_argument(
        "--per", choices=["region", "image"], default="region", help="what is sorted: marked regions, or whole images"
    )
    parser.add_argument(
        "--plain", action="store_true", help="leave in what the references look like, which else is taken off"
    )
    parser.add_argument("--kinds", type=Path, metavar="CSV", help="true kinds, in columns path and kind")
    parser.add_argument("--context", metavar="NAME", help="the context that judges; without it, the nearest")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for what is written")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")


def run(args: argparse.Namespace) -> int:
    """Sort, and write the sheet, the csv and, where kinds are known, the metrics."""
    files = image_files(args.images)
    known = true_kinds(files, args.kinds)
    if (args.out / "regions.csv").exists():
        raise UserError(f"--out {args.out}: holds regions already; name another folder, or remove it")
    if args.number is not None and args.number < 1:
        raise UserError(f"--number {args.number}: must be at least 1")
    clusterer = _clusterer(args.clusterer)

    from adcore.group_images import group_images
    from adcore.model import load
    from adcore.report.sheet import draw
    from adcore.store import check_writable, save_json, write_bytes, write_text

    check_writable(args.out)
    model = load(args.model, args.device)
    members = group_images(model, files, clusterer, args.number, args.per, args.context, not args.plain)
    if not members:
        print(f"nothing is marked in {len(files)} images; --per image sorts whole images all the same")
        return OK
    write_text(args.out / "regions.csv", _table(files, members))
    rows = [_row(kind, members, files, known) for kind in _kinds(members)]
    picture = io.BytesIO()
    draw(rows).save(picture, "PNG")
    write_bytes(args.out / "kinds.png", picture.getvalue())
    print(*(row.label for row in rows), sep="\n")
    if known:
        metrics = _metrics([known[files[m.place]] for m in members], members)
        save_json(args.out / "metrics.json", metrics)
        print("  ".join(f"{key} {value:.3f}" for key, value in metrics.items()))
    print(f"results in {args.out}")
    return OK


def true_kinds(files: Sequence[Path], table: Path | None) -> dict[Path, str] | None:
    """The kind of each file by a table, or by its folder below ``test``; None where a file has none.

    Raises:
        UserError: the table cannot be read, or lacks a column or a file.
    """
    if table is None:
        folders = {file: _folder_kind(file) for file in files}
        found = {file: kind for file, kind in folders.items() if kind}
        return found if len(found) == len(files) else None
    try:
        with table.open(newline="", encoding="utf-8") as stream:
            kinds = {Path(row["path"]).absolute(): row["kind"] for row in csv.DictReader(stream)}
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise UserError(f"--kinds {table}: give a csv with columns path and kind ({error})") from None
    if missing := [file for file in files if file.absolute() not in kinds]:
        raise UserError(f"--kinds {table}: has no line for {missing[0]}")
    return {file: kinds[file.absolute()] for file in files}


def _folder_kind(file: Path) -> str:
    parts = file.absolute().parts
    return parts[-2] if len(parts) > 2 and parts[-3] == "test" else ""


def _clusterer(text: str) -> Clusterer:
    """A clusterer by name, or by YAML with settings.

    Raises:
        UserError: there is none of the name, or it does not take the settings.
    """
    import yaml

    from adcore.registry import find, load

    try:
        written = yaml.safe_load(text)
    except yaml.YAMLError:
        written = None
    settings: dict[str, Any] = dict(written) if isinstance(written, dict) else {"name": text}
    entry = find("clusterer", str(settings.pop("name", "")))
    try:
        made: Clusterer = load(entry)(**settings)  # type: ignore[assignment]
    except (TypeError, ValueError) as error:
        raise UserError(
            f"--clusterer {text}: {error}; adcore plugins clusterer/{entry.name} lists its settings"
        ) from None
    return made


def _kinds(members: Sequence[Member]) -> list[int]:
    """Kinds in order, noise last."""
    return sorted({member.kind for member in members}, key=lambda kind: (kind < 0, kind))


def _row(kind: int, members: Sequence[Member], files: Sequence[Path], known: dict[Path, str] | None) -> Row:
    """A kind on the sheet: an even choice of its regions, under what is known of each."""
    import numpy as np
    from PIL import Image

    from adcore.folds import evenly
    from adcore.report.sheet import Row

    part = [member for member in members if member.kind == kind]
    images = len({member.place for member in part})
    named = f"kind {kind}" if kind >= 0 else "of no kind"
    shown = evenly(part, COLUMNS_SHOWN)
    tiles = [np.asarray(Image.fromarray(m.picture).resize((TILE, TILE), Image.Resampling.LANCZOS)) for m in shown]
    captions = [known[files[member.place]] if known else "" for member in shown]
    return Row(f"{named}: {len(part)} in {images} image{'s' * (images != 1)}", tiles, captions)


def _table(files: Sequence[Path], members: Sequence[Member]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for member in members:
        region = member.region
        box = [f"{share:.4f}" for share in region.box]
        writer.writerow([files[member.place], *box, f"{region.area:.5f}", repr(region.score), member.kind])
    return text.getvalue()


def _metrics(known: Sequence[str], members: Sequence[Member]) -> dict[str, float]:
    from adcore.metrics.grouping import grouping_metrics

    return grouping_metrics([member.kind for member in members], known)
