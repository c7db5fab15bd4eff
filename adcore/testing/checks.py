"""What a check is: a contract with its remedy, and how one is run on a component."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import adcore
from adcore.errors import UserError
from adcore.registry import KINDS, Entry
from adcore.suggestions import did_you_mean
from adcore.testing.subject import Subject

Body = Callable[[Subject], None]

COMMON = "every kind"
"""What stands for all kinds where a check is declared."""


class Violation(AssertionError):
    """A component breaks its contract. The message says what was seen, what the contract is, and the remedy."""


Violation.__module__ = "adcore.testing"  # where it is public, and what pytest prints


class Seen(AssertionError):
    """What a check found wrong, before `run_check` says where, and what the remedy is."""

    def __init__(self, seen: str, remedy: str = ""):
        super().__init__(seen)
        self.remedy = remedy


@dataclass(frozen=True)
class Check:
    """One promise of a contract and the code that tries it.

    Attributes:
        name: as in the id of a case, ``clusterer/mine:constant_input``.
        kind: of the components that it is for, or `COMMON`.
        contract: the promise in one line.
        remedy: what to do where it is broken.
        body: tries it; raises `Seen`, or whatever the component raises.
    """

    name: str
    kind: str
    contract: str
    remedy: str
    body: Body


_CHECKS: dict[str, dict[str, Check]] = {kind: {} for kind in (COMMON, *KINDS)}


def check(kind: str, remedy: str) -> Callable[[Body], Body]:
    """Declare a function as a check. Its name is the check's name, its docstring the contract.

    Args:
        kind: of the components that it is for, or `COMMON`.
        remedy: what to do where the contract is broken; a sentence without its full stop.
    """

    def declare(body: Body) -> Body:
        contract = (body.__doc__ or "").strip().rstrip(".").replace("``", "`")
        _CHECKS[kind][body.__name__] = Check(body.__name__, kind, contract, remedy, body)
        return body

    return declare


def checks(kind: str) -> list[Check]:
    """The checks of a kind of component in the order in which they are run: the common ones, then its own."""
    return [*_CHECKS[COMMON].values(), *_CHECKS[kind].values()]


def require(holds: bool, seen: str, remedy: str = "") -> None:
    """Go on where a contract holds.

    Args:
        holds: whether it does.
        seen: what was seen instead, as a part of a sentence.
        remedy: in place of the check's own.

    Raises:
        Seen: it does not hold.
    """
    if not holds:
        raise Seen(seen, remedy)


def run_check(entry: Entry, check: str | Check, arguments: Mapping[str, Any] | None = None) -> None:
    """Run one check on one component.

    Args:
        entry: the component, such as ``adcore.registry.find("clusterer", "kmeans")``.
        check: one of `checks` of its kind, or its name.
        arguments: of the component's constructor, where its defaults will not do.

    Raises:
        Violation: the component breaks the contract.
        ValueError: its kind has no such check.
        pytest.skip.Exception: the check does not apply, or an earlier one found why it cannot be run.
    """
    __tracebackhide__ = True
    chosen = check if isinstance(check, Check) else _named(entry.kind, check)
    try:
        chosen.body(Subject(entry, arguments or {}))
    except Seen as seen:
        _report(entry, chosen, str(seen), seen.remedy)
    except Exception as error:  # a component may fail in any way
        _report(entry, chosen, _raised(error, entry), cause=None if isinstance(error, UserError) else error)


def _named(kind: str, name: str) -> Check:
    known = {check.name: check for check in checks(kind)}
    if name not in known:
        raise ValueError(f"a {kind} has no check {name!r}{did_you_mean(name, known)}")
    return known[name]


def _report(entry: Entry, check: Check, seen: str, remedy: str = "", cause: Exception | None = None) -> NoReturn:
    __tracebackhide__ = True
    remedy = (remedy or check.remedy).rstrip(".")
    message = f"{entry}: {seen.rstrip('.')}.\nContract: {check.contract}.\nRemedy: {remedy}.".replace("?.", "?")
    if cause is None:
        raise Violation(message) from None
    raise Violation(message) from cause.with_traceback(_outside(cause.__traceback__))


def _raised(error: Exception, entry: Entry) -> str:
    """An error in one line, with the last place in the component's own module, if it went through there."""
    if isinstance(error, UserError):
        return str(error)
    file = getattr(sys.modules.get(entry.target.partition(":")[0]), "__file__", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if frame.filename == file] or frames
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}{place}"


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from where it leaves adcore for the component."""
    core, at = str(Path(adcore.__file__).parent), trace
    while at is not None and at.tb_frame.f_code.co_filename.startswith(core):
        at = at.tb_next
    return at or trace
