"""What a component must not do, made to fail while it is built and used: pickling, the GPU, global settings."""

from __future__ import annotations

import os
import pickle
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Variables of the environment by which libraries choose their number of threads."""

HARMLESS = ("cpu", "meta")
"""Devices on which a component may make tensors while it is built; those on ``meta`` take no memory."""


class Forbidden(RuntimeError):
    """A component called what it must not call."""


@contextmanager
def no_pickle(*modules: ModuleType) -> Iterator[list[str]]:
    """Refuse to pickle and unpickle; ``torch.load`` only with ``weights_only=True``.

    Args:
        modules: in which names imported from pickle or torch are replaced too.

    Yields:
        What was called, also where the caller swallowed the refusal.
    """
    called: list[str] = []
    load = torch.load

    def load_weights_only(*args: Any, **kwargs: Any) -> Any:
        return load(*args, **kwargs) if kwargs.get("weights_only") else refuse("torch.load")

    def refuse(what: str) -> Any:
        called.append(what)
        raise Forbidden(f"{what} was called")

    places = [(pickle, name) for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler")]
    places += [(sys.modules["joblib"], name) for name in ("dump", "load") if "joblib" in sys.modules]
    with ExitStack() as stack:
        for module, name in [*places, (torch, "save")]:
            _replace(stack, module, name, _refusing(refuse, f"{module.__name__}.{name}"), modules)
        _replace(stack, torch, "load", load_weights_only, modules)
        yield called


@contextmanager
def no_gpu() -> Iterator[list[str]]:
    """Pretend that there is a GPU, and refuse to initialise it.

    Yields:
        What was called, also where the caller swallowed the refusal.
    """
    called: list[str] = []

    def refuse(what: str = "the GPU was initialised") -> None:
        called.append(what)
        raise Forbidden(what)

    class Watch(TorchFunctionMode):  # sees a GPU that was initialised before
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.device.type not in HARMLESS:
                refuse(f"a tensor was made on {result.device}")
            return result

    with (
        patch.object(torch.cuda, "_lazy_init", refuse),
        patch.object(torch.cuda, "is_available", lambda: True),
        Watch(),
    ):
        yield called


def refused(guard: AbstractContextManager[list[str]], run: Callable[[], object]) -> list[str]:
    """What `run` called that a guard refuses, also where it dressed the refusal as an error of its own.

    Raises:
        Exception: it failed for another reason.
    """
    with guard as called:
        try:
            run()
        except Exception:
            if not called:
                raise
    return called


@contextmanager
def fixed_threads(*modules: ModuleType) -> Iterator[list[str]]:
    """Let no one set torch's numbers of threads.

    Comparing them would miss the number that is set anyway, and trying another one takes long on busy cores.

    Args:
        modules: in which names imported from torch are replaced too.

    Yields:
        What was called.
    """
    called: list[str] = []
    with ExitStack() as stack:
        for name in ("set_num_threads", "set_num_interop_threads"):
            _replace(stack, torch, name, _noting(called, f"torch.{name}"), modules)
        yield called


def generators() -> dict[str, Any]:
    """State of the process-wide random generators, comparable."""
    kind, keys, *rest = np.random.get_state()
    return {
        "random": random.getstate(),
        "numpy.random": (kind, bytes(np.asarray(keys)), *rest),
        "torch": bytes(torch.get_rng_state().numpy()),
    }


def settings() -> dict[str, Any]:
    """Process-wide settings that belong to the user."""
    return {
        "torch's number of threads": torch.get_num_threads(),
        "torch's number of interop threads": torch.get_num_interop_threads(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's grad mode": torch.is_grad_enabled(),
        **{f"the environment's {name}": os.environ.get(name) for name in THREAD_VARIABLES},
    }


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names of what differs."""
    return [name for name in before if before[name] != after[name]]


@contextmanager
def seeded(seed: int, threads: int | None = None) -> Iterator[None]:
    """Seed the process-wide generators; they, and all `settings`, are put back at the end.

    Args:
        seed: for each of them.
        threads: number of torch's threads meanwhile; by default as it is.
    """
    state, python, thread_count = np.random.get_state(), random.getstate(), torch.get_num_threads()
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    variables = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        if threads:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            np.random.set_state(state)
            random.setstate(python)
            torch.set_num_threads(thread_count)
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad)
            for name, value in variables.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def _noting(called: list[str], what: str) -> Callable[..., None]:
    return lambda *args, **kwargs: called.append(what)


def _refusing(refuse: Callable[[str], Any], what: str) -> Callable[..., Any]:
    return lambda *args, **kwargs: refuse(what)


def _replace(stack: ExitStack, module: ModuleType, name: str, other: Any, modules: tuple[ModuleType, ...]) -> None:
    """Replace an attribute of a module, and the same thing wherever further modules imported it by name."""
    original = getattr(module, name)
    stack.enter_context(patch.object(module, name, other))
    for importer in modules:
        for alias, value in list(vars(importer).items()):
            if value is original:
                stack.enter_context(patch.object(importer, alias, other))
