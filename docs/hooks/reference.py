"""mkdocs hook: the reference of recipes, components, contracts and hooks, written from the code at each build."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from adcore import registry
from adcore.keys import recipe_keys
from adcore.parts import decided_by
from adcore.registry import BASES, Entry
from adcore.runner import Runner
from adcore.signature import Argument, arguments

TITLES = {
    "backbone": "Backbones",
    "head": "Heads",
    "clusterer": "Clusterers",
    "matcher": "Matchers",
    "fuser": "Fusers",
    "dataset": "Data sets",
    "synthesizer": "Synthesizers",
    "observer": "Observers",
}
BESIDE = {
    "head": ["adcore.interfaces.HeadOutput"],
    "matcher": ["adcore.interfaces.Fit"],
    "dataset": ["adcore.data.samples.Sample"],
}
"""What a contract mentions and is explained next to it."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {f"reference/{kind}.md": kind_page(kind) for kind in BASES}
    pages["reference/recipe.md"] = recipe_page()
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Docstrings announce a block of code by two colons; readers see one."""
    return content.replace("::</p>", ":</p>")


def kind_page(kind: str) -> str:
    """Every component of a kind that adcore brings, and the contract that they keep."""
    own = [entry for entry in registry.entries(kind) if entry.builtin]
    sections = [component(entry) for entry in own]
    contract = [f"::: {path}" for path in (f"adcore.interfaces.{BASES[kind]}", *BESIDE.get(kind, []))]
    key = next(name for name, key in recipe_keys().items() if key.kind == kind)
    intro = (
        f"What `{key}` in a recipe can name. `adcore plugins` lists what is installed beside it; to add your own, see "
        "[Plugins](../plugins.md)."
    )
    return "\n\n".join([f"# {TITLES[kind]}", intro, *sections, "---", *contract]) + "\n"


def component(entry: Entry) -> str:
    """One component: what it is, a recipe with all of its defaults, its arguments and where it comes from."""
    cls = registry.load(entry)
    own = {name: argument for name, argument in arguments(cls).items() if not decided_by(entry.kind, name)}
    decided = [f"`{name}` from the {decided_by(entry.kind, name)}" for name in arguments(cls) if name not in own]
    origin = f"`{entry.target}` · {entry.dist} {entry.version} · {entry.licence}"
    if decided:
        origin += f" · handed over by the runner: {', '.join(decided)}"
    return "\n\n".join(
        [
            f"## {entry.name} {{ #{entry.name} }}",
            escaped(description(cls)),
            example(entry, own.values()),
            definitions(own.values()),
            f"{origin}\n{{ .origin }}",
        ]
    )


def description(cls: type) -> str:
    """A class's docstring without its sections."""
    doc = inspect.cleandoc(cls.__doc__ or "")
    return re.split(r"\n\n(?:Args|Attributes|Raises):\n", doc)[0]


def example(entry: Entry, takes: Iterable[Argument]) -> str:
    """The component in a recipe, with every default spelt out."""
    key = next(key for key in recipe_keys().values() if key.kind == entry.kind)
    values = [(argument.name, "..." if argument.required else _written(argument.plain_default)) for argument in takes]
    lines = [f"{name}: {value}" for name, value in [("name", entry.name), *values]]
    if arguments(Runner)[key.name].many:
        text = f"{key.name}:\n  - " + "\n    ".join(lines)
    else:
        text = f"{key.name}:\n  " + "\n  ".join(lines)
    return f"```yaml\n{text}\n```"


def definitions(takes: Iterable[Argument], level: str = "") -> str:
    """Arguments with type, default and description, as a definition list."""
    return "\n\n".join(definition(argument, level) for argument in takes)


def definition(argument: Argument, level: str = "") -> str:
    """One argument."""
    default = "required" if argument.required else f"default `{_written(argument.plain_default)}`"
    doc = escaped(argument.doc or "-")
    return f"`{level}{argument.name}`: {escaped(argument.type)}, {default}\n:   {doc[:1].upper() + doc[1:]}"


def recipe_page() -> str:
    """The top-level keys of a recipe."""
    takes = arguments(Runner)
    slots = [name for name, argument in takes.items() if argument.slot]
    settings = [name for name, argument in takes.items() if argument.settings]
    plain = [takes[name] for name in takes if name not in (*slots, *settings)]
    parts = [
        "# Keys of a recipe",
        "What a recipe may hold at its top; how it is written is told in [Recipes](../recipes.md).",
        "## Components",
        *(_slot(takes[name]) for name in slots),
    ]
    for name in settings:
        cls = takes[name].settings
        assert cls is not None
        parts += [
            f"## {name} {{ #{name} }}",
            escaped(description(cls)),
            definitions(arguments(cls).values(), f"{name}."),
        ]
    return "\n\n".join([*parts, "## Other settings", definitions(plain)]) + "\n"


def _slot(argument: Argument) -> str:
    kind = str(argument.slot)
    how = "one or a list" if argument.many else "one, or null" if argument.optional else "one, required"
    doc = escaped(argument.doc)
    return f"`{argument.name}`: [{TITLES[kind].lower()}]({kind}.md), {how}\n:   {doc[:1].upper() + doc[1:]}"


def escaped(text: str) -> str:
    """Text in which ``<`` and ``*`` outside of code mean themselves."""
    parts = re.split(r"(``.*?``|`.*?`)", text, flags=re.DOTALL)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;").replace("*", "\\*") for part in parts)


def _written(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()
