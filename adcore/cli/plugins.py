"""List the installed components, or explain one."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import textwrap
from typing import Any

from adcore import registry
from adcore.cli import BUG, OK
from adcore.cli.table import table
from adcore.errors import UserError
from adcore.registry import KINDS, Entry
from adcore.suggestions import did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="NAME or KIND/NAME: print its arguments and documentation"
    )
    parser.add_argument("--check", action="store_true", help="import each; exit with 1 if one is broken")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Print the list, or the explanation of one component."""
    chosen = [_find(args.name)] if args.name else registry.entries()
    problems = {entry: problem for entry in chosen if (problem := _problem(entry, args.check))}
    if args.name and not args.check:
        _explain(chosen[0], args.json)
    elif args.json:
        print(json.dumps([_record(entry, problems.get(entry)) for entry in chosen], indent=1))
    else:
        rows = [_row(entry, "broken" if entry in problems else "ok" if args.check else "") for entry in chosen]
        print(table(("kind", "name", "distribution", "target", "state", "summary"), rows))
        for entry, problem in problems.items():
            print(f"broken: {entry} {problem}")
    return BUG if args.check and problems else OK


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
    hint = did_you_mean(name, [entry.name for entry in known])
    raise UserError(f"no component is called {name!r}{hint}; `adcore plugins` lists all")


def _problem(entry: Entry, check: bool) -> str | None:
    """Why a component cannot be used, or None; without importing it unless it is to be checked."""
    if check:
        try:
            registry.load(entry)
        except UserError as error:
            return str(error).removeprefix(f"{entry} ")
    return registry.incompatible(entry)


def _row(entry: Entry, state: str) -> tuple[str, ...]:
    name = entry.unique_name if registry.shadowed(entry) else entry.name
    return entry.kind, name, f"{entry.dist} {entry.version}", entry.target, state, registry.summary(entry)


def _record(entry: Entry, problem: str | None) -> dict[str, Any]:
    return dataclasses.asdict(entry) | {"summary": registry.summary(entry), "problem": problem}


def _explain(entry: Entry, as_json: bool) -> None:
    """Print what a component is, where it comes from, and what it takes."""
    cls = registry.load(entry)
    takes = _arguments(entry, cls)
    if as_json:
        print(json.dumps(_record(entry, None) | {"doc": inspect.getdoc(cls), "arguments": takes}, indent=1))
        return
    print(f"{entry.kind} {entry.name} of {entry.dist} {entry.version}{entry.licence and f', {entry.licence}'}")
    doc = (inspect.getdoc(cls) or "").partition("\nArgs:\n")[0].strip()
    print(f"{entry.target} in {inspect.getsourcefile(cls)}\n\n{doc}\n\narguments:{'' if takes else ' none'}")
    for argument in takes:
        given = "" if argument["required"] else f" = {json.dumps(argument['default'])}"
        source = argument["decided_by"]
        print(f"  {argument['name']}: {argument['type']}{f', from the {source}' if source else given}")
        print(textwrap.fill(argument["doc"], 100, initial_indent=" " * 6, subsequent_indent=" " * 6) or "      -")


def _arguments(entry: Entry, cls: type) -> list[dict[str, Any]]:
    """The arguments of a component as plain data."""
    from adcore.parts import decided_by
    from adcore.signature import arguments

    return [
        {
            "name": argument.name,
            "type": argument.type,
            "required": argument.required,
            "default": argument.plain_default,
            "decided_by": decided_by(entry.kind, argument.name),
            "doc": argument.doc,
        }
        for argument in arguments(cls).values()
    ]
