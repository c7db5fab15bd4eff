"""Contexts made from images: what they learn, what they are calibrated on, and that they are the run's own."""

from __future__ import annotations

import pytest
import torch
from adcore_plugins.demo import Demo
from tiny import UNIFIED

import adcore
from adcore.context_store import ContextStore
from adcore.data.resizing import to_tensor
from adcore.fitting import ContextFitter


@pytest.fixture(scope="module")
def runs(finished):
    """Line a's context as the shared run made it."""
    return ContextStore(finished / "model" / "contexts").load("plate_line_a")


@pytest.fixture(scope="module")
def fitter(finished):
    detector = adcore.load(finished).detector
    data = Demo(**{key: value for key, value in UNIFIED["data"].items() if key != "name"})
    samples = {sample.path: sample for sample in data.samples()}
    return ContextFitter(detector, lambda path: to_tensor(data.image(samples[path]), detector.image_size), 0.2)


def state(context):
    return context.tensors()


def test_the_runs_context_is_made_again_from_its_images(fitter, runs):
    assert runs.calibration_images and runs.scale_images
    again = fitter.fit(runs.name, runs.references, runs.calibration_images, runs.scale_images)
    assert again.calibration == runs.calibration and again.notes == runs.notes
    assert again.reach == runs.reach and again.thumbnails == runs.thumbnails
    assert all(torch.equal(value, state(runs)[key]) for key, value in state(again).items())


def test_every_held_out_normal_is_told_of_and_none_is_a_reference(fitter, runs):
    told = []
    draft = fitter.draft("a", runs.references)
    context = fitter.calibrate(draft, runs.calibration_images, lambda: told.append(1))
    assert len(told) == len(context.calibration.scores) == len(runs.calibration_images)
    assert context.calibration.method == "held-out"
    assert context.scale_images == () and not set(context.calibration_images) & set(context.references)


def test_without_held_out_normals_the_references_calibrate(fitter, runs):
    context = fitter.fit("a", runs.references)
    assert context.calibration.method == "leave-one-out" and len(context.calibration.scores) == len(runs.references)
    assert any("only a rough guide" in note for note in context.notes)


def test_files_are_known_by_their_hash_and_made_images_by_none(runs, fitter, tmp_path):
    assert runs.hashes == {}  # the demo set is made, not read
    file = tmp_path / "part.png"
    file.write_bytes(b"abc")
    reading = ContextFitter(fitter.detector, lambda path: torch.full((3, 32, 32), 0.5), 0.2)
    context = reading.fit("a", [str(file)], ["made up"])
    assert context.hashes == {str(file): "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
