"""Broken plugins hurt nobody else, and a recipe reaches nothing but installed components."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from tiny import UNIFIED, write_recipe

from adcore import cli
from adcore.stages import Stages

GOOD = '''
from typing import Any

from adcore import Clusterer


class Good(Clusterer):
    """Puts every point in one cluster."""

    def __init__(self, extra: Any = None, table: dict[str, Any] | None = None, names: list[str] | None = None):
        """Configure the clusterer.

        Args:
            extra: anything.
            table: anything.
            names: some.
        """

    def fit_predict(self, x):
        """One cluster."""
        return [0] * len(x)
'''

BROKEN = {
    "importing": "import nothing_of_that_name\n" + GOOD,
    "syntax": GOOD + "\n    def (:\n",
    "base": GOOD.replace("import Clusterer", "import Fuser as Clusterer"),
    "abstract": "from adcore import Clusterer\n\nclass Good(Clusterer):\n    pass\n",
    "other": "raise RuntimeError('made for another adcore')\n" + GOOD,
    "kmeans": GOOD,
}
"""Six plugins, each broken in a way of its own, by the name that each claims."""

REASONS = {
    "importing": r"cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that_name' (",
    "syntax": "cannot be imported: SyntaxError: ",
    "base": "is no clusterer: acme_base:Good must subclass adcore.Clusterer",
    "abstract": "is incomplete: acme_abstract:Good must implement fit_predict",
    "other": "needs adcore >=99, but this is adcore ",
    "kmeans": "'kmeans' means adcore's; write acme-kmeans/kmeans",
}

TOLD_BY_TEXT = {"syntax", "other", "kmeans"}
"""What the list finds without importing."""


@pytest.fixture
def six(tmp_path, monkeypatch, write_distribution):
    """The six broken plugins, each a distribution of its own, and a good one; the folder they are installed in."""
    site = tmp_path / "site"
    for name, source in (BROKEN | {"good": GOOD}).items():
        requires = "adcore>=99" if name == "other" else "adcore>=0.1,<99"
        points = f"[adcore.clusterer]\n{name} = acme_{name}:Good\n"
        write_distribution(site, f"acme-{name}", points, requires, **{f"acme_{name}": source})
        monkeypatch.delitem(sys.modules, f"acme_{name}", raising=False)
    (site / "canary.py").write_text("from acme_good import Good\n")  # can be imported, but is not installed
    monkeypatch.delitem(sys.modules, "canary", raising=False)
    monkeypatch.syspath_prepend(site)
    return site


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Run a recipe that has to be refused before anything is computed or written; returns the one line."""

    def begun(*_):
        raise AssertionError("a stage was begun")

    def run(text, *arguments):
        (tmp_path / "tiny.yaml").write_text(text)
        monkeypatch.setattr(Stages, "all", begun)
        capfd.readouterr()
        assert cli.main(["run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "run"), *arguments]) == 2
        error = capfd.readouterr().err
        assert error.startswith("adcore: error: ") and error.count("\n") == 1, error
        assert not (tmp_path / "run").exists()
        return error

    return run


def test_a_recipe_runs_beside_six_broken_plugins(six, tmp_path, capsys):
    recipe = write_recipe(tmp_path / "tiny.yaml", UNIFIED)

    assert cli.main(["check", recipe]) == 0
    assert "clusterer kmeans adcore 0" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["run", recipe, "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "metrics.json").exists()
    assert not {f"acme_{name}" for name in BROKEN} & sys.modules.keys()


def test_a_good_plugin_works_beside_six_broken_ones(six, tmp_path, capsys):
    assert cli.main(["check", write_recipe(tmp_path / "tiny.yaml", UNIFIED), "--clusterer", "good"]) == 0
    assert "acme-good 1.5" in capsys.readouterr().out


def test_a_plugin_of_a_taken_name_is_reached_by_its_full_name(six, tmp_path, capsys):
    recipe = write_recipe(tmp_path / "tiny.yaml", UNIFIED)

    assert cli.main(["check", recipe, "--clusterer", "acme-kmeans/kmeans"]) == 0
    assert "clusterer kmeans acme-kmeans 1.5" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - {"kmeans"}))
def test_a_recipe_that_names_a_broken_one_is_refused_before_any_compute(six, refused, name):
    error = refused(yaml.safe_dump(UNIFIED), "--clusterer", name)

    assert f"error: clusterer: clusterer '{name}' of acme-{name} 1.5 {REASONS[name]}" in error


def test_check_lists_the_six_with_their_reasons(six, capsys):
    assert cli.main(["plugins", "--check", "clusterer"]) == 1
    lines = capsys.readouterr().out.splitlines()

    for name, reason in REASONS.items():
        state = "taken" if name == "kmeans" else "broken"
        (line,) = (line for line in lines if line.startswith(f"{state}: clusterer '{name}' of acme-{name} 1.5 "))
        assert reason in line
    assert sum(line.startswith("broken: ") for line in lines) == 5


def test_listing_imports_no_component_and_no_torch_and_says_what_metadata_and_text_tell(six):
    code = """
import sys
from adcore.cli import main
main(["plugins", "clusterer", "--json"])
heavy = {"torch", "numpy", "adcore.interfaces", "adcore_plugins", "canary"} & sys.modules.keys()
assert not heavy and not [name for name in sys.modules if name.startswith("acme_")], heavy
"""
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(six)}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    problems = {record["name"]: record["problem"] for record in json.loads(run.stdout) if record["dist"] != "adcore"}

    assert {name for name, problem in problems.items() if problem} == TOLD_BY_TEXT
    assert all(REASONS[name] in problems[name] for name in TOLD_BY_TEXT)


