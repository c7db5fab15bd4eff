"""Checks of every component: what it leaves alone - global settings, the GPU, pickle."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from adcore.testing import importing
from adcore.testing.checks import COMMON, check, require
from adcore.testing.guards import changed, fixed_threads, generators, no_gpu, no_pickle, refused, seeded, settings
from adcore.testing.subject import Subject

Use = Callable[[Any], object]

_USES: dict[str, Use] = {}


def use(kind: str) -> Callable[[Use], Use]:
    """Declare a function as what uses a built component of a kind once."""

    def declare(body: Use) -> Use:
        _USES[kind] = body
        return body

    return declare


@check(
    COMMON,
    "remove it at module level: an import must change neither what other code draws nor how many cores it uses",
)
def import_changes_nothing_global(subject: Subject) -> None:
    """Importing the module seeds no generator (random, numpy, torch) and sets no thread count."""
    _ = subject.target
    found = importing.global_changes(subject.entry)
    require(not found, f"importing {subject.entry.target.partition(':')[0]} sets {' and '.join(found)}")


@check(
    COMMON,
    "draw from a generator of your own (torch.Generator, numpy.random.default_rng) and leave settings to the user",
)
def changes_nothing_global(subject: Subject) -> None:
    """Building and using it seeds no global generator (random, numpy, torch) and sets no thread count."""
    exercise = _exercise(subject)

    def trial(seed: int) -> dict[str, Any]:
        with seeded(seed), fixed_threads(*_module(subject)) as called:
            before = settings()
            exercise(subject.construct())
            found = [f"calls {name}" for name in called] + [f"sets {name}" for name in changed(before, settings())]
            require(not found, f"it {' and '.join(dict.fromkeys(found))}")
            return generators()

    first, second, other = trial(0), trial(0), trial(1)
    fixed = [name for name in first if second[name] == other[name]]
    require(not fixed, f"it seeds the global generator of {', '.join(fixed)}")
    reseeded = changed(first, second)
    require(not reseeded, f"it reseeds the global generator of {', '.join(reseeded)}")


@check(
    COMMON,
    "make tensors on the CPU; adcore moves modules, and what a component returns follows the device of its input",
)
def off_the_gpu(subject: Subject) -> None:
    """``__init__`` neither initialises a GPU nor puts a tensor on one."""
    subject.skip_without_data()
    try:
        called = refused(no_gpu(), subject.construct)
    except Exception:  # not because of the GPU
        called = []
    require(not called, f"in __init__ {' and '.join(dict.fromkeys(called))}")
    for where, tensor in _tensors(subject.build()):
        require(tensor.device.type == "cpu", f"its tensor `{where}` is on {tensor.device}")


@check(COMMON, "keep state in tensors (safetensors) and settings in arguments (YAML); load weights by safetensors")
def pickles_nothing(subject: Subject) -> None:
    """Building and using it neither pickles nor unpickles: a pickle runs code when it is loaded."""
    exercise = _exercise(subject)
    called = refused(no_pickle(*_module(subject)), lambda: exercise(subject.construct()))
    require(not called, f"it calls {', '.join(dict.fromkeys(called))}")


def _exercise(subject: Subject) -> Use:
    """What uses the component once. The test is skipped where that fails; what is imported late is imported now."""
    component, exercise = subject.build(), _USES[subject.entry.kind]
    try:
        exercise(component)
    except Exception:
        pytest.skip("cannot be used: see the other checks")
    return exercise


def _module(subject: Subject) -> list[ModuleType]:
    """The module that defines the class, if it is there."""
    module = sys.modules.get(subject.cls.__module__)
    return [module] if module else []


def _tensors(component: Any, path: str = "", depth: int = 3) -> Iterator[tuple[str, Tensor]]:
    """Tensors that an object holds, parameters and buffers included, by name."""
    if isinstance(component, torch.nn.Module):
        yield from component.named_parameters()
        yield from component.named_buffers()
    elif isinstance(component, Tensor):
        yield path, component
    elif depth and isinstance(component, dict):
        for key, value in component.items():
            yield from _tensors(value, f"{path}.{key}".lstrip("."), depth - 1)
    elif depth and isinstance(component, (list, tuple)):
        for index, value in enumerate(component):
            yield from _tensors(value, f"{path}.{index}", depth - 1)
    elif depth and hasattr(component, "__dict__"):
        yield from _tensors(vars(component), path, depth)
