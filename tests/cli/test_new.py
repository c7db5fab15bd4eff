"""`adcore new`: what it writes installs, passes its tests and runs, as it stands and for every kind."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from sandbox import Sandbox
from tiny import snapshot

from adcore.cli import main
from adcore.cli.new import distribution
from adcore.registry import KINDS
from adcore.store import load_json

RECIPE = {
    "data": {"name": "my-dataset", "normals": 20, "size": 32},
    "backbone": "my-backbone",
    "matcher": "my-matcher",
    "head": {"name": "my-head", "input": "features"},  # its tests are on the default, the relation
    "clusterer": "my-clusterer",
    "synthesizers": ["my-synthesizer"],
    "fuser": "my-fuser",
    "training": {"epochs": 1, "steps": 3, "batch_size": 4},
    "observers": ["my-observer"],
}


@pytest.fixture
def new(tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder; returns its exit code, and what it prints to stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(["new", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> tuple[Sandbox, Path]:
    """An environment with a new component of every kind, and the folder in which they were made."""
    folder = tmp_path_factory.mktemp("new")
    sandbox = Sandbox(folder / "environment")
    sandbox.run("\n".join(f"adcore new {kind} my-{kind}" for kind in KINDS), folder)
    sandbox.run(f"pip install {' '.join(f'-e ./adcore-my-{kind}' for kind in KINDS)}", folder)
    return sandbox, folder


def test_every_kind_passes_its_tests_at_once(installed):
    sandbox, folder = installed
    printed = sandbox.run("pytest -v adcore-my-*", folder)
    for kind in KINDS:
        assert f"test_conformance[{kind}/my-{kind}:built_by_recipe] PASSED" in printed


def test_every_kind_is_listed_and_runs_by_its_short_name(installed, tmp_path):
    sandbox, _ = installed
    listed = sandbox.run("adcore plugins", tmp_path)
    for kind in KINDS:
        assert f"adcore_my_{kind}:My{kind.title()}" in listed
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))

    sandbox.run("adcore run recipe.yaml --out run", tmp_path)

    assert set(load_json(tmp_path / "run" / "metrics.json")["branches"]) == {"reference", "contrastive"}
    assert (tmp_path / "run" / "mistakes.csv").read_text().startswith("category,path,")


def test_a_model_without_any_weights_runs(installed, tmp_path):
    """Fixed filters and a matcher: no component has a parameter to ask for its device."""
    sandbox, _ = installed
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE | {"head": None, "synthesizers": []}))
    sandbox.run("adcore run recipe.yaml --out run", tmp_path)
    assert set(load_json(tmp_path / "run" / "metrics.json")["branches"]) == {"reference"}


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("clusterer", "--clusterer mine --data.categories"),
        ("dataset", "--data mine --context"),
        ("synthesizer", "--synthesizers+=mine --data.categories"),
        ("observer", "--observers+=mine --data.categories"),
    ],
)
def test_it_prints_what_to_type_next(new, monkeypatch, kind, option):
    monkeypatch.setattr("shutil.which", lambda program: str(Path(sys.executable).with_name(program)))
    code, printed, _ = new(kind, "mine")
    assert code == 0
    install, test, run = printed.splitlines()[-3:]
    assert (install, test) == ("  pip install -e './adcore-mine[test]'", "  pytest adcore-mine")
    assert run.startswith(f"  adcore run unified {option}")


def test_where_another_adcore_would_be_found_the_commands_have_their_path(new, monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda program: None)
    monkeypatch.setattr("sys.executable", str(tmp_path / "my env" / "bin" / "python"))
    _, printed, _ = new("fuser", "mine")
    assert "'my env/bin'/pip install -e './adcore-mine[test]'\n  'my env/bin'/pytest adcore-mine" in printed


def test_the_folder_can_be_chosen(new, tmp_path):
    _, printed, _ = new("head", "my_net", "--out", "deep/folder")
    assert "pip install -e './deep/folder[test]'" in printed
    made = {file.name for file in (tmp_path / "deep" / "folder").iterdir()}
    assert made == {"README.md", "adcore_my_net.py", "pyproject.toml", "test_my_net.py"}
    project = (tmp_path / "deep" / "folder" / "pyproject.toml").read_text()
    assert 'name = "adcore-my-net"' in project and 'my_net = "adcore_my_net:MyNet"' in project


def test_nothing_is_overwritten(new, tmp_path):
    new("head", "mine")
    before = snapshot(tmp_path)
    code, _, error = new("fuser", "mine")
    assert code == 2 and "adcore-mine is not empty" in error and "--out" in error
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        (("clustrer", "mine"), "there is no kind 'clustrer'", "did you mean 'clusterer'?"),
        (("data", "mine"), "there is no kind 'data'", "did you mean 'dataset'?"),
        (("clusterer", "MyClusters"), "'MyClusters' is no name", "such as my-clusters"),
        (("head", "a/b"), "'a/b' is no name", "such as a-b"),
        (("head", "-"), "'-' is no name", "such as my-head"),
        (("head", "null"), "'null' means something else in a recipe", "such as my-head"),
        (("clusterer", "kmeans"), "adcore brings a clusterer 'kmeans' already", "such as my-kmeans"),
        (("head", "plugins"), "a module adcore_plugins is installed already", "such as my-plugins"),
        (("head", "mine", "--out", "file/deep"), "file/deep: cannot write there", ""),
    ],
)
def test_what_cannot_be_made_is_refused(new, tmp_path, arguments, what, remedy):
    (tmp_path / "file").write_text("")
    code, _, error = new(*arguments)
    assert code == 2 and error.count("\n") == 1
    assert what in error and remedy in error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_class_hides_what_its_source_imports():
    """A class called Tensor would stand for tensors in its own type hints."""
    assert "class TensorHead(Head):" in distribution("head", "tensor")["adcore_tensor.py"]


def test_it_imports_nothing_heavy(tmp_path):
    code = """
import sys
from adcore.cli import main
assert main(["new", "backbone", "mine"]) == 0
heavy = {"torch", "numpy", "timm", "jsonargparse", "PIL", "rich"} & sys.modules.keys()
assert not heavy, heavy
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_wheel_has_every_template(tmp_path):
    root = Path(__file__).parents[2]
    files = ("pyproject.toml", "README.md", "LICENSE")
    for file in files:
        shutil.copy(root / file, tmp_path)
    for folder in ("adcore", "plugins", "recipes"):
        shutil.copytree(root / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    Sandbox(tmp_path / "environment").run("pip wheel --no-deps -w out .", tmp_path)
    (wheel,) = (tmp_path / "out").iterdir()
    packed = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("adcore/scaffold/")}
    assert packed == {file.name for file in (root / "adcore" / "scaffold").iterdir() if file.is_file()}
