"""Contexts that people add, grow and merge: always what one fit of all their images gives."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import recipe, run, save, snapshot, write_set

import adcore
from adcore import context_store
from adcore import contexts as contexts_module
from adcore.data.decoding import read_image
from adcore.errors import UserError

FEW = {"shots": 3, "calibration": 3, "false_alarm_rate": 0.2}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A model without a head, on one context of images on disk, and its images. Shared: read it only."""
    folder = tmp_path_factory.mktemp("small")
    root = write_set(folder / "part", normals=10)
    run(folder / "run", recipe(root, head=None, context=FEW))
    return folder / "run" / "model", sorted((root / "train" / "good").iterdir())


@pytest.fixture
def model(small, tmp_path):
    return adcore.load(shutil.copytree(small[0], tmp_path / "model"))


@pytest.fixture
def images(small, tmp_path):
    """Copies of the normal images, which a test may change."""
    return sorted(shutil.copytree(small[1][0].parent, tmp_path / "images").iterdir())


def same(one, other):
    tensors = [dict(sorted(context.tensors().items())) for context in (one, other)]
    assert tensors[0].keys() == tensors[1].keys()
    return one.calibration == other.calibration and all(map(torch.equal, *(part.values() for part in tensors)))


@contextmanager
def refused(model, message):
    """What is refused changes nothing on disk."""
    before = snapshot(model.folder)
    with pytest.raises(UserError, match=message):
        yield
    assert snapshot(model.folder) == before


# ---- adding -----------------------------------------------------------------------------------------------------


def test_an_added_context_is_the_runs_own(model):
    own = model.contexts["part"]
    added = model.add_context("again", own.references, own.calibration_images)
    assert same(own, added) and added.calibration.rate == 0.2
    assert adcore.load(model.folder).contexts["again"].references == added.references


def test_an_added_context_judges_at_once_and_from_disk(model, images):
    model.add_context("new", images[:2], images[2:6], false_alarm_rate=0.25)
    prediction = model.predict(images[7], "new")
    assert prediction.context == "new" and prediction.p_value in {share / 5 for share in range(1, 6)}
    assert adcore.load(model.folder).predict(images[7], "new").score == prediction.score


def test_images_may_be_arrays_and_pictures(model, images):
    files = model.add_context("files", images[:3])
    arrays = model.add_context("arrays", [read_image(images[0]), Image.open(images[1]), str(images[2])])
    assert files.calibration == arrays.calibration and files.reach == arrays.reach
    assert arrays.references[0].startswith("array:") and arrays.references[2] == files.references[2]
    with refused(model, r"context 'arrays' cannot be made again.*array:\w+ is no file"):
        model.extend_context("arrays", images[4:5])


@pytest.mark.parametrize(
    ("name", "pick", "calibration", "message"),
    [
        ("part", [0], [], "has a context 'part' already"),
        ("new", [], [], "needs at least one image"),
        ("new", [0, 1, 0], [], r"00\.png: is the same image as .*00\.png; name it once"),
        ("new", [0, 1], [1], r"01\.png: is the same image as"),
    ],
)
def test_what_cannot_be_added(model, images, name, pick, calibration, message):
    with refused(model, message):
        model.add_context(name, [images[i] for i in pick], [images[i] for i in calibration])


def test_references_are_chosen_among_many(model, images):
    """Those that differ most; half of the others calibrate, unless others are named."""
    black = save(Image.new("RGB", (32, 32)), images[0].parent / "black.png")
    added = model.add_context("few", [*images[:8], black], shots=3)
    assert len(added.references) == len(added.calibration_images) == 3
    assert not set(added.references) & set(added.calibration_images)
    assert added.calibration.method == "held-out"
    told = model.add_context("told", [*images[:6], black], images[6:9], shots=2)
    assert str(black) in told.references and told.calibration_images == tuple(map(str, images[6:9]))
    every = model.add_context("every", images[:3], shots=3)
    assert set(every.references) == set(map(str, images[:3])) and not every.calibration_images


def test_images_like_no_other_are_told_and_not_chosen(model, tmp_path):
    many = sorted((write_set(tmp_path / "many", normals=24) / "train" / "good").iterdir())
    black = save(Image.new("RGB", (32, 32)), many[0].parent / "black.png")
    context = model.add_context("few", [*many[2:], black], many[:2], shots=6)
    assert len(context.references) == 6 and str(black) not in context.references
    assert context.notes[-1] == (
        f"1 of 23 normal images is like no other and no reference; see whether it is normal: {black}"
    )
    assert adcore.load(model.folder).contexts["few"].notes == context.notes


@pytest.mark.parametrize("shots", [0, 4])
def test_references_that_cannot_be_chosen(model, images, shots):
    with refused(model, f"context 'new': {shots} references cannot be chosen; from these images 1 to 3 can be"):
        model.add_context("new", images[:3], shots=shots)


def test_files_that_cannot_be_added(model, images):
    images[1].write_bytes(images[1].read_bytes()[:40])
    for calibration in ([], [images[1]]):
        with refused(model, "unreadable image, replace or remove it"):
            model.add_context("new", [images[0], *images[1 + len(calibration) : 2]], calibration)
    with refused(model, r"nowhere\.png: no such image"):
        model.add_context("new", ["nowhere.png"])
    with refused(model, "false-alarm rate: 5 must lie between 0 and 1"):
        model.add_context("new", images[:1], false_alarm_rate=5)


# ---- extending --------------------------------------------------------------------------------------------------


