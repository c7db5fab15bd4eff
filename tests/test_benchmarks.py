"""Benchmarks are run by hand and rarely: here they are at least started, and the one that others build on is run."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
from tiny import write_set

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(file for file in FOLDER.glob("*.py") if "__main__" in file.read_text(encoding="utf-8"))


@pytest.fixture
def start(monkeypatch, capsys):
    def command(script, *arguments):
        monkeypatch.syspath_prepend(str(FOLDER))
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out

    return command


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_says_what_it_measures(script, start, capsys):
    """Its imports are there, and its options are declared rightly."""
    with pytest.raises(SystemExit) as done:
        start(script, "--help")
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")


@pytest.mark.parametrize("reference", ["drawn", "representative"])
def test_few_shot_quality_is_measured(reference, start, tmp_path):
    root = write_set(tmp_path / "part")
    said = start(
        FOLDER / "fewshot_quality.py",
        *("--data", root, "--weights", "none", "--shots", "1", "--seeds", "2", "--every", "2"),
        *("--matcher", "recipe", "--reference", reference),
    )
    record = json.loads(said)
    assert (record["data"], record["shots"], record["reference"]) == ("part", 1, reference)
    assert all("+-" in record[key] and "nan" not in record[key] for key in ("image.auroc", "pixel.auroc", "pixel.ap"))


def test_few_shot_quality_is_measured_on_moved_images_of_many_categories(start):
    products = ("--data", "products", "--data.count", "2", "--data.normals", "3", "--data.image_size", "64")
    matchers = ("--matcher", "recipe", "{name: mahalanobis, neighbourhood: 1}")
    few = ("--data.good", "2", "--data.defective", "2", "--weights", "none", "--shots", "2", "--seeds", "1")
    lying, moved = (
        [
            json.loads(line)
            for line in start(FOLDER / "fewshot_quality.py", *products, *few, *matchers, *how).splitlines()
        ]
        for how in ((), ("--moved",))
    )
    assert [record["moved"] for record in lying + moved] == [False, False, True, True]
    for one, other in zip(lying, moved, strict=True):
        assert sum(one["chosen"].values()) == 2  # a run for each category
        assert one["pixel.ap"] != other["pixel.ap"]
