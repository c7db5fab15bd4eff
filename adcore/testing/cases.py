"""The public call: one pytest function with a case for each component and check of a distribution."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from adcore import registry
from adcore.registry import KINDS, Entry
from adcore.suggestions import did_you_mean
from adcore.testing.checks import Violation, checks, run_check

Case = Callable[[], None]


def conformance(
    dist: str,
    *,
    expected_failures: Mapping[str, str] | None = None,
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[Case], None]:
    """Tests that every component of a distribution keeps the contract of its kind.

    Put it into a test module under a name that starts with ``test``::

        test_conformance = conformance("my-dist")

    Each case is called ``kind/name:check``, such as ``clusterer/mine:constant_input``; choose some by ``pytest -k``.
    The list is made from the installed metadata; a component is only imported when its cases run. One that cannot be
    imported fails ``importable``, and its other cases are skipped.

    Components are built as a recipe builds them, from their defaults. A built-in pyramid and relation stand for the
    components that decide ``channels``, ``strides`` and ``relations``. A backbone that takes ``weights`` gets ``none``
    where `arguments` says nothing else, as its default is usually a download.

    Args:
        dist: the distribution's name, as in its ``pyproject.toml``; it has to be installed (``pip install -e .``).
        expected_failures: by case, why it is known to fail. Such a case has to fail: when it passes, remove it here.
        arguments: by component (``backbone/mine``), constructor arguments in place of defaults that a test cannot use:
            small sizes, the root of a data set.

    Returns:
        The test function. Where the distribution is not installed, registers nothing, or a key names nothing, a case
        fails and says what to do.
    """
    expected, given = dict(expected_failures or {}), dict(arguments or {})
    cases = dict(_cases(dist, given))
    for key in expected:
        if key not in cases:
            cases[f"expected_failures:{key}"] = _failing(
                f"expected_failures: there is no case {key!r}{did_you_mean(key, cases)}.\n"
                "Remedy: correct the key, or remove it; `pytest --collect-only` lists all cases."
            )
    parameters = [
        pytest.param(
            case,
            id=name,
            marks=[pytest.mark.xfail(reason=expected[name], raises=Violation, strict=True)] if name in expected else [],
        )
        for name, case in cases.items()
    ]

    @pytest.mark.parametrize("case", parameters)
    def test_conformance(case: Case) -> None:
        """A component keeps one promise of its contract."""
        __tracebackhide__ = True
        case()

    return test_conformance


def _cases(dist: str, arguments: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Case]]:
    """All cases by name, in order."""
    found = [entry for entry in registry.entries() if canonicalize_name(entry.dist) == canonicalize_name(dist)]
    if problem := _problem(dist, found):
        yield f"{dist}:registered", _failing(problem)
    components = {f"{entry.kind}/{entry.name}": entry for entry in found}
    for key in arguments:
        if key not in components:
            yield (
                f"arguments:{key}",
                _failing(
                    f"arguments: {dist} has no component {key!r}{did_you_mean(key, components)}.\n"
                    f"Remedy: correct the key, or remove it; it has {', '.join(components) or 'none'}."
                ),
            )
    for component, entry in components.items():
        for check in checks(entry.kind):
            yield f"{component}:{check.name}", _case(entry, check.name, arguments.get(component, {}))


def _case(entry: Entry, check: str, arguments: Mapping[str, Any]) -> Case:
    def case() -> None:
        __tracebackhide__ = True
        run_check(entry, check, arguments)

    return case


def _failing(message: str) -> Case:
    def case() -> None:
        __tracebackhide__ = True
        raise Violation(message)

    return case


def _problem(dist: str, found: list[Entry]) -> str:
    """What is wrong with a distribution as a whole, or nothing."""
    try:
        points = metadata.distribution(dist).entry_points
    except metadata.PackageNotFoundError:
        hint = did_you_mean(dist, {entry.dist for entry in registry.entries()})
        return (
            f"no distribution called {dist!r} is installed{hint}.\n"
            "Remedy: run `pip install -e .` in its folder, or write the name as in its pyproject.toml."
        )
    example = '[project.entry-points."adcore.clusterer"] mine = "my_package.mine:Mine"'
    for group in sorted(points.groups):
        if group.startswith("adcore.") and group.removeprefix("adcore.") not in KINDS:
            known = [f"adcore.{kind}" for kind in KINDS]
            return (
                f"{dist} registers in the group {group!r}, which adcore does not know{did_you_mean(group, known)}.\n"
                f"Remedy: use one of {', '.join(known)} in its pyproject.toml, and `pip install -e .` again."
            )
    if not found:
        return (
            f"{dist} is installed but registers no component.\n"
            f"Remedy: add to its pyproject.toml {example}, and `pip install -e .` again."
        )
    return ""
