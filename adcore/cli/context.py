"""Add, extend, merge, list, show, rename or remove the contexts of a model."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adcore.cli import OK
from adcore.cli.judging import image_files
from adcore.cli.table import table

if TYPE_CHECKING:
    from adcore.context import Context
    from adcore.context_store import ContextStore

ACTIONS = {
    "add": "Make a new context from normal images.",
    "extend": "Add normal images to a context; the result is that of one fit of all its images.",
    "merge": "Make a new context from the images of several, which stay.",
    "list": "List the contexts: references, calibration, threshold, size on disk.",
    "show": "Show one context: its references and whether the files are still the same, calibration, thumbnails.",
    "rename": "Give a context another name.",
    "remove": "Remove contexts.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of every action."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    parsers = {
        action: actions.add_parser(action, help=line, description=line, allow_abbrev=False)
        for action, line in ACTIONS.items()
    }
    for each in parsers.values():
        each.add_argument("model", type=Path, metavar="MODEL", help="model folder, or the run folder that holds it")
    parsers["add"].add_argument("new", metavar="NAME", help="name of the new context")
    for action in ("extend", "show"):
        parsers[action].add_argument("context", metavar="NAME", help="name of the context")
    for action, count in (("add", "+"), ("extend", "*")):
        parsers[action].add_argument(
            "images", type=Path, nargs=count, metavar="IMAGES", help="normal images as references: files or folders"
        )
        parsers[action].add_argument(
            "--calibration",
            type=Path,
            nargs="+",
            default=[],
            metavar="IMAGES",
            help="other normal images, which set the thresholds; without any the references do, as a rough guide",
        )
    parsers["add"].add_argument(
        "--false-alarm-rate",
        type=float,
        metavar="SHARE",
        help="share of normal images that may be called anomalous; as in the model's recipe by default",
    )
    parsers["add"].add_argument(
        "--shots",
        type=int,
        metavar="NUMBER",
        help="take only so many of the images as references, those that differ most from each other; without "
        "--calibration half of the others set the thresholds",
    )
    parsers["merge"].add_argument("new", metavar="NEW", help="name of the new context")
    parsers["merge"].add_argument("context", nargs="+", metavar="NAME", help="contexts to merge")
    parsers["rename"].add_argument("context", metavar="OLD", help="name that it has")
    parsers["rename"].add_argument("new", metavar="NEW", help="name that it gets")
    parsers["remove"].add_argument("context", nargs="+", metavar="NAME", help="contexts to remove")
    for action in ("add", "extend", "merge"):
        parsers[action].add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")
    for action in ("list", "show"):
        parsers[action].add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Carry out one action. Those that only look at records or move folders import no torch."""
    from adcore.context_store import ContextStore
    from adcore.store import model_folder

    store = ContextStore(model_folder(args.model) / "contexts")
    if args.action == "list":
        _list(store, args.json)
    elif args.action == "show":
        _show(store, args.context, args.json)
    elif args.action == "rename":
        store.rename(args.context, args.new)
        print(f"renamed context '{args.context}' to '{args.new}'")
    elif args.action == "remove":
        for name in args.context:
            store.read(name)  # all are there, or none is removed
        for name in dict.fromkeys(args.context):
            store.remove(name)
            print(f"removed context '{name}'")
    else:
        _make(args, store)
    return OK


def _make(args: argparse.Namespace, store: ContextStore) -> None:
    """Add, extend or merge; mistakes that can be told without the model are told at once."""
    if args.action == "extend":
        store.read(args.context)
    else:
        store.check_free(args.new)
    if args.action == "merge":
        for name in args.context:
            store.read(name)
    images, calibration = (_images(getattr(args, key, [])) for key in ("images", "calibration"))

    from adcore.model import load

    model = load(args.model, args.device)
    if args.action == "merge":
        context, done = model.merge_contexts(args.new, args.context), "merged"
    elif args.action == "add":
        context = model.add_context(args.new, images, calibration, args.false_alarm_rate, args.shots)
        done = "added"
    else:
        context, done = model.extend_context(args.context, images, calibration), "extended"
    print(f"{done} context '{context.name}': {_made_of(context)}")
    for note in context.notes:
        print(f"note: {note}")


def _images(paths: Sequence[Path]) -> list[Path]:
    return image_files(paths) if paths else []


def _list(store: ContextStore, as_json: bool) -> None:
    contexts = [store.read(name) for name in store.names()]
    if as_json:
        print(json.dumps([_record(store, context) for context in contexts], indent=1))
        return
    if not contexts:
        print("no contexts; add one with adcore context add")
        return
    rows = [
        (
            context.name,
            str(len(context.references)),
            _calibrated(context),
            f"{context.calibration.threshold:.4g}" if context.calibration else "",
            f"{store.size(context.name) / 2**20:.1f} MiB",
            _when(store.changed(context.name)),
        )
        for context in contexts
    ]
    print(table(("context", "references", "calibration", "threshold", "size", "written"), rows))


def _show(store: ContextStore, name: str, as_json: bool) -> None:
    context = store.read(name)
    files = _files(context, context.references)
    if as_json:
        record = _record(store, context)
        record["references"] = files
        record["calibration_images"] = _files(context, context.calibration_images)
        print(json.dumps(record, indent=1))
        return
    print(f"{name}: {_made_of(context)}")
    if context.calibration:
        calibration = context.calibration
        print(f"threshold {calibration.threshold:.6g}, of pixels {calibration.pixel_threshold:.6g}")
    print(f"written {_when(store.changed(name))}; thumbnails in {store.thumbnails(name)}", end="\n\n")
    rows = [(each["state"], each["sha256"][:12], each["path"]) for each in files]
    print(table(("state", "sha256", "reference"), rows, width=sys.maxsize))  # paths are not cut
    for note in context.notes:
        print(f"note: {note}")


def _record(store: ContextStore, context: Context) -> dict[str, Any]:
    calibration = context.calibration
    return {
        "name": context.name,
        "references": len(context.references),
        "calibration": calibration
        and {
            "normals": len(calibration.scores),
            "method": calibration.method,
            "false_alarm_rate": calibration.rate,
            "supported_rate": calibration.supported_rate,
            "threshold": calibration.threshold,
            "pixel_threshold": calibration.pixel_threshold,
        },
        "bytes": store.size(context.name),
        "written": _when(store.changed(context.name)),
        "thumbnails": str(store.thumbnails(context.name)),
        "notes": list(context.notes),
    }


def _files(context: Context, paths: Sequence[str]) -> list[dict[str, str]]:
    """Path, recorded hash, and whether the file still is what it was."""
    from adcore.store import sha256

    found = []
    for path in paths:
        known, digest = context.hashes.get(path, ""), sha256(path)
        state = "no file" if not known else "missing" if not digest else "same" if digest == known else "changed"
        found.append({"path": path, "sha256": known, "state": state})
    return found


def _made_of(context: Context) -> str:
    return f"{_counted(len(context.references), 'reference')}, calibrated on {_calibrated(context)}"


def _calibrated(context: Context) -> str:
    if context.calibration is None:
        return "nothing"
    return f"{_counted(len(context.calibration.scores), 'normal')}, {context.calibration.method}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
