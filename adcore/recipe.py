"""Recipes: what a run consists of, from a file and the command line to a `adcore.runner.Runner`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from adcore import __version__, recipe_file
from adcore.errors import UserError
from adcore.keys import recipe_keys
from adcore.overrides import Override, apply, split
from adcore.registry import Entry
from adcore.slots import items, lookup
from adcore.suggestions import did_you_mean

if TYPE_CHECKING:
    from adcore.parts import Part
    from adcore.runner import Runner


@dataclass(frozen=True)
class Recipe:
    """A valid recipe.

    Attributes:
        name: short name, such as ``unified``.
        root: the classes and arguments that it stands for.
    """

    name: str
    root: Part

    @property
    def resolved(self) -> dict[str, Any]:
        """The recipe as plain data, with class paths and every default."""
        return self.root.resolved

    @property
    def components(self) -> dict[str, Entry]:
        """The installed component at each path of the recipe, such as ``synthesizers.0``."""
        return {part.path: part.entry for part in self.root.walk() if part.entry}

    @property
    def provenance(self) -> dict[str, str]:
        """Versions of the distributions that a result depends on."""
        own = {dist: metadata.version(dist) for dist in ("torch", "timm", "jsonargparse")}
        plugins = {entry.dist: entry.version for entry in self.components.values()}
        return {"adcore": __version__} | own | dict(sorted(plugins.items()))

    def dump(self) -> str:
        """The resolved recipe as YAML, with the versions on top; running it again gives the same text."""
        versions = ", ".join(f"{dist} {version}" for dist, version in self.provenance.items())
        header = f"Every class and every default of a run. Repeat it with: adcore run FILE\nMade with {versions}"
        return recipe_file.write_yaml(self.resolved, header)

    def build(self) -> Runner:
        """Construct the components and the runner.

        Initial weights depend on the recipe's seed alone; torch's global generator is left as it was.

        Raises:
            UserError: a component refuses its arguments, or its weights cannot be loaded.
        """
        import torch

        from adcore.parts import build

        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.root.values["seed"])
            runner: Runner = build(self.root)
        return runner


def parse(recipe: str | os.PathLike[str] | Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Misspelt keys and component names are found before torch is imported.

    Args:
        recipe: a file, a run or model folder, the name of a recipe that comes with adcore, or the content itself.
        overrides: changes as on the command line: ``["--backbone", "resnet", "--backbone.depth=18"]``.

    Raises:
        UserError: the recipe cannot be read or is not valid; the place, and what to write instead.
    """
    changes, rest = split(overrides)
    if rest:
        raise UserError(f"unexpected {rest[0]!r}; changes to a recipe are written --key VALUE")
    name, content = ("recipe", dict(recipe)) if isinstance(recipe, Mapping) else recipe_file.read(recipe)
    content = apply(content, [Override.parse(change) for change in changes])
    for key, value in content.items():
        if key not in recipe_keys():
            hint = did_you_mean(key, recipe_keys())
            raise UserError(
                f"recipe {name} has an unknown key {key!r}{hint}; a recipe takes {', '.join(recipe_keys())}"
            )
        if kind := recipe_keys()[key].kind:
            for path, item in items(value, key):
                lookup(kind, item, path)

    from adcore.parts import assemble
    from adcore.runner import Runner

    return Recipe(name, assemble(Runner, content))
