"""The classes that a recipe stands for: arguments checked, defaults filled in, then constructed."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adcore.errors import UserError
from adcore.recipe_file import parse_value
from adcore.registry import Entry
from adcore.signature import EMPTY, Argument, arguments, convert, plain
from adcore.slots import items, load, lookup
from adcore.suggestions import did_you_mean

_LINKS = {
    "matcher": {"channels": "backbone", "strides": "backbone"},
    "head": {"channels": "backbone", "strides": "backbone", "relations": "matcher", "residuals": "matcher"},
}
"""By kind, the arguments that another component decides with its attribute of the same name, and which one."""


@dataclass(frozen=True)
class Part:
    """One class of a recipe with its checked arguments.

    Attributes:
        cls: the class.
        path: where it stands in the recipe, such as ``head.synthesizer``; empty for the recipe itself.
        entry: the component, or None for settings and the recipe itself.
        linked: arguments that other components decide.
        values: plain arguments, converted to their types.
        parts: arguments that are parts themselves, or lists of them.
    """

    cls: type
    path: str = ""
    entry: Entry | None = None
    linked: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Part | list[Part] | None] = field(default_factory=dict)

    @property
    def resolved(self) -> dict[str, Any]:
        """Everything in plain data, in the order of the class's arguments."""
        content = plain(self.values) | {name: _resolved(part) for name, part in self.parts.items()}
        content = {name: content[name] for name in arguments(self.cls) if name in content}
        return {"class_path": self.entry.class_path, "init_args": content} if self.entry else content

    def walk(self) -> Iterator[Part]:
        """This part and all parts in it."""
        yield self
        for child in self.parts.values():
            for part in child if isinstance(child, list) else [child]:
                if part is not None:
                    yield from part.walk()


def decided_by(kind: str, argument: str) -> str | None:
    """The component that decides an argument of components of a kind, or None where the recipe does."""
    return _LINKS.get(kind, {}).get(argument)


def assemble(cls: type, given: Mapping[str, Any], path: str = "", entry: Entry | None = None) -> Part:
    """Check the arguments of a class, and of everything in them.

    Args:
        cls: the class.
        given: arguments as the recipe gives them.
        path: where the class stands in the recipe.
        entry: the component that it is, if it is one.

    Raises:
        UserError: an argument is unknown, missing, linked or of the wrong type, or a component cannot be loaded.
    """
    known = arguments(cls)
    part = Part(cls, path, entry, tuple(name for name in known if entry and decided_by(entry.kind, name)))
    _check_names(part, given, known)
    for name, argument in known.items():
        where = f"{path}.{name}".lstrip(".")
        if name in part.linked:
            continue
        if argument.slot:
            if name in given or argument.default is None:
                part.parts[name] = _fill(argument, given.get(name), where)
        elif argument.settings:
            part.parts[name] = _settings(argument, given.get(name, argument.default), where)
        elif name in given:
            part.values[name] = convert(argument, given[name], where)
        else:  # a default that YAML cannot write stays with the class
            with contextlib.suppress(UserError, TypeError):
                part.values[name] = convert(argument, plain(argument.default), where)
    return part


def build(root: Part) -> Any:
    """Construct a recipe. Those that decide others' dimensions come first, and what decides theirs before them.

    Raises:
        UserError: a component refuses its arguments.
    """
    first = ("resolution", "backbone", "matcher")
    dimensions: dict[str, Any] = {"relations": 0, "residuals": 0}
    built = {}
    for name in sorted(root.parts, key=lambda name: first.index(name) if name in first else len(first)):
        built[name] = _build(root.parts[name], dimensions)
        if name == "backbone":
            if "resolution" in built:  # a part of a recipe may be built alone
                built[name] = built["resolution"].wrap(built[name])
            dimensions |= {"channels": built[name].channels, "strides": built[name].strides}
        elif name == "matcher" and built[name] is not None:
            dimensions |= {"relations": built[name].relations, "residuals": built[name].residuals}
    return root.cls(**copy.deepcopy(root.values), **built)


def _build(part: Part | list[Part] | None, dimensions: Mapping[str, Any]) -> Any:
    if part is None:
        return None
    if isinstance(part, list):
        return [_build(item, dimensions) for item in part]
    parts = {name: _build(child, dimensions) for name, child in part.parts.items()}
    linked = {name: dimensions[name] for name in part.linked}
    try:
        return part.cls(**copy.deepcopy(part.values), **parts, **linked)
    except (UserError, ValueError) as error:  # how a component refuses a value of the right type
        raise UserError(_placed(str(error), part)) from error


def _placed(refusal: str, part: Part) -> str:
    """A component's refusal with its place in the recipe, once: ``weights: ...`` becomes ``backbone.weights: ...``."""
    if refusal.startswith((f"{part.path}:", f"{part.path}.", f"{part.path} ")):
        return refusal
    return f"{part.path}{'.' if refusal.partition(':')[0] in arguments(part.cls) else ': '}{refusal}"


def _check_names(part: Part, given: Mapping[str, Any], known: Mapping[str, Argument]) -> None:
    """Refuse unknown and linked arguments, and miss required ones."""
    what = f"{part.path}: {part.entry.name}" if part.entry else part.path or "the recipe"
    free = [name for name in known if name not in part.linked]
    for name in given:
        if part.entry and name in part.linked:
            raise UserError(f"{part.path}.{name}: the {decided_by(part.entry.kind, name)} decides it; remove it")
        if name not in known:
            raise UserError(
                f"{what} has no argument {name!r} (it takes {', '.join(free) or 'none'}){did_you_mean(str(name), free)}"
            )
    for name in free:
        if known[name].required and not known[name].settings and name not in given:
            raise UserError(f"{what} needs {name!r} ({known[name].type})")


def _fill(argument: Argument, value: Any, where: str) -> Part | list[Part] | None:
    """What a slot holds."""
    value = parse_value(value)
    if value is None and argument.optional:
        return None
    if argument.many:
        listed = items(value if isinstance(value, list) else [value], where)
        return [_component(argument, item, path) for path, item in listed]
    if isinstance(value, list):
        raise UserError(f"{where}: takes one {argument.slot}, got a list of {len(value)}")
    return _component(argument, value, where)


def _component(argument: Argument, value: Any, path: str) -> Part:
    entry, given = lookup(str(argument.slot), value, path)
    return assemble(load(entry, path), given, path, entry)


def _settings(argument: Argument, value: Any, where: str) -> Part | None:
    """Settings with all their defaults. At the top of a recipe null stands for the defaults too."""
    default, at_top = argument.default, "." not in where
    value = parse_value(value)
    if value is None and argument.optional and not at_top:
        return None
    if value is None or value is EMPTY or value is default:
        value = {}
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected a mapping of settings, got {value!r}")
    base = dataclasses.asdict(default) if dataclasses.is_dataclass(default) and not isinstance(default, type) else {}
    assert argument.settings is not None
    return assemble(argument.settings, base | value, where)


def _resolved(part: Part | list[Part] | None) -> Any:
    if part is None:
        return None
    return [item.resolved for item in part] if isinstance(part, list) else part.resolved
