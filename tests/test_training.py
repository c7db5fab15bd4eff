"""Training: what changes and what does not, which epoch is kept, and that nothing but the seed decides."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys

import pytest
import torch
from tiny import SWIN, TRAINING, recipe, snapshot

from adcore import training
from adcore.augmentation import flip_and_turn, tone_and_noise
from adcore.errors import UserError
from adcore.images import Images
from adcore.interfaces import Head, HeadOutput, Synthesizer
from adcore.losses import focal_loss
from adcore.planning import plan
from adcore.recipe import parse
from adcore.statistics import adapt_statistics
from adcore.store import load_json, load_tensors
from adcore.trainable import backbone_mode, one_device
from adcore.training import Trainer
from adcore.training_set import training_set
from adcore.validation import Validation, to_grid, validate

FEATURES = {"name": "focal", "width": 8, "dimension": 4}


def demo(*categories, normals=10):
    return {"name": "demo", "categories": list(categories), "normals": normals, "size": 32}


class Fit:
    """One training of a tiny recipe in a folder."""

    def __init__(self, folder, seed=0, **changes):
        self.parsed = parse(recipe(**{"data": demo("fabric"), "seed": seed} | changes))
        self.runner = self.parsed.build()
        self.detector = self.runner.detector()
        self.images = Images(self.runner.data, self.detector.image_size)
        plans = plan(self.runner.data, self.runner.context, trained=True)
        self.sets = {name: training_set(part, seed) for name, part in plans.items()}
        settings = self.runner.training
        fabric = one_device(torch.device("cpu"), settings.precision)
        synthesizers = self.runner.synthesizers
        self.trainer = Trainer(self.detector, self.images, synthesizers, settings, self.runner.seed, folder, fabric)
        self.folder, self.metrics = folder, []
        self.before = self.weights()

    def weights(self):
        return {name: tensor.clone() for name, tensor in self.detector.state_dict().items()}

    def changed(self):
        """Parts of the detector with a weight that changed; normalisation statistics count as a part of their own."""
        now, weights = self.detector.state_dict(), dict(self.detector.named_parameters())
        names = [name for name, tensor in self.before.items() if not torch.equal(tensor, now[name])]
        return {name.split(".")[0] + ("" if name in weights else " statistics") for name in names}

    def __call__(self, on_progress=lambda done, total: None, on_epoch_end=lambda epoch: None):
        def ended(epoch, epochs, metrics):
            self.metrics.append(dict(metrics))
            on_epoch_end(epoch)

        self.trainer.fit(self.sets, on_progress, ended)
        return self


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def interrupt_at(when):
    def act(now, *_):
        if now == when:
            raise KeyboardInterrupt

    return act


# ---- what changes -----------------------------------------------------------------------------------------------


def test_a_head_that_reads_features_trains_a_random_backbone(tmp_path):
    assert Fit(tmp_path, head=FEATURES)().changed() == {"backbone", "backbone statistics", "head"}


@pytest.mark.parametrize("setting", ["frozen", "statistics"])
def test_a_frozen_backbone_stays_as_it_is(tmp_path, setting):
    """Its normalisation statistics too, which a forward pass in training mode would move."""
    fit = Fit(tmp_path, head=FEATURES, training=TRAINING | {"backbone": setting})()
    assert fit.changed() == {"head"}


def test_pretrained_weights_stay_as_they_are(tmp_path):
    fit = Fit(tmp_path, head=FEATURES)
    fit.detector.backbone.pretrained = True
    trainer = Trainer(
        fit.detector, fit.images, fit.runner.synthesizers, fit.runner.training, 0, tmp_path, fit.trainer.fabric
    )
    trainer.fit(fit.sets, lambda *_: None, lambda *_: None)
    assert fit.changed() == {"head"}


def test_a_head_that_reads_the_relation_leaves_the_backbone(tmp_path):
    assert Fit(tmp_path)().changed() == {"head"}


@pytest.mark.parametrize(
    ("reads", "pretrained", "expected"),
    [
        ("features", False, "trained"),
        ("features", True, "frozen"),
        ("relation", False, "statistics"),
        ("relation", True, "frozen"),
        ("both", False, "statistics"),
    ],
)
def test_auto_decides_by_the_head_and_the_weights(tmp_path, reads, pretrained, expected):
    fit = Fit(tmp_path, head=FEATURES | {"input": reads})
    fit.detector.backbone.pretrained = pretrained
    assert backbone_mode(fit.detector, fit.runner.training) == expected


@pytest.mark.parametrize(
    "changes", [{"head": FEATURES | {"input": "relation"}}, {"head": FEATURES | {"input": "both"}}]
)
def test_a_relation_cannot_be_read_from_a_backbone_in_training(changes):
    runner = parse(recipe(**changes, training={"backbone": "trained"})).build()
    with pytest.raises(UserError, match=r"training\.backbone: trained needs a head that reads features"):
        runner.check()


# ---- which epoch is kept ----------------------------------------------------------------------------------------


def after(monkeypatch, values):
    """Let validation find these figures, epoch by epoch."""
    found = iter(values)
    monkeypatch.setattr(training, "validate", lambda *_: Validation({"val.pixel.ap": next(found)}, []))


@pytest.mark.parametrize("best", [0, 1, 2])
def test_the_best_epoch_is_kept(tmp_path, monkeypatch, best):
    after(monkeypatch, [0.9 if epoch == best else 0.1 + epoch / 100 for epoch in range(3)])
    seen = []
    fit = Fit(tmp_path, head=FEATURES, training=TRAINING | {"epochs": 3})
    fit(on_epoch_end=lambda epoch: seen.append(fit.weights()))
    assert [equal(fit.weights(), weights) for weights in seen] == [epoch == best for epoch in range(3)]
    assert not fit.detector.backbone.training and not fit.detector.head.training


def test_where_validation_says_nothing_the_last_epoch_is_kept(tmp_path, monkeypatch):
    after(monkeypatch, [math.nan, math.nan])
    seen = []
    fit = Fit(tmp_path, head=FEATURES)
    fit(on_epoch_end=lambda epoch: seen.append(fit.weights()))
    assert equal(fit.weights(), seen[-1])


# ---- nothing but the seed decides -------------------------------------------------------------------------------


def test_the_seed_decides(tmp_path):
    torch.manual_seed(1)
    first = Fit(tmp_path / "a", head=FEATURES)().weights()
    torch.manual_seed(2)  # no concern of ours
    assert equal(Fit(tmp_path / "b", head=FEATURES)().weights(), first)
    assert not equal(Fit(tmp_path / "c", head=FEATURES, seed=1)().weights(), first)


@pytest.mark.parametrize("backbone", [None, SWIN])
@pytest.mark.parametrize("moment", ["on_progress", "on_epoch_end"])
def test_an_interrupted_training_goes_on_bit_for_bit(tmp_path, monkeypatch, moment, backbone):
    """Weights, moments of the optimiser and all: in the middle of the second epoch, or after the first."""
    changes = {"head": FEATURES, "training": TRAINING | {"epochs": 3}} | ({"backbone": backbone} if backbone else {})
    after(monkeypatch, [0.1, 0.2, 0.3])
    whole = Fit(tmp_path / "whole", **changes)()

    after(monkeypatch, [0.1])
    with pytest.raises(KeyboardInterrupt):
        Fit(tmp_path / "parts", **changes)(**{moment: interrupt_at(3 if moment == "on_progress" else 1)})
    assert load_json(tmp_path / "parts" / "training.json")["epochs_done"] == 1
    after(monkeypatch, [0.2, 0.3])
    resumed = Fit(tmp_path / "parts", **changes)()

    assert len(resumed.metrics) == 2 and resumed.metrics == whole.metrics[1:]
    assert equal(resumed.weights(), whole.weights())
    last = [load_tensors(tmp_path / name / "last.safetensors") for name in ("whole", "parts")]
    assert equal(*last) and any(name.endswith("exp_avg_sq") for name in last[0])


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)  # as the tests here: another number adds up in another order
torch.manual_seed(7)
sys.path.insert(0, {tests!r})
from test_training import Fit
kill = lambda done, total: done == {step} and os.kill(os.getpid(), signal.SIGKILL)
Fit(Path({folder!r}), **{changes!r})(on_progress=kill)
"""


