"""The keys of a recipe: the arguments of `adcore.runner.Runner`.

They are read from its source, so that a misspelt key is found without importing torch.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from dataclasses import dataclass

from adcore.registry import BASES


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
    init = _init()
    arguments = [*init.args.args[1:], *init.args.kwonlyargs]
    docs = _documented(ast.get_docstring(init) or "")
    return {arg.arg: Key(arg.arg, _kind(arg.annotation), docs.get(arg.arg, "")) for arg in arguments}


def _init() -> ast.FunctionDef:
    spec = importlib.util.find_spec("adcore.runner")
    assert spec is not None and spec.loader is not None
    module = ast.parse(spec.loader.get_source("adcore.runner"))  # type: ignore[attr-defined]
    runner = next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Runner")
    return next(node for node in runner.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")


def _kind(annotation: ast.expr | None) -> str | None:
    names = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)} if annotation else set()
    return next((kind for kind, base in BASES.items() if base in names), None)


def _documented(docstring: str) -> dict[str, str]:
    """The ``Args`` section of a Google docstring."""
    section = docstring.partition("Args:\n")[2].partition("\n\n")[0]
    items = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in items}
