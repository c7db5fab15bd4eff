"""Normalisation statistics of random backbones: the exact ones of the images, and nothing else changes."""

import copy

import pytest
import torch
from tiny import BACKBONE, SWIN, recipe, run
from torch import nn

from adcore.interfaces import Backbone
from adcore.recipe import parse
from adcore.statistics import adapt_statistics
from adcore.store import load_tensors


class Normalised(Backbone):
    """A convolution and its batch normalisation."""

    channels, strides, pretrained = (4,), (1,), False

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4, momentum=0.3)
        self.norm.running_mean.fill_(7)  # must not survive

    def forward(self, images):
        return (self.norm(self.conv(images)),)


@pytest.fixture
def batches(generator):
    return [torch.rand(count, 3, 8, 8, generator=generator) for count in (2, 5, 3)]


def test_they_are_the_mean_over_batches(batches):
    backbone = Normalised()
    with torch.no_grad():
        rows = [backbone.conv(batch).transpose(0, 1).flatten(1) for batch in batches]  # [4, n * h * w]
    mean = torch.stack([row.mean(1) for row in rows]).mean(0)
    variance = torch.stack([row.var(1) for row in rows]).mean(0)

    adapt_statistics(backbone, iter(batches))

    torch.testing.assert_close(backbone.norm.running_mean, mean)
    torch.testing.assert_close(backbone.norm.running_var, variance)


def test_weights_settings_and_mode_stay(batches):
    backbone = Normalised()
    weights = {name: value.clone() for name, value in backbone.named_parameters()}
    adapt_statistics(backbone.train(), batches)
    assert all(torch.equal(weights[name], value) for name, value in backbone.named_parameters())
    assert backbone.norm.momentum == 0.3
    assert not any(module.training for module in backbone.modules())
    assert not any(value.requires_grad is False or value.grad is not None for value in backbone.parameters())


def test_twice_is_once(batches):
    once, twice = Normalised(), Normalised()
    twice.load_state_dict(copy.deepcopy(once.state_dict()))
    adapt_statistics(once, batches)
    adapt_statistics(twice, [batches[0] * 3])
    adapt_statistics(twice, batches)
    assert torch.equal(once.norm.running_mean, twice.norm.running_mean)


def test_features_get_more_than_one_direction():
    """Why it is done: with the initial statistics, features of different places are almost parallel."""
    backbone = parse(recipe(backbone=BACKBONE)).build().backbone.eval()
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def parallel():
        with torch.no_grad():
            rows = backbone(images)[-1].permute(0, 2, 3, 1).flatten(0, 2)
        return float(torch.corrcoef(rows).abs().mean())

    before = parallel()
    adapt_statistics(backbone, [images])
    assert parallel() < 0.8 * before


@pytest.mark.parametrize("content", [{"head": None}, {}], ids=["matcher only", "relation"])
def test_a_run_takes_them_from_its_images_and_leaves_the_weights(parts, tmp_path, content):
    content = recipe(parts, **content)
    fresh = {f"backbone.{key}": value for key, value in parse(content).build().backbone.state_dict().items()}
    run(tmp_path / "run", content)
    after = load_tensors(tmp_path / "run" / "model" / "weights.safetensors")
    changed = {name for name, value in fresh.items() if not torch.equal(value, after[name])}
    assert changed
    assert {name.rsplit(".", 1)[1] for name in changed} == {"running_mean", "running_var", "num_batches_tracked"}


@pytest.mark.parametrize("changes", [{"backbone": SWIN}, {"training": {"backbone": "frozen"}}], ids=["swin", "frozen"])
def test_without_batch_normalisation_or_frozen_nothing_changes(parts, tmp_path, changes):
    content = recipe(parts, head=None, **changes)
    fresh = {f"backbone.{key}": value for key, value in parse(content).build().backbone.state_dict().items()}
    run(tmp_path / "run", content)
    after = load_tensors(tmp_path / "run" / "model" / "weights.safetensors")
    assert fresh.keys() == after.keys() and all(torch.equal(value, after[name]) for name, value in fresh.items())
