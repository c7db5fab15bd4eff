"""What stands in a slot of a recipe: ``swin``, ``{name: swin, depth: 3}`` or ``class_path`` and ``init_args``."""

from __future__ import annotations

from typing import Any

from adcore import registry
from adcore.errors import UserError
from adcore.recipe_file import parse_value
from adcore.registry import Entry

EXAMPLES = {"backbone": "resnet"}
"""By kind, the component that mistakes are answered with, where the first of its names does not stand by itself."""


def items(value: Any, path: str) -> list[tuple[str, Any]]:
    """The components in a slot, which may be empty, hold one or a list; each with its path in the recipe."""
    value = parse_value(value)
    if isinstance(value, list):
        return [(f"{path}.{index}", item) for index, item in enumerate(value)]
    return [] if value is None else [(path, value)]


def lookup(kind: str, value: Any, path: str) -> tuple[Entry, dict[str, Any]]:
    """The component that a value names, and the arguments that it gives. Imports nothing.

    Raises:
        UserError: it names none, or none that is installed.
    """
    given = {"name": value} if isinstance(value, str) else value
    named = [given[key] for key in ("name", "class_path") if key in given] if isinstance(given, dict) else []
    if len(named) != 1 or not isinstance(named[0], str):
        example = EXAMPLES.get(kind) or next((entry.name for entry in registry.entries(kind)), "x")
        shown = "null" if value is None else repr(value)
        raise UserError(f"{path}: expected a {kind} such as {example} or {{name: {example}, ...}}, got {shown}")
    try:
        entry = registry.find(kind, named[0])
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return entry, {key: item for key, item in given.items() if key not in ("name", "class_path")}


def load(entry: Entry, path: str) -> type:
    """Import the class of a component.

    Raises:
        UserError: see `adcore.registry.load`; with the path in the recipe.
    """
    try:
        return registry.load(entry)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
