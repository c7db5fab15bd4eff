"""What a plugin's author sees of `conformance` in pytest."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adcore import registry
from adcore.testing import Violation, checks, conformance, run_check

GOOD = (Path(__file__).parent / "components" / "clusterer.py").read_text()
AUTHOR = """
from adcore.testing import conformance

expected = {"clusterer/mine:constant_input": "waits for the next release"}
test_mine = conformance("Acme_AD", expected_failures=expected, arguments={"clusterer/mine": {"k": 1}})
test_mended = conformance("acme-ad", expected_failures={"clusterer/mine:one_point": "once"})
unknown = {"clusterer/mine:constant_inputs": "misspelt"}
test_keys = conformance("acme-ad", expected_failures=unknown, arguments={"fuser/min": {}})
test_nothing = conformance("acme-empty")
test_typo = conformance("acme-typo")
test_absent = conformance("acme_add")
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory, write_distribution):
    """Outcome of each case of a test module as an author would write it, and all that pytest printed."""
    site, tests = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("tests")
    constant = "assert len(x) < 2 or (x != x[0]).any(), 'constant'"
    write_distribution(
        site,
        "acme-ad",
        "[adcore.clusterer]\nmine = acme_mine:Good\n[adcore.fuser]\nbroken = acme_broken:Good\n",
        "adcore<1",
        acme_mine=GOOD.replace("        count", f"        {constant}\n        count"),
        acme_broken="import not_there\n",
    )
    write_distribution(site, "acme-empty", "")
    write_distribution(site, "acme-typo", "[adcore.clusterers]\nmine = acme_mine:Good\n")
    (tests / "test_it.py").write_text(AUTHOR)
    command = [sys.executable, "-m", "pytest", "-v", "-rsx", "-k", "not import_changes", "-p", "no:cacheprovider", "."]
    environment = os.environ | {"PYTHONPATH": str(site), "PYTEST_ADDOPTS": "", "COLUMNS": "300"}
    done = subprocess.run(command, cwd=tests, env=environment, capture_output=True, text=True, check=False)
    return dict(re.findall(r"^test_it.py::test_(\S+) ([A-Z]+)", done.stdout, re.MULTILINE)), done.stdout


def outcomes(session, start):
    return {name: outcome for name, outcome in session[0].items() if name.startswith(start)}


def test_a_case_per_component_and_check(session):
    expected = {f"mine[clusterer/mine:{check.name}]" for check in checks("clusterer")} - {
        "mine[clusterer/mine:import_changes_nothing_global]"
    }
    found = outcomes(session, "mine[clusterer/mine:")
    assert found.keys() == expected
    assert found.pop("mine[clusterer/mine:constant_input]") == "XFAIL"
    assert {*found.values()} == {"PASSED"}
    assert "waits for the next release" in session[1]


def test_an_expected_failure_that_passes_is_a_failure(session):
    assert outcomes(session, "mended[clusterer/mine:one_point") == {"mended[clusterer/mine:one_point]": "FAILED"}


def test_what_cannot_be_imported_fails_once_and_skips_the_rest(session):
    found = outcomes(session, "mine[fuser/broken:")
    assert found.pop("mine[fuser/broken:importable]") == "FAILED"
    assert len(found) > 10 and {*found.values()} == {"SKIPPED"}
    assert "cannot be imported: see the check `importable`" in session[1]


def test_a_failure_shows_the_authors_lines_and_the_remedy_but_not_the_kit(session):
    section = session[1].partition("test_mended[clusterer/mine:constant_input] __")[2].partition("\n____")[0]
    assert "assert len(x) < 2" in section and "acme_mine.py:" in section
    assert "AssertionError: constant (acme_mine.py, line" in section
    assert "Contract: Points that are all equal" in section and "Remedy: return one cluster" in section
    assert "def run_check" not in section and "adcore/testing/" not in section and "adcore/parts.py" not in section


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("keys[expected_failures:clusterer/mine:constant_inputs]", "did you mean 'clusterer/mine:constant_input'?"),
        ("keys[arguments:fuser/min]", "it has clusterer/mine, fuser/broken"),
        ("nothing[acme-empty:registered]", "acme-empty is installed but registers no component"),
        ("typo[acme-typo:registered]", "does not know; did you mean 'adcore.clusterer'?"),
        ("absent[acme_add:registered]", "no distribution called 'acme_add' is installed; did you mean 'acme-ad'?"),
    ],
)
def test_what_the_author_got_wrong_is_a_failing_case(session, case, told):
    assert session[0][case] == "FAILED"
    section = session[1].partition(f"_ test_{case} _")[2].partition("\n____")[0]
    assert told in section and "Remedy: " in section


def test_listing_the_cases_imports_nothing(tmp_path, monkeypatch, write_distribution):
    site = write_distribution(tmp_path, "acme-ad", "[adcore.fuser]\nodd = acme_odd:Good\n", acme_odd="raise SystemExit")
    monkeypatch.syspath_prepend(site)
    mark = conformance("acme-ad").pytestmark[0]
    assert [case.id for case in mark.args[1]] == [f"fuser/odd:{check.name}" for check in checks("fuser")]
    assert "acme_odd" not in sys.modules


def test_a_data_set_without_its_root_is_skipped_with_what_to_write():
    with pytest.raises(pytest.skip.Exception, match=r'pass arguments=\{"dataset/folder": \{"root": ...\}\}'):
        run_check(registry.find("dataset", "folder"), "samples_exist")


def test_backbones_get_no_pretrained_weights_unless_told(tmp_path):
    resnet = registry.find("backbone", "resnet")
    run_check(resnet, "built_by_recipe")
    with pytest.raises(Violation, match=r"absent.safetensors is no file"):
        run_check(resnet, "built_by_recipe", {"weights": str(tmp_path / "absent.safetensors")})


def test_a_check_that_does_not_exist_is_the_callers_mistake():
    with pytest.raises(ValueError, match="a fuser has no check 'monotonous'; did you mean 'monotone'"):
        run_check(registry.find("fuser", "mean"), "monotonous")


def test_every_check_states_contract_and_remedy_in_a_line():
    for kind in registry.KINDS:
        for check in checks(kind):
            assert check.contract and check.remedy and "\n" not in check.contract + check.remedy
            assert not check.remedy.endswith(".")


def test_without_pytest_the_kit_says_what_to_install():
    code = "import sys; sys.modules['pytest'] = None; import adcore.testing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (
        done.stderr.strip().splitlines()[-1] == "ImportError: adcore.testing needs pytest: pip install 'adcore[test]'"
    )