CANARY = "{class_path: canary.Good}"


@pytest.mark.parametrize(
    "value",
    [
        "canary.Good",
        "canary:Good",
        "acme-good/canary",
        "acme_good.Clusterer",
        "acme_good.Good.fit_predict",
        CANARY,
        "{name: canary.Good}",
        "{class_path: canary.Good, init_args: {}}",
        "{name: kmeans, class_path: canary.Good}",
        "[canary.Good]",
        "{name: [canary, Good]}",
        "{class_path: {class_path: canary.Good}}",
        f"{{name: good, extra: {CANARY}}}",
        f"{{name: good, extra: [[{CANARY}]]}}",
        f"{{name: good, extra: '{CANARY}'}}",
        f"{{name: good, table: {{a: {CANARY}}}}}",
        f"{{name: good, table: '{{a: {CANARY}}}'}}",
        f"{{name: good, names: [{CANARY}]}}",
        f"{{name: good, init_args: {{extra: {CANARY}}}}}",
        f"{{name: kmeans, k: {CANARY}}}",
        f"{{name: kmeans, k: '{CANARY}'}}",
        "{name: good, __init__: canary}",
        "!!python/name:canary.Good",
        "!!python/object:canary.Good {}",
        "!!python/object/new:canary.Good []",
        "!!python/object/apply:canary.Good []",
        "!!python/module:canary",
        "{name: good, extra: !!python/object/apply:canary.Good []}",
        "{name: good, extra: !!python/name:canary.Good }",
    ],
)
def test_a_recipe_reaches_nothing_but_installed_components(six, refused, value):
    others = {key: content for key, content in UNIFIED.items() if key != "clusterer"}

    refused(f"{yaml.safe_dump(others)}\nclusterer: {value}\n")  # in the recipe
    if not value.startswith("!"):
        refused(yaml.safe_dump(others | {"clusterer": "good"}), "--clusterer", value)  # and on the command line
    assert "canary" not in sys.modules


@pytest.mark.parametrize("key", ["context", "training", "image_size", "score", "device", "seed"])
def test_nor_do_the_settings(six, refused, key):
    refused(yaml.safe_dump(UNIFIED | {key: {"class_path": "canary.Good"}}))
    assert "canary" not in sys.modules


def test_text_that_only_looks_like_a_class_stays_text(six, tmp_path, capsys):
    content = UNIFIED | {"clusterer": {"name": "good", "extra": "canary.Good", "names": ["canary.Good", "os.system"]}}

    assert cli.main(["check", write_recipe(tmp_path / "tiny.yaml", content)]) == 0
    assert "canary" not in sys.modules
