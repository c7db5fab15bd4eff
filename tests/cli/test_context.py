"""`adcore context`: every action, quick where it only looks, and one line for each mistake."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from PIL import Image
from tiny import recipe, rows, run, save, snapshot, write_set

from adcore.cli import main


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run without a head on one context, and its normal images. Shared: read it only."""
    folder = tmp_path_factory.mktemp("small")
    root = write_set(folder / "part", normals=10)
    run(folder / "run", recipe(root, head=None, context={"shots": 3, "calibration": 3, "false_alarm_rate": 0.2}))
    return folder / "run", root / "train" / "good"


@pytest.fixture
def model(small, tmp_path, monkeypatch):
    """A copy of the run in the working folder, beside the images."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(small[1], tmp_path / "images")
    return shutil.copytree(small[0], tmp_path / "run")


@pytest.fixture
def says(capsys):
    def command(action, *arguments):
        capsys.readouterr()
        assert main(["context", action, *map(str, arguments)]) == 0
        return capsys.readouterr().out

    return command


@pytest.fixture
def fails(capfd, tmp_path):
    def command(action, *arguments):
        before = snapshot(tmp_path)
        capfd.readouterr()
        assert main(["context", action, *map(str, arguments)]) == 2
        error = capfd.readouterr().err
        assert error.count("\n") == 1 and error.startswith("adcore: error: ")
        assert snapshot(tmp_path) == before
        return error

    return command


def test_a_context_is_added_extended_and_judges(model, says):
    said = says("add", "run", "line b", "images/00.png", "images/01.png", "--calibration", "images/02.png")
    assert said.startswith("added context 'line b': 2 references, calibrated on 1 normal, held-out\nnote: ")
    said = says("extend", "run", "line b", "images/03.png", "--calibration", "images/04.png", "images/05.png")
    assert said.startswith("extended context 'line b': 3 references, calibrated on 3 normals, held-out\nnote: ")
    assert main(["predict", "run", "images/06.png", "--context", "line b", "--out", "out"]) == 0
    assert rows(model.parent / "out")[0]["context"] == "line b"


def test_folders_of_images_are_read(model, says):
    said = says("add", "run/model", "all", "images", "--false-alarm-rate", "0.1")
    assert "10 references, calibrated on 10 normals, leave-one-out" in said


def test_references_are_chosen_from_a_folder(model, says):
    said = says("add", "run", "few", "images", "--shots", "4")
    assert said.startswith("added context 'few': 4 references, calibrated on 3 normals, held-out")


def test_contexts_are_listed_and_shown(model, says, monkeypatch):
    says("add", "run", "b", "images/00.png", "images/01.png")
    lines = says("list", "run").splitlines()
    assert [line.split()[:2] for line in lines] == [["context", "references"], ["b", "2"], ["part", "3"]]
    listed = json.loads(says("list", "run", "--json"))
    assert [entry["name"] for entry in listed] == ["b", "part"]
    assert listed[1]["calibration"]["method"] == "held-out" and listed[1]["bytes"] > 1000

    save(Image.new("RGB", (8, 8)), model.parent / "images" / "00.png")
    (model.parent / "images" / "01.png").unlink()
    shown = json.loads(says("show", "run", "b", "--json"))
    assert [entry["state"] for entry in shown["references"]] == ["changed", "missing"]
    monkeypatch.setenv("COLUMNS", "40")
    said = says("show", "run", "b")
    states = [line.split()[0] for line in said.splitlines() if line.endswith((".png", "reference"))]
    assert states == ["state", "changed", "missing"]  # and a narrow terminal cuts no path
    assert "changed" in said and "missing" in said and shown["thumbnails"] in said
    assert "note: no normals left for calibration" in said
    pictures = sorted((model.parent / shown["thumbnails"]).iterdir())
    assert [Image.open(picture).size for picture in pictures] == [(32, 32)] * 2


def test_contexts_are_merged_renamed_and_removed(model, says):
    says("add", "run", "b", "images/00.png", "--calibration", "images/01.png")
    says("add", "run", "c", "images/02.png", "images/03.png", "--calibration", "images/04.png")
    assert "merged context 'both': 3 references, calibrated on 2 normals, held-out" in says(
        "merge", "run", "both", "b", "c"
    )
    assert says("rename", "run", "both", "d") == "renamed context 'both' to 'd'\n"
    assert says("remove", "run", "b", "c", "d", "part").count("removed context") == 4
    assert says("list", "run") == "no contexts; add one with adcore context add\n"
    says("add", "run", "new", "images/00.png")  # a model without contexts takes new ones


def test_what_cannot_be_done(model, fails):
    (model.parent / "bad.png").write_bytes(b"no image")
    first = "images/00.png"
    for arguments, message in [
        (("add", "run", "part", first), "run/model: has a context 'part' already"),
        (("add", "run", "new", first, "--shots", "2"), "2 references cannot be chosen; from these images 1 to 1 can"),
        (("add", "run", "Part", first), "not every file system can tell it from 'part'"),
        (("add", "run", "b"), "the following arguments are required: IMAGES; see adcore context add --help"),
        (("add", "run", "b", "bad.png"), "bad.png: unreadable image, replace or remove it"),
        (("add", "run", "b", first, "--calibration", "bad.png"), "bad.png: unreadable image"),
        (("add", "run", "b", first, first), "00.png; name it once"),
        (("add", "run", "b", "nowhere"), "nowhere: no such file or folder"),
        (("add", "nowhere", "b", first), "nowhere: not a model folder"),
        (("add", "run", "b", first, "--false-alarm-rate", "2"), "false-alarm rate: 2.0 must lie between 0 and 1"),
        (("extend", "run", "prt", first), "no context 'prt'; there are: part; did you mean 'part'?"),
        (("extend", "run", "part"), "context 'part': name images to add"),
        (("show", "run", "b"), "no context 'b'"),
        (("rename", "run", "part", "part"), "has a context 'part' already"),
        (("remove", "run", "part", "b"), "no context 'b'"),
        (("merge", "run", "b", "part"), "name at least two contexts"),
        (("lst", "run"), "invalid choice: 'lst'"),
        (("list", "run", "--jsn"), "unexpected --jsn"),
    ]:
        assert message in fails(*arguments), arguments


@pytest.mark.parametrize(
    "arguments", [["list", "run"], ["show", "run", "part"], ["rename", "run", "part", "b"], ["remove", "run", "part"]]
)
def test_looking_imports_no_torch(model, arguments):
    code = f"""
import sys
from adcore.cli import main
assert main(["context", *{arguments!r}]) == 0
heavy = {{"torch", "timm", "PIL", "jsonargparse"}} & sys.modules.keys()
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=model.parent)
    assert done.returncode == 0, done.stderr
