"""What may stand next on a command line of adcore; told from metadata and source text, so quickly."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from adcore import registry
from adcore.cli import COMMANDS, Parser
from adcore.errors import UserError
from adcore.keys import kind_of, recipe_keys
from adcore.registry import KINDS, Entry
from adcore.source import SourceArgument, arguments, read

FILES, RECIPES = "<files>", "<recipes>"
"""Stand for what the shell lists better itself: any files, and files of recipes."""

LINKED = ("channels", "strides", "relations", "residuals")
"""Arguments that other components decide, see `adcore.parts.decided_by`; a recipe cannot give them."""

Words = dict[str, str]
"""Candidates and what each is."""


def candidates(typed: Sequence[str]) -> Words:
    """What may stand in the place of the last word.

    Args:
        typed: the words behind ``adcore`` up to the cursor, the last of them perhaps empty. ``--key=value`` may be one
            word or, as bash has it, three.
    """
    words = _joined(typed)
    current = words[-1]
    if len(words) == 1:
        return _starting(current, COMMANDS | ({"--help": "", "--version": ""} if current.startswith("-") else {}))
    if words[0] not in COMMANDS:
        return {}
    parser = Parser(prog="adcore", allow_abbrev=False)
    importlib.import_module(f"adcore.cli.{words[0]}").add_arguments(parser)
    chosen, before = _action(parser, words[1:-1])
    line = _Line(words[0], chosen, before)
    if current.startswith("-") and "=" in current:
        option = current.partition("=")[0]
        found = line.values(option)
        return _starting(current, {word if word == FILES else f"{option}={word}": doc for word, doc in found.items()})
    if current.startswith("-"):
        return _starting(current, line.options(current))
    return _starting(current, line.values(line.waiting) if line.waiting else line.positional(current))


class _Line:
    """A command's words before the one at the cursor.

    Attributes:
        waiting: the option whose value comes next, or None.
        given: values of the options so far.
        places: positional arguments so far.
    """

    def __init__(self, command: str, parser: argparse.ArgumentParser, words: Iterable[str]):
        self.command = command
        self.parser = parser
        self.actions = {name: action for action in parser._actions for name in action.option_strings}
        self.takes_recipe = parser.get_default("overrides") is not None
        self.waiting: str | None = None
        self.given: Words = {}
        self.places: list[str] = []
        for word in words:
            option, equals, value = word.partition("=")
            if word.startswith("-"):
                self.waiting = None if equals or not self._takes_value(option) else option
                if not self.waiting:
                    self.given[option] = value
            elif self.waiting:
                self.given[self.waiting] = word
                self.waiting = self.waiting if self._takes_many(self.waiting) else None
            else:
                self.places.append(word)

    def options(self, current: str) -> Words:
        """Options of the command and keys of the recipe; arguments of a key that is written out."""
        shown = (action for action in self.parser._actions if action.help != argparse.SUPPRESS)
        found = {
            name: action.help or "" for action in shown for name in action.option_strings if name not in self.given
        }
        for key in recipe_keys().values() if self.takes_recipe else ():
            found[f"--{key.name}"] = key.doc
            if current.startswith(f"--{key.name}"):
                found |= {f"--{key.name}.{name}": argument.doc for name, argument in self._arguments(key.name).items()}
        return found

    def values(self, option: str) -> Words:
        """What an option takes."""
        if option in self.actions:
            return self._of_action(self.actions[option])
        key, _, argument = option[2:].removesuffix("+").partition(".")
        if not self.takes_recipe or key not in recipe_keys():
            return {}
        declared = self._arguments(key).get(argument) if argument else _runner().get(key)
        if declared is None:
            return {}
        found = _components(kind) if (kind := kind_of(declared)) else dict.fromkeys(declared.choices, "")
        if found and declared.optional:
            found["null"] = "none"
        return found | ({FILES: ""} if kind == "dataset" or argument in ("root", "weights") else {})

    def positional(self, current: str) -> Words:
        """What a positional argument takes."""
        actions = [action for action in self.parser._actions if not action.option_strings]
        many = [action for action in actions if action.nargs in ("+", "*")]
        action = next(iter([*actions[len(self.places) :], *many]), None)
        if self.command == "plugins" and not self.places:
            return _plugins(with_kind="/" in current)
        return self._of_action(action) if action else {}

    def _of_action(self, action: argparse.Action) -> Words:
        if isinstance(action, argparse._SubParsersAction):
            return {choice.dest: choice.help or "" for choice in action._choices_actions}
        if action.choices:
            return dict.fromkeys(map(str, action.choices), "")
        if action.dest == "recipe":
            from adcore.recipe_file import packaged

            return dict.fromkeys(packaged(), "comes with adcore") | {RECIPES: ""}
        if action.dest == "shown":
            return _components("dataset") | _components("synthesizer") | {FILES: ""}
        if action.dest == "kind":
            return dict.fromkeys(KINDS, "")
        if action.dest in KINDS:
            return _components(action.dest)
        if action.dest == "context" and self.places:
            return dict.fromkeys(_contexts(Path(self.places[0])), "")
        return {FILES: ""} if action.type is Path else {}

    def _arguments(self, key: str) -> dict[str, SourceArgument]:
        """Arguments of the settings or of the component at a key of the recipe."""
        declared = _runner()[key]
        settings = next((name for name in declared.names if name.endswith("Settings")), None)
        if settings:
            return arguments(read(f"adcore.settings:{settings}"))
        entry = self._chosen(key)
        found = arguments(read(entry.target)) if entry else {}
        return {name: argument for name, argument in found.items() if name not in LINKED}

    def _chosen(self, key: str) -> Entry | None:
        """The component that the command line, or else the recipe, names at a key."""
        kind = recipe_keys()[key].kind
        named = self.given.get(f"--{key}")
        if kind is None:
            return None
        try:
            if named is None:
                from adcore.recipe_file import read as read_recipe

                named = read_recipe(self.places[0])[1][key]
            if isinstance(named, dict):
                named = named.get("name", named.get("class_path"))
            return registry.find(kind, str(named))
        except (UserError, LookupError):  # nothing chosen yet, or a folder of images
            return registry.find(kind, "folder") if kind == "dataset" and named else None

    def _takes_value(self, option: str) -> bool:
        if option in self.actions:
            return self.actions[option].nargs != 0
        return self.takes_recipe

    def _takes_many(self, option: str) -> bool:
        return option in self.actions and self.actions[option].nargs in ("+", "*")


def _action(parser: Parser, words: Sequence[str]) -> tuple[argparse.ArgumentParser, Sequence[str]]:
    """The parser of the action that the first word names, where the command has actions, and the words behind it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and words and words[0] in action.choices:
            return action.choices[words[0]], words[1:]
    return parser, words


def _joined(words: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("--") and (word == "=" or joined[-1].endswith("=")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _starting(current: str, words: Words) -> Words:
    return {word: doc for word, doc in words.items() if word.startswith(current) or word in (FILES, RECIPES)}


def _runner() -> dict[str, SourceArgument]:
    return arguments(read("adcore.runner:Runner"))


def _components(kind: str) -> Words:
    return _summaries({registry.recipe_name(entry): entry for entry in registry.entries(kind)})


def _plugins(with_kind: bool) -> Words:
    names = {entry: registry.recipe_name(entry) for entry in registry.entries()}
    if with_kind:
        return _summaries({f"{entry.kind}/{name}": entry for entry, name in names.items()})
    return dict.fromkeys(KINDS, "all of this kind") | _summaries({name: entry for entry, name in names.items()})


def _summaries(entries: dict[str, Entry]) -> Words:
    return {name: read(entry.target).summary for name, entry in entries.items()}


def _contexts(model: Path) -> Iterator[str]:
    from urllib.parse import unquote

    for store in (model / "contexts", model / "model" / "contexts"):
        yield from sorted(unquote(file.parent.name) for file in store.glob("*/context.json"))
