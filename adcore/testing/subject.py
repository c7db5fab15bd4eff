"""The component under test: imported once, and built as a recipe would build it."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import pytest
import torch
from torch import Tensor

from adcore import interfaces, parts, registry
from adcore.interfaces import Backbone, Features, ReferenceMatcher, State
from adcore.registry import BASES, Entry
from adcore.signature import arguments
from adcore.weights import RANDOM

CHANNELS = (6, 10)
"""Channels of the levels of the built-in pyramid."""

STRIDES = (4, 8)
"""Strides of its levels."""

RELATIONS = 3
"""Channels of the relation that heads under test are given."""


class Subject:
    """A component under test.

    Attributes:
        entry: the component as its distribution declares it.
        given: arguments that the author of the test gave for it.
    """

    def __init__(self, entry: Entry, given: Mapping[str, Any]):
        self.entry = entry
        self.given = dict(given)

    @cached_property
    def target(self) -> Any:
        """What the entry point names. The test is skipped where it cannot be imported."""
        if registry.incompatible(self.entry):
            pytest.skip("made for another adcore: see the check `compatible`")
        try:
            return import_target(self.entry)
        except KeyboardInterrupt:
            raise
        except BaseException:  # SystemExit too
            pytest.skip("cannot be imported: see the check `importable`")

    @cached_property
    def cls(self) -> type:
        """The class. The test is skipped where it is no usable one of its kind."""
        base = getattr(interfaces, BASES[self.entry.kind])
        if not (isinstance(self.target, type) and issubclass(self.target, base)):
            pytest.skip("not of its kind: see the check `base_class`")
        if inspect.isabstract(self.target):
            pytest.skip("methods are missing: see the check `concrete`")
        return self.target

    @property
    def missing(self) -> list[str]:
        """Required arguments that nobody gave."""
        return [
            name
            for name, argument in arguments(self.cls).items()
            if argument.required
            and not argument.settings
            and name not in self.given
            and not parts.decided_by(self.entry.kind, name)
        ]

    def part(self, **changes: Any) -> parts.Part:
        """The component as a recipe's part, with further arguments.

        Raises:
            UserError: the recipe's machinery refuses them.
        """
        given = {**self.given, **changes}
        if self.entry.kind == "backbone" and "weights" in arguments(self.cls):
            given.setdefault("weights", RANDOM)  # the default is usually a download
        return parts.assemble(self.cls, given, self.entry.kind, self.entry)

    def construct(self, part: parts.Part | None = None) -> Any:
        """Build the component as a run does; a built-in pyramid and relation decide its linked arguments.

        Raises:
            Exception: whatever the component raises.
        """
        rest: dict[str, parts.Part | list[parts.Part] | None] = {
            "backbone": parts.Part(Pyramid, "backbone"),
            "matcher": parts.Part(_Relation, "matcher"),
        }
        root = parts.Part(_Rig, parts=rest | {self.entry.kind: part or self.part()})
        return parts.build(root).built[self.entry.kind]

    def build(self) -> Any:
        """A fresh component from torch's seed 0. The test is skipped where it cannot be built."""
        self.skip_without_data()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            try:
                return self.construct()
            except Exception:
                pytest.skip("cannot be built: see the check `built_by_recipe`")

    def skip_without_data(self) -> None:
        """Skip the test of a data set whose required arguments, such as its root, nobody gave."""
        if self.entry.kind == "dataset" and (missing := self.missing):
            pytest.skip(f"{self._key} needs {' and '.join(missing)}: {self.how_to_give(missing)}")

    def how_to_give(self, missing: list[str]) -> str:
        """How the author of the test gives arguments."""
        values = ", ".join(f'"{name}": ...' for name in missing)
        return f'pass arguments={{"{self._key}": {{{values}}}}} to conformance'

    @property
    def _key(self) -> str:
        return f"{self.entry.kind}/{self.entry.name}"


def import_target(entry: Entry) -> Any:
    """What an entry point names, whatever it is."""
    module, _, attribute = entry.target.partition(":")
    return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))


class Pyramid(Backbone):
    """A tiny backbone for what is not under test: means and differences of cells, of `CHANNELS` and `STRIDES`."""

    channels = CHANNELS
    strides = STRIDES
    pretrained = True

    def forward(self, images: Tensor) -> Features:
        """Mix the colours of each cell by fixed weights: level ``l`` is [B, C_l, H / stride, W / stride]."""
        levels = []
        for count, stride in zip(CHANNELS, STRIDES, strict=True):
            cells = torch.nn.functional.avg_pool2d(images, stride)  # [B, 3, h, w]
            mixing = torch.linspace(-1, 2, 3 * count).sin().view(count, 3).to(cells)
            levels.append(torch.einsum("cd,bdhw->bchw", mixing, cells))
        return tuple(levels)


class _Relation(ReferenceMatcher):
    """Stands in for a matcher that offers a relation."""

    relations = RELATIONS

    def fit(self, features: Features, views: int = 1) -> interfaces.Fit:
        raise NotImplementedError

    def match(self, features: Features, state: State) -> Tensor:
        raise NotImplementedError


class _Rig:
    """Takes the place of the runner: keeps what the recipe's machinery built."""

    def __init__(self, **built: Any):
        self.built = built
