"""Every recipe that comes with adcore runs from its file, and so do its usual variations."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from adcore_plugins.relative import FILE
from safetensors.torch import load_file
from tiny import SWIN, rows

from adcore.cli import main
from adcore.recipe import parse
from adcore.recipe_file import packaged
from adcore.store import load_json

FOLDER = Path(__file__).parents[1] / "recipes"
RECIPES = sorted(FOLDER.glob("*.yaml"))
DEMO = ["--data.categories", "[fabric]", "--data.normals", "12", "--data.size", "32"]
SHORT = ["--training.epochs", "1", "--training.steps", "2", "--training.batch_size", "4"]
NARROW = ["--head.width", "8", "--head.dimension", "4"]
SMALL_SWIN = [f"--backbone.{key}={value}" for key, value in SWIN.items() if key != "name"] + ["--backbone.levels=[0,1]"]
BOTH = {"reference", "contrastive"}
SIMULATED = ["--synthesizers", "[nsa]"]
UNIFIED, PRETRAINED, FOCAL, FEWSHOT, RELATIVE = (
    str(FOLDER / f"{name}.yaml") for name in ("unified", "unified_pretrained", "focal", "fewshot", "relative")
)


def runs(recipe, out, *arguments):
    assert main(["run", str(recipe), "--out", str(out), *DEMO, *arguments]) == 0
    metrics = load_json(out / "metrics.json")
    assert 0 <= metrics["mean"]["image.auroc"] <= 1 and 0 <= metrics["mean"]["pixel.ap"] <= 1
    assert len(rows(out)) == metrics["categories"]["fabric"]["image.count"] == 45
    return metrics


def test_recipes_are_found_by_name():
    assert {path.stem for path in RECIPES} == set(packaged()) >= {"unified", "focal", "fewshot"}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_runs_from_its_file(recipe, tmp_path):
    content = yaml.safe_load(recipe.read_text())
    head = content.get("head", {})
    trained = bool(head) and ("weights" not in head or "training" in content)
    small = [*SHORT, *(NARROW if head["name"] == "focal" else [])] if trained else []
    small += SMALL_SWIN if content["backbone"]["name"] == "swin" else []
    metrics = runs(recipe, tmp_path / "run", *small)
    branches = {"reference"} if "matcher" in content else set()
    assert set(metrics["branches"]) == branches | ({"contrastive"} if "head" in content else set())
    assert (tmp_path / "run" / "report.html").exists() and any((tmp_path / "run" / "tensorboard").iterdir())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_file_says_what_it_needs_and_nothing_else(recipe):
    """Every key is known, a comment says what the recipe is, and it runs without data or weights from elsewhere."""
    content = yaml.safe_load(recipe.read_text())
    assert content["data"] in ("demo", {"name": "demo", "normals": 200}) and content["backbone"]["weights"] == "none"
    assert recipe.read_text().startswith("# ")
    assert parse(recipe).resolved["data"]["class_path"] == "adcore_plugins.demo.Demo"
    for command in re.findall(r"adcore run (recipes/\S+)", recipe.read_text()):
        assert (FOLDER.parent / command).is_file()


@pytest.mark.parametrize(
    ("recipe", "arguments", "branches"),
    [
        (UNIFIED, ["--clusterer", "hdbscan", "--fuser", "mean", *SHORT], BOTH),
        (UNIFIED, ["--head", "null", "--clusterer", "null"], {"reference"}),
        (UNIFIED, ["--head", "focal", *SHORT, *NARROW], BOTH),
        (UNIFIED, ["--training.head", "frozen", "--reference", "drawn", "--context.shots", "2"], BOTH),
        (PRETRAINED, ["--fuser", "max", *SHORT, *NARROW], BOTH),
        (PRETRAINED, ["--matcher", "null", "--head.input", "features", *SHORT, *NARROW], {"contrastive"}),
        (PRETRAINED, ["--head", "null"], {"reference"}),
        (PRETRAINED, ["--head.input", "both", *SHORT, *NARROW], BOTH),
        (RELATIVE, ["--clusterer", "hdbscan", "--fuser", "learned", *SIMULATED], BOTH),
        (FOCAL, ["--clusterer", "kmeans", *SMALL_SWIN, *SHORT, *NARROW], {"contrastive"}),
        (
            FOCAL,
            ["--matcher", "anomalygpt", "--fuser", "rank", *SMALL_SWIN, *SHORT, *NARROW],
            BOTH,
        ),
        (FEWSHOT, ["--matcher.rotations", "4", "--matcher.flips", "true", "--context.shots", "2"], {"reference"}),
    ],
    ids=[
        *("hdbscan", "references alone", "focal", "frozen", "max", "head only", "matcher only", "both", "bundled"),
        *("kmeans", "focal and matcher", "rotations"),
    ],
)
def test_a_variation_runs(recipe, arguments, branches, tmp_path):
    assert set(runs(recipe, tmp_path / "run", "--observers", "[]", *arguments)["branches"]) == branches


def test_a_head_that_brings_weights_is_trained_only_where_asked(tmp_path):
    bundled = load_file(FILE)
    small = ["--observers", "[]", *SHORT]
    kept = []
    for name, asked in (("auto", []), ("trained", ["--training.head", "trained"])):
        runs(RELATIVE, tmp_path / name, *small, *SIMULATED, *asked)
        weights = load_file(tmp_path / name / "model" / "weights.safetensors")
        kept.append(all(torch.equal(weights[f"head.{key}"], value) for key, value in bundled.items()))
    assert kept == [True, False]
