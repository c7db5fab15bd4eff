"""The keys of a recipe: the arguments of `adcore.runner.Runner`.

They are read from its source, so that a misspelt key is found without importing torch.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from adcore.registry import BASES
from adcore.source import SourceArgument, arguments, read


@dataclass(frozen=True)
class Key:
    """A top-level key of a recipe.

    Attributes:
        name: the key.
        kind: of the component, or components, that it takes; None for a setting.
        doc: what it is for.
    """

    name: str
    kind: str | None
    doc: str


@functools.cache
def recipe_keys() -> dict[str, Key]:
    """All keys, in the order of ``Runner.__init__``."""
    declared = arguments(read("adcore.runner:Runner"))
    return {name: Key(name, kind_of(argument), argument.doc) for name, argument in declared.items()}


def kind_of(argument: SourceArgument) -> str | None:
    """The kind of component that an argument takes, or None."""
    return next((kind for kind, base in BASES.items() if base in argument.names), None)
