"""The observers of one run behind one object: calling a hook on it calls that hook on each of them."""

from __future__ import annotations

import functools
import inspect
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pluggy

from adcore import registry
from adcore.errors import AdcoreWarning, UserError
from adcore.hooks import PROJECT, Hooks
from adcore.interfaces import Observer
from adcore.source import at
from adcore.suggestions import did_you_mean

_impl = pluggy.HookimplMarker(PROJECT)

SIGNATURES = {hook: inspect.signature(getattr(Hooks, hook)) for hook in dir(Hooks) if hook.startswith("on_")}
ARGUMENTS = {hook: tuple(signature.parameters)[1:] for hook, signature in SIGNATURES.items()}  # without self


class ObserverError(UserError):
    """An observer failed. The message names observer, distribution, hook and place; ``__cause__`` is what it raised."""


class Observers(Hooks):
    """Calls every observer, in the recipe's order, whenever one of its hooks is called.

    Each observer hears of an event even if another fails on it, so that a broken report does not leave a progress bar
    on the terminal; then the first failure is raised. A `UserError` is raised as it is, `KeyboardInterrupt` at once.
    From `on_error` on, failures are warnings: the error that ends the run must stay in sight.

    Args:
        observers: who watches; each public method called ``on_*`` has to be a hook and may take some of its arguments.

    Raises:
        UserError: a method or argument is no hook's; names the observer, its distribution and the nearest real name.
        ObserverError: on a call, where an observer raised anything else.
    """

    def __init__(self, observers: Sequence[Observer]):
        self._failures: list[UserError] = []
        self._ended_early = False
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Hooks)
        for index, observer in reversed(list(enumerate(observers))):  # pluggy calls the last registered first
            hooks = check_hooks(type(observer))
            implementations = {hook: self._guard(observer, hook, accepted) for hook, accepted in hooks.items()}
            self._manager.register(SimpleNamespace(**implementations), name=f"{index}:{type(observer).__name__}")
        for hook in ARGUMENTS:
            setattr(self, hook, functools.partial(self._call, hook))  # keeps the type it has in Hooks

    def _call(self, hook: str, *args: Any, **kwargs: Any) -> None:
        arguments = SIGNATURES[hook].bind(self, *args, **kwargs).arguments
        del arguments["self"]
        self._failures.clear()
        self._ended_early |= hook == "on_error"
        getattr(self._manager.hook, hook)(**arguments)
        if self._failures and not self._ended_early:
            raise self._failures[0]
        for failure in self._failures:
            warnings.warn(str(failure), AdcoreWarning, stacklevel=2)

    def _guard(self, observer: Observer, hook: str, accepted: Sequence[str]) -> Callable[..., None]:
        """Wrap an observer's method so that pluggy sees the hook's full signature and failures name their origin."""
        method = getattr(observer, hook)

        @_impl
        @functools.wraps(getattr(Hooks, hook))
        def call(*values: Any) -> None:
            arguments = dict(zip(ARGUMENTS[hook], values, strict=True))
            try:
                method(**{argument: arguments[argument] for argument in accepted})
            except UserError as error:
                self._failures.append(error)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # SystemExit too: an observer does not end a run in silence
                self._failures.append(_failure(type(observer), hook, error))

        return call


def check_hooks(observer: type[Observer]) -> dict[str, tuple[str, ...]]:
    """The hooks that an observer implements, each with those of the hook's arguments that it takes.

    Raises:
        UserError: a method or argument is no hook's.
    """
    methods = [m for m in dir(observer) if m.startswith("on_") and callable(getattr(observer, m))]
    for method in methods:
        if method not in ARGUMENTS:
            raise UserError(f"{_describe(observer)}: there is no hook {method!r}{_nearest(method, ARGUMENTS)}")
    return {method: _accepted_arguments(observer, method) for method in methods}


def _accepted_arguments(observer: type[Observer], hook: str) -> tuple[str, ...]:
    """Which of the hook's arguments the observer's method takes; all of them if it has ``**kwargs``."""
    method = inspect.getattr_static(observer, hook)
    bound = isinstance(method, (staticmethod, classmethod))
    parameters = list(inspect.signature(getattr(observer, hook)).parameters.values())[0 if bound else 1 :]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return ARGUMENTS[hook]
    named = [p for p in parameters if p.kind is not p.VAR_POSITIONAL]
    for argument in named:
        if argument.name not in ARGUMENTS[hook]:
            problem = f"the hook {hook!r} has no argument {argument.name!r}"
            raise UserError(f"{_describe(observer)}: {problem}{_nearest(argument.name, ARGUMENTS[hook])}")
        if argument.kind is argument.POSITIONAL_ONLY:
            raise UserError(f"{_describe(observer)}: arguments come by name; leave out the '/' in {hook!r}")
    return tuple(argument.name for argument in named)


def _nearest(word: str, known: Iterable[str]) -> str:
    return did_you_mean(word, known) or f"; known: {', '.join(known) or 'none'}"


def _failure(observer: type[Observer], hook: str, error: BaseException) -> ObserverError:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    cause = at(error, frame.filename, frame.lineno)
    failure = ObserverError(f"{_describe(observer)} failed in {hook}: {cause}; mend it or leave it out of `observers`")
    failure.__cause__ = error
    return failure


def _describe(observer: type[Observer]) -> str:
    """Class of an observer and the distribution that brought it."""
    path = f"{observer.__module__}.{observer.__qualname__}"
    known = registry.entries(Observer.kind)
    same = [entry for entry in known if entry.class_path == path] or [
        entry for entry in known if entry.class_path.partition(".")[0] == observer.__module__.partition(".")[0]
    ]
    origin = f"of {same[0].dist} {same[0].version}" if same else f"of module {observer.__module__}"
    return f"observer {observer.__name__} {origin}"


@contextmanager
def own_warnings(observers: Observers) -> Iterator[None]:
    """Show adcore's own warnings through the observers; leave other people's as they are."""
    show = warnings.showwarning

    def route(message: Warning | str, category: type[Warning], *details: Any) -> None:
        if issubclass(category, AdcoreWarning):
            observers.on_message(level="warning", text=str(message))
        else:
            show(message, category, *details)

    with warnings.catch_warnings():
        warnings.showwarning = route  # type: ignore[assignment]
        yield
