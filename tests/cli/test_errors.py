"""Mistakes: each is one line that says what, where and what to do, before anything is computed or written."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny import BACKBONE, recipe, save, snapshot, write_recipe

from adcore.cli import main
from adcore.recipe import parse
from adcore.stages import Stages

FEATURES = {"name": "focal", "width": 8, "dimension": 4}


@pytest.fixture
def set_(parts, tmp_path):
    """A tiny category that may be spoilt."""
    return shutil.copytree(parts, tmp_path / "data" / "part")


@pytest.fixture
def fails(tmp_path, monkeypatch, capfd):
    """Run a recipe that has to fail: one line on stderr, no stage begun, no file or folder left behind."""

    def begun(*_):
        raise AssertionError("a stage was begun")

    def run(content, *arguments, out="runs/mine", command="run"):
        content = {"observers": ["progress", "tensorboard", "report"]} | content
        file = write_recipe(tmp_path / "recipe.yaml", content)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(Stages, "all", begun)
        before, folders = snapshot(tmp_path), {path for path in tmp_path.rglob("*") if path.is_dir()}
        capfd.readouterr()
        code = main([command, file, *(["--out", out] if command == "run" else []), *arguments])
        error = capfd.readouterr().err
        assert code == 2, error
        assert error.count("\n") == 1 and error.startswith("adcore: error: "), error
        assert snapshot(tmp_path) == before
        assert {path for path in tmp_path.rglob("*") if path.is_dir()} == folders
        return error.removeprefix("adcore: error: ").rstrip("\n")

    return run


# ---- the recipe -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        (["--backbone", "resnt"], "backbone: no backbone is called 'resnt'", "did you mean 'resnet'?"),
        (["--synthesizers", "[nsa, cutpast]"], "synthesizers.1: no synthesizer is called", "did you mean 'cutpaste'?"),
        (["--observers+=tensorbord"], "observers.3: no observer is called", "did you mean 'tensorboard'?"),
        (["--backbon", "resnet"], "unknown option --backbon", "did you mean '--backbone'?"),
        (["--matcher.rotation", "4"], "matcher: anomalygpt has no argument 'rotation'", "did you mean 'rotations'?"),
        (["--training.epoch", "4"], "training has no argument 'epoch'", "did you mean 'epochs'?"),
        (["--context.shot", "4"], "context has no argument 'shot'", "did you mean 'shots'?"),
        (["--context.shots", "four"], "context.shots: expected float, got 'four'", ""),
        (["--training.learning_rate", "fast"], "training.learning_rate: expected float, got 'fast'", ""),
        (["--matcher.flips", "3"], "matcher.flips: expected bool", ""),
        (["--image_size", "[32]"], "image_size: expected int or tuple[int, int]", ""),
        (["--training.backbone", "thawed"], "training.backbone: expected 'auto' or 'frozen'", "'trained'"),
        (["--matcher.channels", "[8]"], "matcher.channels: the backbone decides it", "remove it"),
        (["--backbone", "null"], "backbone: expected a backbone such as", "resnet"),
        (["--fuser", "[mean, max]"], "fuser: takes one fuser, got a list of 2", ""),
    ],
)
def test_what_a_recipe_does_not_take(fails, arguments, what, remedy):
    error = fails(recipe(), *arguments)
    assert what in error and remedy in error


def test_a_recipe_that_is_no_recipe(fails, tmp_path):
    assert main(["run", str(tmp_path)]) == 2
    error = fails({"backbone": "resnet", "date": "demo"})
    assert "unknown key 'date'; did you mean 'data'?" in error
    assert "the recipe needs 'data'" in fails({"backbone": BACKBONE, "fuser": "mean"})


@pytest.mark.parametrize(
    ("changes", "what", "remedy"),
    [
        ({"matcher": None, "head": None}, "neither a matcher nor a head is named", "name at least one"),
        pytest.param(
            {"matcher": None},
            "head.input: relation needs a matcher",
            "`matcher: anomalygpt`",
        ),
        ({"clusterer": None}, "clusterer: head Focal gives embeddings", "`clusterer: kmeans`"),
        ({"synthesizers": []}, "synthesizers: a head needs anomalies to train on", "[nsa, cutpaste, perlin]"),
        (
            {"training": {"backbone": "trained"}},
            "training.backbone: trained needs a head that reads features",
            "frozen",
        ),
        ({"score": "mean"}, "score: 'mean' is no reduction", "write max, top1%"),
        ({"score": "top0%"}, "score: 'top0%' is no reduction", "write max, top1%"),
        ({"device": "gpu"}, "device: 'gpu' is no device", "write auto, cpu, cuda or cuda:<n>"),
        ({"device": "cuda:99"}, "device: 'cuda:99' is not there", "write cpu"),
        ({"image_size": 4}, "image_size: 4 is too small", "at least 8"),
        ({"smoothing": -1.0}, "smoothing: -1.0 must be 0", "cells"),
        ({"score_smoothing": -1.0}, "score_smoothing: -1.0 must be 0", "cells"),
        ({"context": {"false_alarm_rate": 0.0}}, "context.false_alarm_rate: 0.0", "e.g. 0.05"),
        ({"context": {"false_alarm_rate": 5.0}}, "context.false_alarm_rate: 5.0", "between 0 and 1"),
        ({"context": {"shots": 0}}, "context.shots: 0", "at least 1"),
        ({"context": {"shots": 13}}, "context.shots: 13 is more than the 12 normals", "plate_line_a"),
        ({"context": {"shots": 12}}, "no normal image is left to train on", "lower context.shots"),
        ({"context": {"calibration": 1.5}}, "context.calibration: 1.5", "whole number"),
        ({"training": {"epochs": 0}}, "training.epochs: 0 is too small", ""),
        ({"training": {"batch_size": 0}}, "training.batch_size: 0 is too small", ""),
        ({"matcher": {"name": "anomalygpt", "neighbourhood": 2}}, "matcher.neighbourhood: 2", "write 1, 3 or 5"),
        ({"data": {"name": "demo", "categories": ["fabrics"]}}, "no category 'fabrics'", "did you mean 'fabric'?"),
        ({"data": {"name": "demo", "normals": 0}}, "normals is 0", "at least 1"),
    ],
)
def test_what_does_not_go_together(fails, changes, what, remedy):
    error = fails(recipe(**changes))
    assert what in error and remedy in error


def test_check_finds_the_same(fails, set_):
    assert "score: 'mean' is no reduction" in fails(recipe(score="mean"), command="check")
    (set_ / "test" / "good" / "01.png").write_text("no image")
    assert "01.png: unreadable image" in fails(recipe(set_), command="check")


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "mps"},
        {"device": "meta"},
        {"device": "cpu:1"},
        {"context": {"seed": -1}},
        {"matcher": {"name": "anomalygpt", "grid": 0}},
        {"head": FEATURES | {"grid": -1}},
        {"head": FEATURES | {"width": 0}},
        {"head": FEATURES | {"temperature": 0.0}},
        {"fuser": {"name": "rank", "tail": 0.0}},
        {"fuser": {"name": "rank", "tail": 2.0}},
        {"fuser": {"name": "mean", "weights": {"reference": 0, "contrastive": 0}}},
        {"fuser": {"name": "mean", "weights": {"referense": 2}}},
        {"training": {"anomalous": 5.0}},
        {"training": {"anomalous": -1.0}},
        {"training": {"learning_rate": float("nan")}},
        {"training": {"backbone_learning_rate": -1.0}},
        {"smoothing": float("nan")},
    ],
    ids=str,
)
def test_values_out_of_range(fails, changes):
    fails(recipe(**changes))


# ---- images -----------------------------------------------------------------------------------------------------


def test_a_root_that_is_not_there(fails, tmp_path):
    error = fails(recipe(tmp_path / "nowhere"))
    assert f"{tmp_path / 'nowhere'}: no such folder (data.root)" in error
    assert "no such folder (data.root)" in fails(recipe(), "--data", "./nowhere")


def test_a_folder_without_normals(fails, set_):
    for image in (set_ / "train" / "good").iterdir():
        image.unlink()
    error = fails(recipe(set_))
    assert f"{set_ / 'train' / 'good'}: no images" in error and "expected ROOT/" in error


@pytest.mark.parametrize("where", ["train/good/00.png", "test/dent/01.png", "ground_truth/dent/00_mask.png"])
@pytest.mark.parametrize("damage", ["text", "empty", "truncated"])
@pytest.mark.parametrize("head", [recipe()["head"], None], ids=["trained", "matcher only"])
def test_an_image_that_cannot_be_read_is_named(fails, set_, where, damage, head):
    file = set_ / where
    if damage == "truncated":
        save(Image.effect_noise(Image.open(file).size, 50).convert("L" if "mask" in where else "RGB"), file)
        os.truncate(file, file.stat().st_size // 2)
    else:
        file.write_text("no image" if damage == "text" else "")
    error = fails(recipe(set_, head=head))
    assert error.startswith(f"{file}: unreadable image, replace or remove it")


def test_a_mask_without_its_image(fails, set_):
    (set_ / "test" / "dent" / "01.png").unlink()
    error = fails(recipe(set_))
    assert f"{set_ / 'ground_truth' / 'dent' / '01_mask.png'}: a mask without its image, expected" in error


def test_a_mask_of_another_size(fails, set_):
    mask = save(Image.new("L", (16, 32)), set_ / "ground_truth" / "dent" / "01_mask.png")
    error = fails(recipe(set_))
    assert f"{mask}: the mask is 16 x 32 pixels, its image {set_ / 'test/dent/01.png'} 32 x 32 pixels" in error


def test_an_image_listed_twice(fails, set_):
    os.symlink(set_ / "train" / "good" / "00.png", set_ / "test" / "good" / "99.png")
    assert "are one file, which would be used twice: remove one" in fails(recipe(set_))


def test_more_shots_than_normals(fails, set_):
    error = fails(recipe(set_, context={"shots": 9}))
    assert "context.shots: 9 is more than the 8 normals of category 'part'" in error


# ---- backbones and weights --------------------------------------------------------------------------------------


def test_a_level_that_is_not_there(fails):
    error = fails(recipe(backbone=BACKBONE | {"levels": [1, 9]}))
    assert "levels: [1, 9] are not among those of timm's test_resnet" in error and "0 (" in error
    error = fails(recipe(backbone={"name": "resnet", "levels": [3, 1], "weights": "none"}))
    assert "levels: [3, 1] do not increase; write [1, 3]" in error


def test_a_network_that_is_not_there(fails):
    error = fails(recipe(backbone=BACKBONE | {"model": "test_resnt"}))
    assert "model: timm has no network 'test_resnt'; did you mean test_resnet" in error


def test_weights_that_are_not_there(fails):
    error = fails(recipe(backbone=BACKBONE | {"weights": "nowhere.safetensors"}))
    assert "weights: nowhere.safetensors is no file; write an existing file, 'pretrained' or 'none'" in error


def test_weights_of_another_architecture(fails, tmp_path):
    other = parse(recipe(backbone={"name": "timm", "model": "test_efficientnet", "weights": "none"})).build().backbone
    save_file(other.net.state_dict(), tmp_path / "other.safetensors")
    error = fails(recipe(backbone=BACKBONE | {"weights": str(tmp_path / "other.safetensors")}))
    assert f"weights: {tmp_path / 'other.safetensors'} is not for timm's test_resnet" in error


def test_weights_that_lack_a_layer(fails, tmp_path):
    state = parse(recipe()).build().backbone.net.state_dict()
    lacking = {name: tensor for name, tensor in state.items() if not name.startswith("layer3")}
    assert 0 < len(lacking) < len(state)
    save_file(lacking, tmp_path / "part.safetensors")
    error = fails(recipe(backbone=BACKBONE | {"weights": str(tmp_path / "part.safetensors")}))
    assert "lacks layers that levels" in error and "layer3" in error and "it holds levels" in error


def test_weights_that_would_have_to_be_unpickled(fails, tmp_path):
    torch.save({"model": BACKBONE, "code": Image.new}, tmp_path / "own.pth")
    error = fails(recipe(backbone=BACKBONE | {"weights": str(tmp_path / "own.pth")}))
    assert "own.pth cannot be read" in error and "save its state_dict as .safetensors" in error


@pytest.mark.parametrize(
    "head",
    [
        recipe()["head"],
        None,
    ],
    ids=["trained", "matcher only"],
)
def test_a_backbone_that_takes_one_size_only(fails, head):
    backbone = {"name": "timm", "model": "test_vit", "weights": "none", "options": {"dynamic_img_size": False}}
    assert "set image_size: [160, 160]" in fails(recipe(backbone=backbone, head=head))


# ---- the run folder ---------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written(fails, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    error = fails(recipe(), out="file/run")
    assert "--out file/run: cannot write there (Not a directory); name a folder that you may write to" in error

    def denied(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("adcore.store.tempfile.TemporaryFile", denied)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "file").write_text("")
    error = fails(recipe(), out="closed")
    assert "--out closed: cannot write there (Permission denied); name a folder that you may write to" in error


def test_an_empty_folder_of_the_users_own_stays(fails, tmp_path):
    (tmp_path / "mine").mkdir()
    fails(recipe(score="mean"), out="mine")


def test_a_folder_with_other_files_is_left_as_it_is(fails, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    fails(recipe(score="mean"), out="home")
