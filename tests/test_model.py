"""A trained model as users meet it: the same verdict as the run gave, from a folder that needs nothing else."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from adcore_plugins.demo import Demo
from PIL import Image
from safetensors.torch import save_file
from tiny import BACKBONE, TRAINING, UNIFIED, recipe, rows, run, save, snapshot, write_set

import adcore
from adcore.data.decoding import read_image
from adcore.errors import UserError
from adcore.model import Model
from adcore.recipe import parse
from adcore.store import load_tensors, save_tensors

FEATURES = {"name": "focal", "width": 8, "dimension": 4}


@pytest.fixture(scope="module")
def model(finished):
    return adcore.load(finished / "model")


@pytest.fixture(scope="module")
def tests():
    """The test samples of the run, and its data set."""
    data = Demo(**{key: value for key, value in UNIFIED["data"].items() if key != "name"})
    return data, [sample for sample in data.samples() if sample.split == "test"]


@pytest.fixture
def model_copy(finished, tmp_path):
    return Path(shutil.copytree(finished / "model", tmp_path / "model"))


def verdict(line):
    return float(line["score"]), float(line["p_value"]), line["decision"]


def of(prediction):
    return prediction.score, prediction.p_value, prediction.decision


# ---- the same as the run ----------------------------------------------------------------------------------------


def test_every_verdict_is_the_runs(finished, model, tests):
    data, samples = tests
    lines = rows(finished)
    assert len(lines) == len(samples) == 130
    for line, sample in zip(lines, samples, strict=True):
        prediction = model.predict(data.image(sample), context=sample.category)
        assert of(prediction) == verdict(line)
        assert prediction.branch_scores == {branch: float(line[branch]) for branch in ("reference", "contrastive")}
        file = finished / "maps" / sample.category / Path(*Path(sample.path).parts[-2:]).with_suffix(".npy")
        assert np.array_equal(prediction.map.astype(np.float16), np.load(file))


@pytest.mark.parametrize("at_once", [1, 3])
def test_many_are_judged_like_each_in_order(model, tests, monkeypatch, at_once):
    monkeypatch.setattr(type(model.detector), "at_once", at_once)
    data, samples = tests
    images = [data.image(sample) for sample in samples[:12]]
    for image, found in zip(images, model.predict_many(iter(images), context="plate_line_a"), strict=True):
        alone = model.predict(image, context="plate_line_a")
        assert of(found) == of(alone) and np.array_equal(found.map, alone.map)


def test_of_many_the_one_that_is_no_image_is_told_in_its_turn(model, tests):
    data, samples = tests
    found = model.predict_many([data.image(samples[0]), "missing.png"], context="plate_line_a")
    next(found)
    with pytest.raises(UserError, match=r"missing\.png: no such image"):
        next(found)


def test_arrays_pictures_and_files_are_judged_alike(finished, model, tests, tmp_path):
    data, samples = tests
    index = next(i for i, sample in enumerate(samples) if sample.label)
    pixels, sample = data.image(samples[index]), samples[index]
    file = save(Image.fromarray(pixels), tmp_path / "part.png")
    expected = verdict(rows(finished)[index])
    floats = (pixels / np.float32(255)).astype(np.float32)
    images = [
        pixels,
        pixels.copy(order="F"),
        floats,
        floats.astype(np.float64),
        Image.fromarray(pixels),
        file,
        str(file),
    ]
    for image in images:
        assert of(model.predict(image, context=sample.category)) == expected


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "I;16", "1"])
def test_an_opened_picture_is_judged_like_its_file(model, tests, tmp_path, mode):
    data, samples = tests
    image = Image.fromarray(data.image(samples[0])).convert("I" if mode == "I;16" else mode).convert(mode)
    file = save(image, tmp_path / f"part.{'tif' if mode == 'CMYK' else 'png'}")
    with Image.open(file) as opened:
        assert opened.mode == mode
        assert of(model.predict(opened, "plate_line_a")) == of(model.predict(file, "plate_line_a"))


def test_a_prediction_leaves_the_image_and_random_numbers_alone(model):
    pixels = np.full((32, 32, 3), 100, np.uint8)
    pixels.flags.writeable = False
    state = torch.get_rng_state()
    model.predict(pixels, "plate_line_a")
    assert torch.equal(torch.get_rng_state(), state) and (pixels == 100).all()


@pytest.mark.parametrize("size", [(20, 900), (1, 1), (33, 47)])
def test_any_size_of_image(model, size):
    prediction = model.predict(np.zeros((*size, 3), np.uint8), "plate_line_b")
    assert prediction.map.shape == prediction.mask.shape == (32, 32)
    assert np.isfinite(prediction.score)


def test_grey_is_colour_of_equal_channels(model):
    grey = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32)
    expected = of(model.predict(np.repeat(grey[:, :, None], 3, 2), "plate_line_a"))
    assert (
        of(model.predict(grey, "plate_line_a")) == of(model.predict(Image.fromarray(grey), "plate_line_a")) == expected
    )


def test_the_same_image_is_judged_by_the_context_asked_for(model, tests):
    data, samples = tests
    image = data.image(samples[0])
    first, second = (model.predict(image, name) for name in ("plate_line_a", "plate_line_b"))
    assert (first.context, second.context) == ("plate_line_a", "plate_line_b")
    assert first.score != second.score


def test_files_in_deep_grey_are_judged_as_the_run_did(tmp_path):
    root = write_set(tmp_path / "deep", modes=["I;16"])
    run(tmp_path / "run", recipe(root, head=None))
    model = adcore.load(tmp_path / "run")
    for line in rows(tmp_path / "run"):
        assert of(model.predict(line["path"])) == of(model.predict(read_image(line["path"]))) == verdict(line)


# ---- a folder that needs nothing else ---------------------------------------------------------------------------


def test_a_model_needs_no_data_no_weights_file_and_not_its_place(tmp_path):
    """Not even where the backbone was trained as well: all weights are in the folder."""
    weights = tmp_path / "weights.safetensors"
    backbone = parse(recipe(backbone=BACKBONE | {"seed": 3})).build().backbone
    save_file(backbone.net.state_dict(), weights)
    root = write_set(tmp_path / "part")
    content = recipe(
        root,
        backbone=BACKBONE | {"weights": str(weights)},
        head=FEATURES,
        training=TRAINING | {"backbone": "trained"},
    )
    run(tmp_path / "run", content)
    lines = [(read_image(line["path"]), verdict(line)) for line in rows(tmp_path / "run")]
    moved = shutil.copytree(tmp_path / "run" / "model", tmp_path / "elsewhere")
    weights.unlink()
    shutil.rmtree(root)
    shutil.rmtree(tmp_path / "run")

    model = adcore.load(moved)

    assert [of(model.predict(image)) for image, _ in lines] == [expected for _, expected in lines]
    trained, loaded = backbone.net.state_dict(), model.detector.backbone.net.state_dict()
    assert not all(torch.equal(trained[name], loaded[name]) for name in trained)


def test_a_model_made_when_maps_were_smoothed_once_is_scored_as_it_was_calibrated(model_copy):
    file = model_copy / "recipe.yaml"
    written = yaml.safe_load(file.read_text())
    del written["score_smoothing"]
    file.write_text(yaml.safe_dump(written | {"smoothing": 0.7}))
    assert adcore.load(model_copy).detector.score_smoothing == 0.7


def test_a_run_folder_is_its_model(finished, tests):
    by_run = adcore.load(str(finished))
    assert isinstance(by_run, Model) and by_run.folder == finished / "model"
    assert list(by_run.contexts) == ["plate_line_a", "plate_line_b"]
    assert not by_run.detector.training


def test_loading_and_judging_write_nothing(finished, tests):
    before = snapshot(finished)
    data, samples = tests
    adcore.load(finished).predict(data.image(samples[0]), samples[0].category)
    assert snapshot(finished) == before


def test_loading_runs_no_code_that_the_folder_brings(model_copy, tmp_path):
    recipe_file = model_copy / "recipe.yaml"
    content = yaml.safe_load(recipe_file.read_text())
    content["fuser"] = {"class_path": "os.system", "init_args": {"command": f"touch {tmp_path / 'gotcha'}"}}
    recipe_file.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"os\.system"):
        adcore.load(model_copy)
    recipe_file.write_text(f"backbone: !!python/object/apply:os.system ['touch {tmp_path / 'gotcha'}']\n")
    with pytest.raises(UserError, match=r"recipe\.yaml: not a recipe"):
        adcore.load(model_copy)
    assert not (tmp_path / "gotcha").exists()


# ---- what cannot be judged --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 4), np.uint8), r"image of shape \(4, 4, 4\): give \[H, W\] or \[H, W, 3\]"),
        (np.zeros((0, 4, 3), np.uint8), "image of shape"),
        (np.zeros((4,), np.uint8), "image of shape"),
        (np.zeros((4, 4, 3), np.int64), "image of type int64: give uint8, or float"),
        (np.zeros((4, 4), bool), "image of type bool"),
        ("nowhere.png", "nowhere.png: no such image"),
        (b"x", "image of shape"),
        (None, "image of"),
    ],
)
def test_what_is_no_image_is_said(model, image, message):
    with pytest.raises(UserError, match=message):
        model.predict(image, "plate_line_a")


@pytest.mark.parametrize("value", [255.0, -1.0, float("nan")])
def test_floats_beyond_the_range_are_refused(model, value):
    """A float image in 0..255 is an easy mistake; clamped to white, it would be judged without a word."""
    with pytest.raises(UserError, match=r"\[0, 1\]"):
        model.predict(np.full((32, 32, 3), value, np.float32), "plate_line_a")


def test_the_context_has_to_be_one_of_the_models(model):
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(UserError, match="has 2 contexts; name one: plate_line_a, plate_line_b"):
        model.context()
    with pytest.raises(UserError, match=r"no context 'plate_line_c'.* did you mean 'plate_line_"):
        model.predict(image, "plate_line_c")


# ---- what cannot be loaded --------------------------------------------------------------------------------------


def test_no_model_at_all(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"not a model folder \(no recipe\.yaml\)"):
            adcore.load(folder)


def test_a_run_that_is_not_finished(model_copy):
    shutil.rmtree(model_copy / "contexts")
    with pytest.raises(UserError, match="has no context; finish its run with --resume"):
        adcore.load(model_copy).predict(np.zeros((8, 8, 3), np.uint8))
    (model_copy / "weights.safetensors").unlink()
    with pytest.raises(UserError, match="no weights yet; finish its run with --resume"):
        adcore.load(model_copy)


@pytest.mark.parametrize("file", ["weights.safetensors", "contexts/plate_line_a/*/state.safetensors"])
def test_damaged_tensors_are_named(model_copy, file):
    (path,) = model_copy.glob(file)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(UserError, match=r"safetensors: cannot be read as safetensors .*; make it anew"):
        adcore.load(model_copy).predict(np.zeros((8, 8, 3), np.uint8), "plate_line_a")


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x"}'])
def test_a_damaged_context_is_named(model_copy, text):
    (model_copy / "contexts" / "plate_line_a" / "context.json").write_text(text)
    with pytest.raises(UserError, match=r"plate_line_a.context\.json"):
        adcore.load(model_copy)


@pytest.mark.parametrize("text", ["", "- 1", "backbone: [", "backbone: 3", "{}"])
def test_a_damaged_recipe_is_named(model_copy, text):
    (model_copy / "recipe.yaml").write_text(text)
    with pytest.raises(UserError):
        adcore.load(model_copy)


def test_weights_that_do_not_fit_the_recipe(model_copy):
    content = yaml.safe_load((model_copy / "recipe.yaml").read_text())
    content["head"]["init_args"]["width"] = 16
    (model_copy / "recipe.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"weights\.safetensors: does not fit the recipe beside it"):
        adcore.load(model_copy)


def test_weights_that_lack_the_head(model_copy):
    tensors = load_tensors(model_copy / "weights.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if name.startswith("backbone.")}
    save_tensors(model_copy / "weights.safetensors", kept)
    with pytest.raises(UserError, match="does not fit the recipe beside it"):
        adcore.load(model_copy)


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_no_such_device(finished, device):
    with pytest.raises(UserError, match=f"device: '{device}' is"):
        adcore.load(finished, device=device)


def test_what_a_context_keeps_is_plain(finished):
    record = json.loads((finished / "model" / "contexts" / "plate_line_a" / "context.json").read_text())
    assert len(record["references"]) == 3
    assert record["calibration"]["scores"] == sorted(record["calibration"]["scores"])
