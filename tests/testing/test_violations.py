"""Planted violations: each is caught by the check of its contract, and by no other, with the remedy."""

import sys
from pathlib import Path

import pytest
import yaml

from adcore import registry
from adcore.testing import Violation, checks, run_check

HERE = Path(__file__).parent
VIOLATIONS = yaml.safe_load((HERE / "violations.yaml").read_text())
IMPORTING = "import_changes_nothing_global"  # starts Python anew; tried only where it is the point


@pytest.fixture
def install(tmp_path, monkeypatch, write_distribution):
    """Installs one of ``components/`` with replacements in its source, and returns its entry."""

    def do(kind, change=None, requires="adcore<1"):
        source = (HERE / "components" / f"{kind}.py").read_text()
        for old, new in (change or {}).items():
            assert source.count(old) == 1, f"{old!r} is there {source.count(old)} times"
            source = source.replace(old, new)
        points = f"[adcore.{kind}]\nplanted = planted:Good\n"
        monkeypatch.delitem(sys.modules, "planted", raising=False)
        monkeypatch.syspath_prepend(write_distribution(tmp_path, "planted", points, requires, planted=source))
        return registry.find(kind, "planted")

    yield do
    sys.modules.pop("planted", None)


@pytest.mark.parametrize("kind", registry.KINDS)
def test_what_keeps_its_contract_passes_every_check(install, kind):
    entry = install(kind)
    for check in checks(kind):
        if check.name != IMPORTING:
            run_check(entry, check)  # a skip would show


@pytest.mark.parametrize("planted", VIOLATIONS, ids=[f"{each['kind']}-{each['fails']:.40}" for each in VIOLATIONS])
def test_a_violation_is_caught_with_its_remedy(install, planted):
    entry = install(planted["kind"], planted["change"], planted.get("requires", ""))
    expected, found = planted["fails"].split(), {}
    for check in checks(entry.kind):
        if check.name == IMPORTING and IMPORTING not in expected:
            continue
        try:
            run_check(entry, check)
        except Violation as violation:
            found[check.name] = str(violation)
        except pytest.skip.Exception:
            pass

    assert {*found} == {*expected}, "\n\n".join(found.values())
    for message in found.values():
        seen, remedy = message.split("\nRemedy: ")
        assert planted.get("seen", "planted 1.5") in seen
        assert planted["remedy"] in remedy and remedy.endswith(".") and len(remedy) > 20


def test_no_check_is_without_a_violation_that_it_catches():
    caught = {(each["kind"], name) for each in VIOLATIONS for name in each["fails"].split()}
    for kind in registry.KINDS:
        for check in checks(kind):
            assert (kind if check.kind == kind else "clusterer", check.name) in caught
