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
