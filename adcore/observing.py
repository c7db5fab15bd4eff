"""The observers of one run behind one object: calling a hook on it calls that hook on each of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points, packages_distributions
from types import SimpleNamespace
from typing import Any

import pluggy

from adcore.errors import UserError
from adcore.hooks import PROJECT, Hooks
from adcore.interfaces import Observer
from adcore.suggestions import did_you_mean

_impl = pluggy.HookimplMarker(PROJECT)

SIGNATURES = {hook: inspect.signature(getattr(Hooks, hook)) for hook in dir(Hooks) if hook.startswith("on_")}
ARGUMENTS = {hook: tuple(signature.parameters)[1:] for hook, signature in SIGNATURES.items()}  # without self


class ObserverError(RuntimeError):
    """An observer failed. The message names observer and hook; ``__cause__`` is what it raised."""


class Observers(Hooks):
    """Calls every observer, in the recipe's order, whenever one of its hooks is called.

    Each observer hears of an event even if another fails on it, so that a broken report does not leave a progress bar
    on the terminal; then the first failure is raised. A `UserError` is raised as it is, `KeyboardInterrupt` at once.

    Args:
        observers: who watches; each public method called ``on_*`` has to be a hook and may take some of its arguments.

    Raises:
        UserError: a method or argument is no hook's; names the observer, its distribution and the nearest real name.
        ObserverError: on a call, where an observer raised anything else.
    """

    def __init__(self, observers: Sequence[Observer]):
        self._failures: list[Exception] = []
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Hooks)
        for index, observer in reversed(list(enumerate(observers))):  # pluggy calls the last registered first
            implementations = {hook: self._guard(observer, hook) for hook in _hooks_of(observer)}
            self._manager.register(SimpleNamespace(**implementations), name=f"{index}:{type(observer).__name__}")
        for hook in ARGUMENTS:
            setattr(self, hook, functools.partial(self._call, hook))  # keeps the type it has in Hooks

    def _call(self, hook: str, *args: Any, **kwargs: Any) -> None:
        arguments = SIGNATURES[hook].bind(self, *args, **kwargs).arguments
        del arguments["self"]
        self._failures.clear()
        getattr(self._manager.hook, hook)(**arguments)
        if self._failures:
            raise self._failures[0]

    def _guard(self, observer: Observer, hook: str) -> Callable[..., None]:
        """Wrap an observer's method so that pluggy sees the hook's full signature and failures name their origin."""
        method = getattr(observer, hook)
        accepted = _accepted_arguments(observer, hook)

        @_impl
        @functools.wraps(getattr(Hooks, hook))
        def call(*values: Any) -> None:
            arguments = dict(zip(ARGUMENTS[hook], values, strict=True))
            try:
                method(**{argument: arguments[argument] for argument in accepted})
            except UserError as error:
                self._failures.append(error)
            except Exception as error:
                failure = ObserverError(f"{_describe(observer)} failed in {hook}: {type(error).__name__}: {error}")
                failure.__cause__ = error
                self._failures.append(failure)

        return call


def _hooks_of(observer: Observer) -> list[str]:
    """Names of the hooks that an observer implements."""
    methods = [m for m in dir(type(observer)) if m.startswith("on_") and callable(getattr(type(observer), m))]
    for method in methods:
        if method not in ARGUMENTS:
            raise UserError(f"{_describe(observer)}: there is no hook {method!r}{_nearest(method, ARGUMENTS)}")
    return methods


def _accepted_arguments(observer: Observer, hook: str) -> tuple[str, ...]:
    """Which of the hook's arguments the observer's method takes; all of them if it has ``**kwargs``."""
    parameters = inspect.signature(getattr(observer, hook)).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return ARGUMENTS[hook]
    named = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
    for argument in named:
        if argument not in ARGUMENTS[hook]:
            problem = f"the hook {hook!r} has no argument {argument!r}"
            raise UserError(f"{_describe(observer)}: {problem}{_nearest(argument, ARGUMENTS[hook])}")
    return tuple(named)


def _nearest(word: str, known: Iterable[str]) -> str:
    return did_you_mean(word, known) or f"; known: {', '.join(known) or 'none'}"


def _describe(observer: Observer) -> str:
    """Class of an observer and the distribution that brought it."""
    kind = type(observer)
    package = kind.__module__.partition(".")[0]
    points = entry_points(group=f"adcore.{Observer.kind}")
    registered = [point.dist.name for point in points if point.dist and point.module.partition(".")[0] == package]
    dists = registered or packages_distributions().get(package, [])  # an editable install lists no packages
    return f"observer {kind.__name__}" + (f" of {dists[0]}" if dists else f" of module {kind.__module__}")
