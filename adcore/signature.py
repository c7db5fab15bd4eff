"""What a class takes: slots for components, settings, and plain values that jsonargparse checks."""

from __future__ import annotations

import collections.abc
import copy
import dataclasses
import functools
import inspect
import os
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import PurePath
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from adcore.errors import UserError
from adcore.interfaces import Component

EMPTY = inspect.Parameter.empty


@dataclasses.dataclass(frozen=True)
class Argument:
    """One argument of a class.

    Attributes:
        name: of the argument.
        hint: its type.
        default: its default, or `EMPTY` where it has to be given.
        doc: its description in the docstring.
    """

    name: str
    hint: Any
    default: Any
    doc: str

    @property
    def required(self) -> bool:
        """Whether a value has to be given."""
        return self.default is EMPTY

    @property
    def plain_default(self) -> Any:
        """The default as YAML writes it; where that is impossible, in words."""
        if dataclasses.is_dataclass(self.default) and not isinstance(self.default, type):
            return dataclasses.asdict(self.default)
        try:
            return None if self.required else plain(self.default)
        except TypeError:
            return repr(self.default)

    @property
    def optional(self) -> bool:
        """Whether null is a valid value."""
        return self.default is None or type(None) in typing.get_args(self.hint) or self.hint is Any

    @property
    def slot(self) -> str | None:
        """Kind of the component, or components, that it takes."""
        return _slot(self.hint)

    @property
    def many(self) -> bool:
        """Whether it takes a list."""
        return any(typing.get_origin(hint) in _SEQUENCES for hint in _alternatives(self.hint))

    @property
    def settings(self) -> type | None:
        """The dataclass that it takes, or None."""
        classes = [hint for hint in _alternatives(self.hint) if hint is not type(None)]
        only = classes[0] if len(classes) == 1 else None
        return only if isinstance(only, type) and dataclasses.is_dataclass(only) else None

    @property
    def writable(self) -> bool:
        """Whether a recipe can write it: not so classes and callables, through which it could run any code."""
        return all(_is_plain(leaf) for leaf in _leaves(self.hint))

    @property
    def type(self) -> str:
        """The type in words."""
        return type_name(self.hint)


_SEQUENCES = (list, tuple, collections.abc.Sequence)
_CONTAINERS = (*_SEQUENCES, dict, set, frozenset, collections.abc.Mapping, collections.abc.Iterable)
_UNIONS = (typing.Union, types.UnionType)


@functools.cache
def arguments(cls: type) -> dict[str, Argument]:
    """The arguments of a class in order, those that ``**kwargs`` passes on to a parent class included.

    Raises:
        UserError: a type hint refers to a name that does not exist at run time.
    """
    parser = ArgumentParser(exit_on_error=False)
    names = parser.add_class_arguments(cls, as_group=False, fail_untyped=False)
    docs = {action.dest: action.help for action in parser._actions if isinstance(action.help, str)}
    inits = [vars(owner)["__init__"] for owner in cls.__mro__ if "__init__" in vars(owner)]
    found = {}
    for name in names:
        init = next(init for init in inits if name in inspect.signature(init).parameters)
        try:
            hint = typing.get_type_hints(init).get(name, Any)
        except NameError as error:
            where = f"{init.__module__}.{init.__qualname__}"
            raise UserError(f"{where}: {error}; import what its type hints use outside of TYPE_CHECKING") from error
        default = inspect.signature(init).parameters[name].default
        doc = docs.get(name, "")
        found[name] = Argument(name, hint, default, "" if doc.startswith("==") else doc)
    return found


def convert(argument: Argument, value: Any, where: str) -> Any:
    """Check a value from a recipe or the command line and turn it into the argument's type.

    Args:
        argument: takes the value.
        value: plain data, or a string to be read as the type asks.
        where: path of the argument, for the message.

    Raises:
        UserError: the value has another type.
    """
    if not argument.writable:
        raise UserError(f"{where}: takes {argument.type}, which a recipe cannot write; leave it out")
    if _names_class(value):
        raise UserError(f"{where}: a class_path may only stand where a component is expected")
    if value is None and argument.optional:
        return None
    if value is not None:
        parser = ArgumentParser(exit_on_error=False)
        parser.add_argument("--value", type=argument.hint)
        try:
            return parser.parse_object({"value": copy.deepcopy(value)}).value
        except ArgumentError:
            pass
    shown = "null" if value is None else repr(value)
    hint = "; write a list as [1, 2]" if argument.many and not isinstance(value, list) else ""
    raise UserError(f"{where}: expected {argument.type}, got {shown}{hint}")


def plain(value: Any) -> Any:
    """A value as YAML writes it.

    Raises:
        TypeError: it has no plain form.
    """
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, bool):
        return value
    for base in (int, float, str):  # instances of their subclasses too
        if isinstance(value, base):
            return base(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, collections.abc.Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=repr)
    raise TypeError(f"{value!r} has no plain form")


def type_name(hint: Any) -> str:
    """A type as users read it.

    >>> type_name(int | None), type_name(typing.Literal["max", "mean"]), type_name(tuple[int, ...])
    ('int or null', "'max' or 'mean'", 'tuple[int, ...]')
    """
    if hint is type(None):
        return "null"
    if typing.get_origin(hint) in _UNIONS:
        return " or ".join(map(type_name, typing.get_args(hint)))
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    if typing.get_args(hint) and typing.get_origin(hint) in _CONTAINERS:
        inner = ", ".join("..." if arg is ... else type_name(arg) for arg in typing.get_args(hint))
        return f"{typing.get_origin(hint).__name__}[{inner}]"
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _slot(hint: Any) -> str | None:
    if isinstance(hint, type) and issubclass(hint, Component):
        return hint.kind
    if typing.get_origin(hint) in (*_SEQUENCES, *_UNIONS):
        return next(filter(None, map(_slot, typing.get_args(hint))), None)
    return None


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else (hint,)


def _leaves(hint: Any) -> Iterator[Any]:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        yield from _leaves(typing.get_args(hint)[0])
    elif origin in (*_CONTAINERS, *_UNIONS):
        for argument in typing.get_args(hint):
            yield from _leaves(argument)
    else:
        yield hint


def _is_plain(leaf: Any) -> bool:
    if leaf in (Any, ..., *_CONTAINERS) or typing.get_origin(leaf) in (typing.Literal, os.PathLike):
        return True
    values = (bool, int, float, str, type(None), Enum, PurePath, os.PathLike)
    return isinstance(leaf, type) and issubclass(leaf, values)


def _names_class(value: Any) -> bool:
    """Whether jsonargparse might take a value, or text that it reads as YAML, for a class to import."""
    if isinstance(value, str) and "class_path" in value:
        try:
            loaded = yaml.safe_load(value)
        except yaml.YAMLError:
            return True
        return not isinstance(loaded, str) and _names_class(loaded)
    if isinstance(value, dict):
        return "class_path" in value or any(map(_names_class, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_names_class, value))
