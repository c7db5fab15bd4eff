"""The conformance kit: does a component keep the contract of its kind?

One call in a test module of a distribution tests everything that it registers, a case per component and check::

    from adcore.testing import conformance

    test_conformance = conformance("my-dist")

`conformance` says what else it takes, `checks` lists the promises of a kind, `run_check` tries one of them.
"""

from __future__ import annotations

import importlib

from adcore.registry import KINDS

try:
    import pytest as _pytest  # noqa: F401
except ImportError:
    raise ImportError("adcore.testing needs pytest: pip install 'adcore[test]'") from None

from adcore.testing.cases import conformance
from adcore.testing.checks import Check, Violation, checks, run_check

for _module in ("common", "conduct", *KINDS):  # each declares its checks
    importlib.import_module(f"adcore.testing.{_module}")

__all__ = ["Check", "Violation", "checks", "conformance", "run_check"]