@pytest.mark.parametrize(("checkpoint_steps", "first"), [(2, 9), (None, 6)])
@pytest.mark.parametrize("reads", ["features", "relation"])
def test_a_killed_training_goes_on_bit_for_bit(tmp_path, reads, checkpoint_steps, first):
    """By SIGKILL after step 8, in the second of three epochs; from a checkpoint in it, or from the end of the first.

    Weights, moments, early stopping and every figure of the record are those of a training that nobody stopped. Here
    the backbone draws at random too (stochastic depth), and a validation figure worse than the first ends training.
    """
    settings = TRAINING | {"epochs": 3, "steps": 5, "patience": 2, "checkpoint_steps": checkpoint_steps}
    changes = {"head": FEATURES | {"input": reads}, "training": settings, "data": demo("fabric", "gear", normals=8)}
    if reads == "features":
        changes["backbone"] = {"name": "timm", "model": "test_convnext.r160_in1k", "weights": "none"}
        changes["backbone"]["options"] = {"drop_path_rate": 0.5}
    program = KILLED.format(tests=os.path.dirname(__file__), folder=str(tmp_path / "parts"), changes=changes, step=8)
    assert subprocess.run([sys.executable, "-c", program], timeout=900).returncode == -signal.SIGKILL

    steps = []
    resumed = Fit(tmp_path / "parts", **changes)(on_progress=lambda done, total: steps.append(done))
    assert steps[0] == first
    whole = Fit(tmp_path / "whole", **changes)()
    assert equal(resumed.weights(), whole.weights())
    assert snapshot(tmp_path / "parts") == snapshot(tmp_path / "whole")  # all files of both, byte by byte


