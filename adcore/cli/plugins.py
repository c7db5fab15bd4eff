"""List the installed components, or explain one."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adcore import registry
from adcore.cli import BUG, OK
from adcore.cli.table import table
from adcore.errors import UserError
from adcore.registry import KINDS, Entry
from adcore.suggestions import did_you_mean

FOUND, IMPORTED, TAKEN, BROKEN = "found", "ok", "taken", "broken"
WIDE = 120
"""Characters from which on a terminal shows every column."""


@dataclass(frozen=True)
class Listed:
    """A component in the list.

    Attributes:
        entry: the component.
        summary: what it is, in one line.
        state: ``broken``: it cannot be used. ``taken``: its short name means another component. ``ok``: it was
            imported. ``found``: nothing speaks against it, but it was not imported.
        problem: why it is broken, or what to write instead of the taken name.
    """

    entry: Entry
    summary: str
    state: str
    problem: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="a kind: list it; NAME or KIND/NAME: explain that component"
    )
    parser.add_argument("--check", action="store_true", help="import each; exit with 1 if one is broken")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Print the list, or the explanation of one component."""
    listing = args.name is None or args.name in KINDS
    if not listing and not args.check:
        from adcore.cli.component import explain

        explain(_find(args.name), args.json)
        return OK
    listed = _judged(registry.entries(args.name) if listing else [_find(args.name)], args.check)
    notes = registry.oddities() if args.name is None else []
    if args.json:
        print(json.dumps([_record(item) for item in listed], indent=1))
        print(*(f"note: {note}" for note in notes), sep="\n", end="\n" * bool(notes), file=sys.stderr)
    else:
        print(_table(listed))
        for item in listed:
            if item.problem:
                print(f"{item.state}: {item.entry} {item.problem}")
        print(*(f"note: {note}" for note in notes), sep="\n", end="\n" * bool(notes))
        if not args.check:
            print("Nothing was imported; `adcore plugins --check` imports each.")
    return BUG if args.check and any(item.state == BROKEN for item in listed) else OK


def _find(name: str) -> Entry:
    """The component that is called so; the kind may stand before it."""
    kind, _, rest = name.partition("/")
    if rest and kind in KINDS:
        return registry.find(kind, rest)
    known = registry.entries()
    found = [entry for entry in known if name in (entry.name, entry.unique_name, entry.class_path)]
    found = [entry for entry in found if entry.builtin] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{name!r} is ambiguous: write {' or '.join(f'{e.kind}/{e.unique_name}' for e in found)}")
    hint = did_you_mean(name, [*KINDS, *(entry.name for entry in known)])
    raise UserError(f"no component is called {name!r}{hint}; `adcore plugins` lists all")


def _judged(entries: Sequence[Entry], check: bool) -> list[Listed]:
    """The components with what can be said of them; none is imported unless they are to be checked."""
    from adcore.source import read

    sources = {entry: read(entry.target) for entry in entries}
    if check:
        from adcore.import_check import import_each

        broken = import_each(entries)
    else:
        faults = {entry: registry.incompatible(entry) or sources[entry].fault for entry in entries}
        broken = {entry: fault for entry, fault in faults.items() if fault}
    listed = []
    for entry in entries:
        state, problem = IMPORTED if check else FOUND, None
        if entry in broken:
            state, problem = BROKEN, broken[entry]
        elif rival := registry.rival(entry):
            claim = "means adcore's" if rival.builtin else f"is claimed by {rival.dist} {rival.version} too"
            state, problem = TAKEN, f"shares its name: {entry.name!r} {claim}; write {entry.unique_name}"
        listed.append(Listed(entry, sources[entry].summary, state, problem))
    return listed


def _table(listed: Sequence[Listed]) -> str:
    """Whole lines for programs; on a terminal lines are cut, and a narrow one shows the most needed columns."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    one_kind = len({item.entry.kind for item in listed}) == 1
    header = ("kind", "name", "distribution", "target", "state", "summary")
    rows = [
        (
            item.entry.kind if width >= WIDE or not one_kind else "",  # a column of nothing is left out
            registry.recipe_name(item.entry),
            f"{item.entry.dist} {item.entry.version}",
            item.entry.target if width >= WIDE else "",
            item.state,
            item.summary.replace("``", ""),
        )
        for item in listed
    ]
    return table(header, rows, width)


def _record(item: Listed) -> dict[str, Any]:
    about = {"recipe_name": registry.recipe_name(item.entry), "summary": item.summary}
    return dataclasses.asdict(item.entry) | about | {"state": item.state, "problem": item.problem}
