"""Explain one component: where it comes from, what it takes, and what its kind promises."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import sys
import textwrap
from typing import Any

from adcore import registry
from adcore.registry import Entry


def explain(entry: Entry, as_json: bool) -> None:
    """Print what a component is.

    Args:
        entry: the component.
        as_json: for programs.

    Raises:
        UserError: it is broken.
    """
    about = describe(entry)
    if as_json:
        print(json.dumps(about, indent=1))
        return
    licence = f", licence {entry.licence}" if entry.licence else ""
    print(f"{entry.kind} {about['recipe_name']} of {entry.dist} {entry.version}{licence}")
    for label, key in (("class", "target"), ("file", "file"), ("source", "source")):
        if about[key]:
            line = f"{label + ':':<8}{about[key]}"
            print(line if key == "file" else _wrapped(line, "        ", first=""))  # a path is to be copied whole
    for paragraph in about["doc"].split("\n\n"):
        print(f"\n{paragraph if re.search('^ ', paragraph, re.MULTILINE) else _wrapped(paragraph)}")
    print(f"\narguments:{'' if about['arguments'] else ' none'}")
    for argument in about["arguments"]:
        given = "" if argument["required"] else f" = {json.dumps(argument['default'])}"
        decided = argument["decided_by"]
        print(f"  {argument['name']}: {argument['type']}{f', from the {decided}' if decided else given}")
        print(_wrapped(argument["doc"] or "-", " " * 6))
    print(f"\n{'listens to' if entry.kind == 'observer' else f'as every {entry.kind}'}:")
    for name, text in about["attributes"].items():
        print(_wrapped(f"{name}: {text}", " " * 6, first="  "))
    for method in about["methods"]:
        print(_wrapped(f"{method['call']}: {method['doc']}", " " * 6, first="  "))
        for name, text in (method["takes"] | {"returns": method["returns"]}).items():
            if text:
                print(_wrapped(f"{name}: {text}", " " * 10, first=" " * 6))
    if about["letters"]:
        print(f"\n{_wrapped(about['letters'])}")


def describe(entry: Entry) -> dict[str, Any]:
    """Everything there is to say of a component, as plain data.

    Raises:
        UserError: it is broken.
    """
    from adcore import interfaces
    from adcore.source import documented

    cls, observes = registry.load(entry), entry.kind == "observer"
    contract = inspect.getdoc(getattr(interfaces, registry.BASES[entry.kind])) or ""
    letters = next(part for part in (interfaces.__doc__ or "").split("\n\n") if part.startswith("Letters"))
    doc = (inspect.getdoc(cls) or "").partition("\nArgs:\n")[0].strip() if cls.__doc__ else ""
    return {
        "kind": entry.kind,
        "name": entry.name,
        "recipe_name": registry.recipe_name(entry),
        "dist": entry.dist,
        "version": entry.version,
        "requires": entry.requires,
        "licence": entry.licence,
        "target": entry.target,
        "file": inspect.getsourcefile(cls),
        "source": _paper(doc) or _paper(inspect.getdoc(sys.modules[cls.__module__]) or ""),
        "doc": doc,
        "arguments": _arguments(entry, cls),
        "attributes": documented(contract, "Attributes"),
        "methods": _hooks(cls) if observes else _methods(entry, cls),
        "letters": "" if observes else " ".join(letters.split()),
    }


def _arguments(entry: Entry, cls: type) -> list[dict[str, Any]]:
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


def _methods(entry: Entry, cls: type) -> list[dict[str, Any]]:
    """What the kind's contract says of the methods that the component implements."""
    from adcore import interfaces

    base = getattr(interfaces, registry.BASES[entry.kind])
    names = [name for name, method in vars(base).items() if inspect.isfunction(method) and not name.startswith("_")]
    return [_contract(getattr(base, name)) for name in names if getattr(cls, name) is not getattr(base, name)]


def _hooks(cls: type) -> list[dict[str, Any]]:
    from adcore.hooks import Hooks
    from adcore.observing import check_hooks

    return [_contract(getattr(Hooks, hook), accepted) for hook, accepted in check_hooks(cls).items()]


def _contract(method: Any, accepted: tuple[str, ...] | None = None) -> dict[str, Any]:
    from adcore.source import documented, section

    doc = inspect.getdoc(method) or ""
    names = [name for name in inspect.signature(method).parameters if name != "self"]
    names = [name for name in names if accepted is None or name in accepted]
    takes = {name: text for name, text in documented(doc).items() if name in names}
    return {
        "call": f"{method.__name__}({', '.join(names)})",
        "doc": doc.partition("\n\n")[0].replace("\n", " "),
        "takes": takes,
        "returns": section(doc, "Returns"),
    }


def _paper(doc: str) -> str:
    """The publication that a docstring names: after ``Source:``, or else in brackets with its year."""
    stated = re.search(r"\bSources?: (.*?)(?:(?<!\bal)(?<!\bcf)\.(?=\s+[A-Z])|\.?\s*(?:\n\n|\Z))", doc, re.DOTALL)
    cited = re.findall(r"\(([^()]*\b(?:19|20)\d\d\b[^()]*)\)", doc)
    return " ".join((stated[1] if stated else "; ".join(cited)).split())


def _wrapped(text: str, indent: str = "", first: str | None = None) -> str:
    width = min(shutil.get_terminal_size((100, 0)).columns, 100)
    start = indent if first is None else first
    return textwrap.fill(
        text.replace("``", ""), width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
    )
