"""Recipes as YAML: finding a file, reading it strictly, writing it so that it reads back the same."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from adcore.errors import UserError
from adcore.suggestions import did_you_mean


def read(recipe: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Find and read a recipe.

    Args:
        recipe: a file, a folder that holds a ``recipe.yaml`` (a run or a model), or the name of a recipe that comes
            with adcore, such as ``unified``.

    Returns:
        Its short name, for run folders, and its content.

    Raises:
        UserError: there is no such recipe, or it is not valid; with the line.
    """
    path = Path(recipe)
    if (path / "recipe.yaml").is_file():
        path = path / "recipe.yaml"
    if path.is_file():
        name = path.resolve().parent.name if path.name == "recipe.yaml" else path.stem
        return name, parse_yaml(_text(path), str(path))
    return path.stem, parse_yaml(_packaged(path), f"{path.stem}.yaml")


def packaged() -> dict[str, Any]:
    """The recipes that come with adcore: names, in order, and files."""
    from importlib import resources

    files = sorted(resources.files("adcore.recipes").iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): file for file in files if file.name.endswith(".yaml")}


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """Parse a recipe; a key given twice is an error.

    Args:
        text: YAML.
        source: where it comes from, for messages.

    Raises:
        UserError: it is no valid YAML mapping; with the line.
    """
    try:
        content = yaml.load(text, Loader=_Loader)  # a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{source}{line}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{source}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        found = "it is empty" if content is None else f"it holds {content!r:.40}"
        raise UserError(f"{source}: a recipe is a YAML mapping such as 'backbone: swin', but {found}")
    return content


def parse_value(value: Any) -> Any:
    """What the command line gives for a component: a name stays; ``{...}``, ``[...]`` and ``null`` are YAML."""
    if not isinstance(value, str) or not re.match(r"\s*[{\[]|null$|~$", value):
        return value
    try:
        return yaml.load(value, Loader=_Loader)
    except yaml.YAMLError as error:
        raise UserError(f"{value!r} is not valid YAML; write for instance '{{name: resnet, depth: 18}}'") from error


def write_yaml(content: dict[str, Any], header: str = "") -> str:
    """A recipe as text, with a comment on top."""
    comment = "".join(f"# {line}\n" for line in header.splitlines())
    return comment + yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8") from error


def _packaged(path: Path) -> str:
    known = packaged()
    if path.suffix in ("", ".yaml") and path.parent in (Path("."), Path("recipes")) and path.stem in known:
        return str(known[path.stem].read_text(encoding="utf-8"))
    names = ", ".join(sorted(known)) or "none"
    raise UserError(f"{path}: no such recipe file (adcore brings: {names}){did_you_mean(path.stem, known)}")


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys and reads 1e-3 as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes lists of plain values on one line; quotes what the loader would take for a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    flow = not any(isinstance(item, (list, dict)) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


_EXPONENT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
for _yaml in (_Loader, _Dumper):
    _yaml.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
_Dumper.add_representer(list, _list)
