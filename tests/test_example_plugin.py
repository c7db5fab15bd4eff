"""A distribution as somebody else would write it, beside adcore: its own tests pass, and its own recipe runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from sandbox import Sandbox

from adcore.registry import KINDS
from adcore.store import load_json

SOURCE = Path(__file__).parent / "example_plugin"
BUILT = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Sandbox:
    """An environment in which the distribution is installed, built as an installer builds it."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(SOURCE, folder / "plugin", ignore=BUILT)
    sandbox = Sandbox(folder / "environment")
    sandbox.run("pip install ./plugin", folder)
    return sandbox


def test_its_own_tests_pass_on_a_component_of_every_kind(sandbox, tmp_path):
    tests = shutil.copytree(SOURCE / "tests", tmp_path / "tests")
    printed = sandbox.run(f"pytest -v {tests}", tmp_path)
    for kind in KINDS:
        assert f"test_conformance[{kind}/" in printed


def test_a_recipe_of_its_components_alone_runs_and_runs_again_alike(sandbox, tmp_path):
    sandbox.run(f"adcore run {SOURCE / 'recipe.yaml'} --out first", tmp_path)

    resolved = yaml.safe_load((tmp_path / "first" / "recipe.yaml").read_text())
    found = list(components(resolved))
    assert len(found) == len(KINDS)
    assert all(path.startswith("acme_inspection.") for path in found)
    assert set(load_json(tmp_path / "first" / "metrics.json")["branches"]) == {"reference", "contrastive"}
    assert {"fit", "test", "all"} <= load_json(tmp_path / "first" / "stages.json").keys()

    sandbox.run("adcore run first/recipe.yaml --out second", tmp_path)
    assert load_json(tmp_path / "second" / "metrics.json") == load_json(tmp_path / "first" / "metrics.json")


def components(recipe):
    """The classes that a resolved recipe names."""
    for value in recipe.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) and "class_path" in item:
                yield item["class_path"]