def test_an_extended_context_is_one_fit_of_all_images(model, images):
    own = model.contexts["part"]
    spare = [path for path in images if path.name not in {file.rpartition("/")[2] for file in own.images}]
    extended = model.extend_context("part", spare[:2], spare[2:3])
    at_once = model.add_context("b", [*own.references, *spare[:2]], [*own.calibration_images, spare[2]])
    assert len(spare) >= 3 and same(extended, at_once)
    assert same(adcore.load(model.folder).contexts["part"], at_once)


def test_a_context_of_both_branches_is_extended_with_its_scale(finished, tmp_path):
    """Made images are read again by the data set that made them."""
    model = adcore.load(shutil.copytree(finished / "model", tmp_path / "model"))
    own = model.contexts["plate_line_a"]
    file = save(Image.fromarray(np.full((32, 32, 3), 130, np.uint8)), tmp_path / "further.png")
    extended = model.extend_context("plate_line_a", [file])
    assert own.scale_images and extended.scale_images == own.scale_images
    assert extended.references == (*own.references, str(file))
    assert len(extended.calibration.scores) == len(own.calibration.scores)
    assert extended.calibration != own.calibration and len(extended.prototypes) > len(own.prototypes)


def test_a_context_cannot_be_extended_once_its_images_are_gone_or_changed(model, images):
    model.add_context("new", images[:2], images[2:4])
    with refused(model, r"00\.png: is the same image as"):
        model.extend_context("new", images[:1])
    with refused(model, "name images to add"):
        model.extend_context("new")
    save(Image.new("RGB", (32, 32)), images[2])
    with refused(model, r"02\.png was changed since; put it back"):
        model.extend_context("new", images[5:6])
    images[0].unlink()
    with refused(model, r"00\.png is not there any more; put it back"):
        model.extend_context("new", images[5:6])
    with refused(model, "no context 'nw'.*did you mean 'new'"):
        model.extend_context("nw", images[5:6])


def test_paths_of_a_run_are_those_of_its_folder(tmp_path, monkeypatch):
    root = write_set(tmp_path / "part")
    monkeypatch.chdir(tmp_path)
    run(tmp_path / "run", recipe("part", head=None, context=FEW))
    further = root / "test" / "good" / "00.png"
    monkeypatch.chdir(tmp_path / "run")
    with refused(
        adcore.load(tmp_path / "run"), r"part/train/good/\d+\.png is not there, seen from /.*/run; put it back"
    ):
        adcore.load(tmp_path / "run").extend_context("part", [further])
    monkeypatch.chdir(tmp_path)
    assert len(adcore.load(tmp_path / "run").extend_context("part", [further]).references) == 4


def test_two_processes_that_extend_at_once_lose_nothing(model, images):
    model.add_context("new", images[:2])
    command = [sys.executable, "-m", "adcore", "context", "extend", str(model.folder), "new"]
    started = [subprocess.Popen([*command, str(image)], stdout=subprocess.PIPE) for image in images[2:4]]
    assert [process.wait() for process in started] == [0, 0]
    kept = adcore.load(model.folder).contexts["new"]
    assert sorted(path.rpartition("/")[2] for path in kept.references) == ["00.png", "01.png", "02.png", "03.png"]


# ---- merging, renaming, removing --------------------------------------------------------------------------------


def test_a_merged_context_is_one_fit_of_the_images_of_all(model, images):
    model.add_context("a", images[:3], images[6:8], false_alarm_rate=0.3)
    model.add_context("b", images[2:4], images[7:9], false_alarm_rate=0.2)
    merged = model.merge_contexts("both", ["a", "b"])
    at_once = model.add_context("at once", images[:4], images[6:9], false_alarm_rate=0.2)
    assert same(merged, at_once) and merged.references == at_once.references
    assert {"a", "b"} < set(model.contexts)


def test_a_merged_context_is_held_out_only_if_all_parts_are(model, images):
    model.add_context("a", images[:2], images[2:4])
    model.add_context("b", images[4:6])
    assert model.merge_contexts("both", ["a", "b"]).calibration.method == "leave-one-out"


def test_what_cannot_be_merged(model, images):
    model.add_context("a", images[:2])
    with refused(model, "has a context 'a' already"):
        model.merge_contexts("a", ["a", "part"])
    with refused(model, "name at least two contexts"):
        model.merge_contexts("b", ["a", "a"])
    with refused(model, "no context 'x'"):
        model.merge_contexts("b", ["a", "x"])


def test_a_context_keeps_its_verdicts_under_another_name(model, images):
    before = model.predict(images[0], "part")
    model.rename_context("part", "other")
    after = model.predict(images[0], "other")
    assert list(model.contexts) == ["other"] and after.score == before.score and after.context == "other"
    model.remove_context("other")
    assert len(model.contexts) == 0 == len(adcore.load(model.folder).contexts)


# ---- many -------------------------------------------------------------------------------------------------------


def test_of_200_contexts_a_prediction_reads_one(model, images, monkeypatch):
    own = model.contexts["part"]
    for number in range(199):
        model.contexts.store.save(replace(own, name=f"part {number}"))
    read, load = [], context_store.load_tensors
    monkeypatch.setattr(context_store, "load_tensors", lambda path, *only: read.append(path) or load(path, *only))
    many = adcore.load(model.folder)
    assert len(many.contexts) == 200 and not read
    first = many.predict(images[0], "part 150")
    assert len(read) == 1
    assert many.predict(images[0], "part 150").score == first.score and len(read) == 1


def test_tensors_used_long_ago_make_room(model, images, monkeypatch):
    model.add_context("b", images[:2])
    monkeypatch.setattr(contexts_module, "CACHE_BYTES", 1)
    scores = [model.predict(images[5], name).score for name in ("part", "b", "part")]
    assert scores[0] == scores[2] and len(model.contexts._kept) == 1
