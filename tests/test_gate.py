"""A clean image is not clustered: the gate, what it learns from, and that it treats all images alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adcore_plugins.demo import Demo
from adcore_plugins.kmeans import KMeans
from tiny import UNIFIED, recipe

import adcore
from adcore.calibration import Calibration
from adcore.context import Context
from adcore.context_store import ContextStore
from adcore.contrastive import anomalous_pixels, contrastive_map, distance
from adcore.data.resizing import to_tensor
from adcore.errors import UserError
from adcore.fitting import ContextFitter
from adcore.fused import made_for
from adcore.gate import Gate, gate_threshold
from adcore.interfaces import Clusterer, HeadOutput
from adcore.planning import plan
from adcore.precision import in_floats, in_full
from adcore.recipe import parse
from adcore.scoring import Reduction
from adcore.settings import ContextSettings
from adcore.studying import fit_references

TOP = Reduction.parse("top5%")


def embedded(generator, defect=False):
    """Embedding [4, 12, 12] of an image, clean or with a defect in three rows, and the normal direction [1, 4]."""
    normal, forged = torch.eye(4)[:2]
    embedding = normal[:, None, None] + 0.05 * torch.randn(4, 12, 12, generator=generator)
    if defect:
        embedding[:, :3] += 2 * forged[:, None, None]
    return F.normalize(embedding, dim=0), normal[None]


class Counting(Clusterer):
    def __init__(self):
        self.calls = 0

    def fit_predict(self, x):
        self.calls += 1
        return np.arange(len(x)) % 2


@pytest.fixture
def gate(generator):
    scores = [float(TOP(distance(*embedded(generator))[None])[0]) for _ in range(19)]
    threshold = gate_threshold(scores, 0.05)
    assert threshold is not None
    return Gate(threshold, TOP)


def test_kmeans_finds_a_forgery_in_a_clean_image_but_not_behind_the_gate(gate, generator):
    clean = [embedded(generator) for _ in range(20)]
    assert all(anomalous_pixels(image, KMeans(), known).any() for image, known in clean)
    assert np.mean([bool(anomalous_pixels(image, KMeans(), known, gate).any()) for image, known in clean]) <= 0.1
    image, known = embedded(generator, defect=True)
    assert anomalous_pixels(image, KMeans(), known, gate)[:3].all()


def test_behind_the_gate_an_image_is_one_cluster_and_the_clusterer_is_not_asked(gate, generator):
    image, known = embedded(generator)
    closed, clusterer = Gate(1.0, TOP), Counting()
    heat = contrastive_map(HeadOutput(image[None]), clusterer, known, closed)[0]
    own = distance(image, known)
    assert clusterer.calls == 0
    torch.testing.assert_close(heat, (own + own.mean()) / 2)
    contrastive_map(HeadOutput(image[None]), clusterer, known, Gate(0.0, TOP))
    assert clusterer.calls == 1


def test_the_threshold_lets_the_rate_through_or_as_little_as_the_scores_support():
    scores = [float(value) for value in range(100)]
    opened = sum(score >= gate_threshold(scores, 0.1) for score in scores)
    assert opened == 9  # and the image itself makes 10 of 101
    assert gate_threshold([1.0, 3.0, 2.0], 0.01) > 3.0
    assert gate_threshold(scores, 1.0) is None and gate_threshold([], 0.1) is None


# ---- with a context ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored(finished):
    return ContextStore(finished / "model" / "contexts").load("plate_line_a")


def test_a_run_stores_the_gate_of_its_held_out_normals(finished, stored):
    detector = adcore.load(finished).detector
    data = Demo(**{key: value for key, value in UNIFIED["data"].items() if key != "name"})
    samples = {sample.path: sample for sample in data.samples()}
    scores = []
    for path in stored.scale_images:
        image = to_tensor(data.image(samples[path]), detector.image_size)[None]
        with in_floats():  # as contexts are made
            scores += detector.score_before_clustering(image, stored)
    assert len(scores) > 0 and stored.gate == gate_threshold(scores, 0.2)
    assert not set(stored.scale_images) & set(stored.calibration_images)


def test_a_context_keeps_its_gate_and_one_of_before_gates_has_none(stored):
    assert Context.of_record("a", stored.record()).gate == stored.gate is not None
    old = {key: value for key, value in stored.record().items() if key != "gate"}
    assert Context.of_record("a", old).gate is None


def test_calibration_images_are_gated_as_test_images_are(finished, stored):
    detector = adcore.load(finished).detector
    data = Demo(**{key: value for key, value in UNIFIED["data"].items() if key != "name"})
    samples = {sample.path: sample for sample in data.samples()}
    images = {path: to_tensor(data.image(samples[path]), detector.image_size) for path in samples}
    with in_floats():
        scores = {path: detector.predict(images[path], stored).score for path in stored.calibration_images}
    near = Calibration.of([*scores.values()], [1.0], stored.calibration.rate).doubtful
    with in_full(), made_for(1):  # those near the threshold once more
        scores |= {path: detector.predict(images[path], stored).score for path, score in scores.items() if near(score)}
    np.testing.assert_allclose(sorted(scores.values()), stored.calibration.scores, rtol=1e-5)
    detector.clusterer, detector.precision = Counting(), "32-true"  # in which no image is judged twice
    fitter = ContextFitter(detector, images.__getitem__, 0.2)
    draft = fitter.draft("a", stored.references, stored.scale_images)
    before = detector.clusterer.calls
    fitter.calibrate(replace(draft, context=replace(draft.context, gate=np.inf)), stored.calibration_images)
    assert detector.clusterer.calls == before
    fitter.calibrate(replace(draft, context=replace(draft.context, gate=0.0)), stored.calibration_images)
    assert detector.clusterer.calls == before + len(stored.calibration_images)


def test_without_held_out_normals_each_reference_is_gated_by_the_others(generator):
    detector = parse(recipe()).build().detector().eval()
    detector.clusterer = Counting()
    references = torch.rand(4, 3, 32, 32, generator=generator)
    fitted = fit_references(detector, references)
    assert fitted.gate is not None
    assert detector.clusterer.calls == 1  # the most unusual one alone


def test_the_gate_can_be_turned_off(generator):
    off = parse(recipe(context={"shots": 3, "gate": 1.0})).build().detector().eval()
    off.clusterer = Counting()
    assert fit_references(off, torch.rand(3, 3, 32, 32, generator=generator)).gate is None
    assert off.clusterer.calls == 3


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_an_impossible_share_is_refused(share, parts):
    runner = parse(recipe(parts)).build()
    with pytest.raises(UserError, match=r"context\.gate"):
        plan(runner.data, ContextSettings(shots=2, gate=share), True)
