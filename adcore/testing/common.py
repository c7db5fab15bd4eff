"""Checks of every component: found, imported, of its kind, documented, and built by a recipe."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest

from adcore import interfaces, parts, registry
from adcore.overrides import short
from adcore.recipe_file import parse_yaml, write_yaml
from adcore.registry import BASES
from adcore.signature import arguments
from adcore.testing.checks import COMMON, Seen, check, require
from adcore.testing.subject import Subject, import_target


@check(COMMON, 'mend the module, or the line NAME = "module:Class" in pyproject.toml, and `pip install -e .` again')
def importable(subject: Subject) -> None:
    """What the entry point names can be imported."""
    if registry.incompatible(subject.entry):
        pytest.skip("made for another adcore: see the check `compatible`")
    try:
        import_target(subject.entry)
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise Seen(f"importing {subject.entry.target} ends Python ({type(error).__name__}: {error})") from None


@check(COMMON, "derive the class from the base class of its kind, or move its entry point to the group of its kind")
def base_class(subject: Subject) -> None:
    """What is registered in the group ``adcore.<kind>`` is a subclass of that kind's base class."""
    base, target = BASES[subject.entry.kind], subject.target
    fits = isinstance(target, type) and issubclass(target, getattr(interfaces, base))
    require(fits, f"{subject.entry.target} does not subclass adcore.{base}")


@check(COMMON, "implement what is missing; adcore/interfaces.py says what it takes and returns")
def concrete(subject: Subject) -> None:
    """The class implements every abstract method of its base class."""
    missing = ", ".join(sorted(getattr(subject.target, "__abstractmethods__", ())))
    require(not inspect.isabstract(subject.target), f"{subject.entry.target} lacks {missing}")


@check(
    COMMON, 'in pyproject.toml admit this adcore, e.g. dependencies = ["adcore>=0.1,<0.2"], or install the other one'
)
def compatible(subject: Subject) -> None:
    """The distribution's own requirement on adcore admits the adcore that is installed."""
    if reason := registry.incompatible(subject.entry):
        raise Seen(f"it {reason}")
    _ = subject.target  # a skip where it cannot be imported


@check(COMMON, "write its type, one that YAML can hold: `k: int = 2`, `sizes: list[int] | None = None`")
def typed(subject: Subject) -> None:
    """Every argument of ``__init__`` has a type, by which recipes and the command line check values."""
    for name, init in _inits(subject.cls).items():
        require(name in get_type_hints(init), f"the argument `{name}` has no type hint")


@check(
    COMMON,
    "add a docstring to the class, and to __init__ (or the class) a section `Args:` with a line `k: what it is.`",
)
def documented(subject: Subject) -> None:
    """The class says in its docstring what it is, and what each argument is for; ``adcore plugins`` shows it."""
    require(bool((vars(subject.cls).get("__doc__") or "").strip()), f"{subject.cls.__name__} has no docstring")
    for argument in arguments(subject.cls).values():
        require(bool(argument.doc), f"the argument `{argument.name}` has no line under `Args:`")


@check(COMMON, "call the argument something else, such as `model` or `variant`")
def no_argument_called_name(subject: Subject) -> None:
    """No argument is called ``name`` or ``class_path``: in a recipe these keys say which component is meant."""
    for key in ("name", "class_path"):
        require(key not in _inits(subject.cls), f"an argument of __init__ is called `{key}`")


@check(
    COMMON, "give every argument a default that works, or pass arguments={...} to conformance where that is impossible"
)
def built_by_recipe(subject: Subject) -> None:
    """A recipe that gives no arguments builds it, with the dimensions that other components decide handed over."""
    subject.skip_without_data()
    missing = subject.missing
    require(not missing, f"no default for {' and '.join(missing)}", f"give one, or {subject.how_to_give(missing)}")
    subject.construct()


@check(COMMON, "make each default a value of the argument's type that YAML can hold")
def survives_dump(subject: Subject) -> None:
    """A resolved recipe holds every argument, and reads back and is written again as the same text."""
    subject.build()
    part = subject.part()
    for name in arguments(subject.cls):
        kept = name in part.values or name in part.parts or name in part.linked
        require(kept, f"the default of `{name}` is left out, as it is no {arguments(subject.cls)[name].type} in YAML")
    text = write_yaml({subject.entry.kind: part.resolved})
    given = short(parse_yaml(text, "the dump")[subject.entry.kind]["init_args"])
    again = parts.assemble(subject.cls, given, subject.entry.kind, subject.entry)
    back = write_yaml({subject.entry.kind: again.resolved})
    require(back == text, f"the dump changes when read back: {_first_difference(text, back)}")
    subject.construct(again)


def _inits(cls: type) -> dict[str, Callable[..., Any]]:
    """For each argument of a class the ``__init__`` that declares it, its own or a parent's."""
    inits = [vars(owner)["__init__"] for owner in cls.__mro__ if "__init__" in vars(owner)]
    return {name: next(i for i in inits if name in inspect.signature(i).parameters) for name in arguments(cls)}


def _first_difference(one: str, two: str) -> str:
    pairs = zip(one.splitlines(), two.splitlines(), strict=False)
    before, after = next(((a, b) for a, b in pairs if a != b), ("more lines", "fewer"))
    return f"{before.strip()!r} becomes {after.strip()!r}"