def test_a_best_epoch_before_the_interruption_is_kept(tmp_path, monkeypatch):
    after(monkeypatch, [0.9])
    seen = []
    with pytest.raises(KeyboardInterrupt):
        fit = Fit(tmp_path, head=FEATURES)
        fit(on_epoch_end=lambda epoch: (seen.append(fit.weights()), interrupt_at(1)(epoch)))
    after(monkeypatch, [0.8])
    assert equal(Fit(tmp_path, head=FEATURES)().weights(), seen[0])


# ---- what it learns from ----------------------------------------------------------------------------------------


class Square(Synthesizer):
    """A white square, always the same."""

    def synthesize(self, image, source, generator):
        mask = torch.zeros(image.shape[1:])
        mask[8:24, 8:24] = 1
        return torch.where(mask > 0, torch.ones(()), image), mask


@pytest.mark.parametrize(("reads", "steps"), [("features", 10), ("relation", 30)])
def test_it_learns(tmp_path, reads, steps):
    """The loss falls, and in the epoch that is kept the anomaly is found on held-out normals."""
    settings = {"epochs": 3, "steps": steps, "batch_size": 4, "learning_rate": 0.01}
    fit = Fit(tmp_path, head=FEATURES | {"input": reads}, training=settings)
    if reads == "relation":
        adapt_statistics(fit.detector.backbone, [fit.images.stack(fit.sets["fabric"].normal)])
    fit.trainer.synthesizers = [Square()]
    fit()
    assert fit.metrics[-1]["train.loss"] < 0.7 * fit.metrics[0]["train.loss"]
    assert max(epoch["val.pixel.auroc"] for epoch in fit.metrics) > 0.8


