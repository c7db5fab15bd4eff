"""Changes to a recipe on the command line: ``--backbone resnet --backbone.depth 18 --observers+=tensorboard``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adcore import registry
from adcore.errors import UserError
from adcore.keys import recipe_keys
from adcore.recipe_file import parse_value
from adcore.suggestions import did_you_mean


@dataclass(frozen=True)
class Override:
    """One change.

    Attributes:
        path: keys from the top of the recipe.
        value: as written.
        append: whether the value is added to a list.
    """

    path: tuple[str, ...]
    value: str
    append: bool = False

    @classmethod
    def parse(cls, text: str) -> Override:
        """Read ``--key.argument=value`` or ``--key+=value``."""
        name, _, value = text.partition("=")
        path = tuple(part for part in name[2:].removesuffix("+").split(".") if part != "init_args")
        return cls(path, value, name.endswith("+"))

    def __str__(self) -> str:
        return "--" + ".".join(self.path)


def split(arguments: Sequence[str], options: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """Tell changes to the recipe from a command's own arguments.

    Args:
        arguments: of the command line.
        options: the command's own options, such as ``--out``.

    Returns:
        The changes, each as ``--key=value`` or ``--key+=value``, and what is left for the command.

    Raises:
        UserError: an option is unknown, or a change has no value.
    """
    changes, rest, waiting = [], [], list(arguments)
    keys = [f"--{key}" for key in recipe_keys()]
    while waiting:
        argument = waiting.pop(0)
        name, equals, _ = argument.partition("=")
        if not name.startswith("--") or name in options:
            rest.append(argument)
            continue
        key = name.partition(".")[0].removesuffix("+")
        if key not in keys:
            hint = did_you_mean(key, [*keys, *options]) or f"; a recipe takes {', '.join(keys)}"
            raise UserError(f"unknown option {key}{hint}")
        if not equals:
            if not waiting or waiting[0].startswith("--"):
                raise UserError(f"{name} needs a value: {name} VALUE")
            argument = f"{name}={waiting.pop(0)}"
        changes.append(argument)
    return changes, rest


def apply(recipe: Mapping[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """A recipe with changes made to it, in short form.

    What is named comes before the arguments of what is named, whatever the order on the command line; where a component
    changes, the arguments of the one before are dropped.

    Raises:
        UserError: a change has no place in the recipe.
    """
    tree = {str(key): short(value) for key, value in recipe.items()}
    kinds = {name: key.kind for name, key in recipe_keys().items()}
    for key in tree.keys() & kinds.keys():
        if kinds[key] == "dataset":
            tree[key] = _dataset(tree[key])
    for override in sorted(overrides, key=lambda change: len(change.path)):
        kind = kinds.get(override.path[0]) if len(override.path) == 1 else None
        value = _dataset(override.value) if kind == "dataset" else override.value
        _assign(tree, override, value, kind)
    return tree


def is_path(value: str) -> bool:
    """Whether the value of ``--data`` is a folder with images and not the name of a dataset."""
    if any(value in (entry.name, entry.unique_name, entry.class_path) for entry in registry.entries("dataset")):
        return False
    return value.startswith(".") or "/" in value or os.sep in value or Path(value).is_dir()


def _assign(tree: dict[str, Any], override: Override, value: Any, kind: str | None) -> None:
    *parents, last = override.path
    node: Any = tree
    for depth, part in enumerate(parents):
        child = parse_value(_get(node, part, override))
        if isinstance(child, str):
            child = {"name": child}
        if child is None and depth == 0 and recipe_keys()[part].kind:
            raise UserError(f"{override}: {part} is empty in this recipe; name a component first: --{part} NAME")
        child = {} if child is None else child
        _set(node, part, child, override)
        node = child
    old = _get(node, last, override)
    value = [*_listed(old), *_listed(parse_value(value))] if override.append else _replaced(old, value, kind)
    _set(node, last, value, override)


def _get(node: Any, part: str, override: Override) -> Any:
    if isinstance(node, list) and part.isdigit() and int(part) < len(node):
        return node[int(part)]
    if isinstance(node, dict):
        return node.get(part)
    found = f"a list of {len(node)}; count from 0" if isinstance(node, list) else f"the value {node!r}"
    raise UserError(f"{override}: there is no {part!r} in {found}")


def _set(node: Any, part: str, value: Any, override: Override) -> None:
    _get(node, part, override)
    node[int(part) if isinstance(node, list) else part] = value


def _replaced(old: Any, new: Any, kind: str | None) -> Any:
    """The new value of a key; a component that stays the same keeps its other arguments."""
    if kind and isinstance(old, str):
        old = {"name": old}
    if not (isinstance(old, dict) and _reference(old)):
        return new
    changes = parse_value(new)
    changes = {"name": changes} if isinstance(changes, str) else changes
    if isinstance(changes, dict) and _same(_reference(old), _reference(changes) or _reference(old), kind):
        return old | {key: value for key, value in changes.items() if key not in ("name", "class_path")}
    return new


def _same(old: Any, new: Any, kind: str | None) -> bool:
    if old == new or kind is None:
        return bool(old == new)
    try:
        return registry.find(kind, str(old)) == registry.find(kind, str(new))
    except UserError:
        return False


def _reference(value: dict[str, Any]) -> Any:
    return value.get("name", value.get("class_path"))


def _dataset(value: Any) -> Any:
    return {"name": "folder", "root": value} if isinstance(value, str) and is_path(value) else value


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def short(value: Any) -> Any:
    """A copy in which a component's ``init_args`` stand beside its ``class_path``."""
    if isinstance(value, dict):
        value = {key: short(item) for key, item in value.items()}
        inner = value.pop("init_args", None) if "class_path" in value or "name" in value else None
        return value | inner if isinstance(inner, dict) else value
    return [short(item) for item in value] if isinstance(value, (list, tuple)) else value