def test_held_out_images_are_not_trained_on(tmp_path, monkeypatch):
    read, plain = set(), Images.training_image
    monkeypatch.setattr(Images, "training_image", lambda images, s: read.add(s) or plain(images, s))
    fit = Fit(tmp_path, training=TRAINING | {"epochs": 1, "batch_size": 16})
    with pytest.raises(KeyboardInterrupt):  # before validation
        fit(on_progress=interrupt_at(2))
    part = fit.sets["fabric"]
    assert part.validation and not read & {*part.validation, *part.validation_anomalous}
    assert read & set(part.normal) and read <= {*part.normal, *part.references}


def test_validation_is_the_same_each_time_and_changes_with_the_seed(tmp_path):
    fit = Fit(tmp_path)
    adapt_statistics(fit.detector.backbone, [fit.images.stack(fit.sets["fabric"].normal)])

    def figures(seed):
        return validate(fit.detector, fit.images, fit.sets, fit.runner.synthesizers, seed).metrics

    first = figures(0)
    assert set(first) == {"val.loss", *(f"val.pixel.{key}" for key in ("auroc", "ap", "f1", "macro_f1", "iou"))}
    assert figures(0) == first
    assert figures(1) != first


class Oracle(Head):
    """Calls white pixels anomalous."""

    input = "features"

    def forward(self, inputs):
        return HeadOutput(logits=100 * (inputs[0] - 0.99))

    def loss(self, output, target, generator):
        return focal_loss(output.logits, target)


def test_validation_of_a_head_that_knows(tmp_path):
    """A head with logits needs no clusterer; one that finds every simulated anomaly is given full marks."""
    fit = Fit(tmp_path)
    fit.detector.head, fit.detector.clusterer, fit.detector.matcher = Oracle(), None, None
    fit.detector.backbone.forward = lambda images: (images.amin(1),)
    found = validate(fit.detector, fit.images, fit.sets, [Square()], 0)
    assert found.metrics.pop("val.loss") < 0.3
    assert found.metrics == {f"val.pixel.{key}": pytest.approx(1.0) for key in ("auroc", "ap", "f1", "macro_f1", "iou")}
    assert {example.category for example in found.examples} == {"fabric"}
    assert all((example.map > 0.5).tolist() == example.truth.tolist() for example in found.examples)


def test_a_loss_that_is_no_number_stops_training_with_advice(tmp_path):
    fit = Fit(tmp_path, training=TRAINING | {"learning_rate": 1e30, "steps": 4})
    with pytest.raises(UserError, match=r"the loss became nan in epoch 1; lower training\.learning_rate"):
        fit()


def test_a_cell_is_anomalous_from_a_quarter_on():
    mask = torch.zeros(1, 8, 8)
    mask[0, 0, 0:4] = 1  # 4 of 16 pixels
    mask[0, 0, 4:7] = 1  # 3 of 16
    mask[0, 4:, :4] = 0.4  # soft, below a half
    output = HeadOutput(logits=torch.zeros(1, 2, 2))
    assert to_grid(mask, output).tolist() == [[[True, False], [False, False]]]


# ---- augmentation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(8, 8), (6, 10)])
def test_image_and_mask_are_turned_alike(generator, size):
    image = torch.rand(3, *size, generator=generator)
    mask = image[0].clone()
    seen = set()
    for _ in range(64):
        turned, along = flip_and_turn(image, mask, generator)
        assert turned.shape == image.shape and torch.equal(turned[0], along)
        assert torch.equal(turned.flatten().sort().values, image.flatten().sort().values)
        seen.add(tuple(turned[0].flatten().tolist()))
    assert len(seen) == (8 if size[0] == size[1] else 4)  # all turns and mirror images; half turns only


def test_tone_and_noise_stay_in_range_and_leave_some_images(generator):
    image = torch.rand(3, 8, 8, generator=generator)
    before = image.clone()
    changed = [tone_and_noise(image, generator) for _ in range(200)]
    assert torch.equal(image, before)
    assert all(result.min() >= 0 and result.max() <= 1 for result in changed)
    left = sum(torch.equal(result, image) for result in changed)
    assert 25 < left < 80  # a quarter
    assert max(float((result - image).abs().mean()) for result in changed) < 0.2
