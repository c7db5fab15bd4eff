"""Losses of pixel classifiers: equal to their formulas, finite at the extremes, pushing the right way."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from adcore.losses import dice_loss, focal_loss


def draws(generator, *shape):
    return 3 * torch.randn(*shape, generator=generator), torch.rand(*shape, generator=generator) < 0.3


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_equals_its_formula(generator, gamma):
    logits, target = draws(generator, 2, 4, 5)
    total = 0.0
    for logit, true in zip(logits.flatten().tolist(), target.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit if true else logit))
        total += -((1 - p) ** gamma) * math.log(p)
    assert float(focal_loss(logits, target, gamma)) == pytest.approx(total / 40, rel=1e-5)


def test_focal_without_gamma_is_cross_entropy(generator):
    logits, target = draws(generator, 2, 4, 5)
    assert torch.equal(focal_loss(logits, target, 0), binary_cross_entropy_with_logits(logits, target.float()))


def test_dice_equals_its_formula_image_by_image(generator):
    logits, target = draws(generator, 3, 4, 5)
    losses = []
    for image, truth in zip(logits, target, strict=True):
        p = [1 / (1 + math.exp(-logit)) for logit in image.flatten().tolist()]
        t = [float(true) for true in truth.flatten().tolist()]
        shared = sum(a * b for a, b in zip(p, t, strict=True))
        losses.append(1 - (2 * shared + 1) / (sum(p) + sum(t) + 1))
    assert float(dice_loss(logits, target)) == pytest.approx(sum(losses) / 3, rel=1e-5)


@pytest.mark.parametrize("loss", [focal_loss, dice_loss, lambda x, t: focal_loss(x, t, 0.5)])
@pytest.mark.parametrize("truth", [False, True])
@pytest.mark.parametrize("size", [0.0, 200.0, -200.0])
def test_sure_logits_and_one_class_are_finite(loss, truth, size):
    logits = torch.full((2, 3, 3), size, requires_grad=True)
    value = loss(logits, torch.full((2, 3, 3), truth))
    value.backward()
    assert value.isfinite() and logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", [focal_loss, dice_loss])
def test_right_costs_little_wrong_costs_much(loss):
    target = torch.zeros(1, 8, 8, dtype=torch.bool)
    target[0, 2:4, 2:4] = True
    right = 20.0 * (2 * target.float() - 1)
    assert loss(right, target) < 1e-3 < 0.5 < loss(-right, target)


@pytest.mark.parametrize("loss", [focal_loss, dice_loss])
def test_reduced_precision_is_computed_in_single(loss, generator):
    logits, target = draws(generator, 1, 64, 64)
    assert loss(logits.bfloat16(), target).dtype == torch.float32


@pytest.mark.parametrize("loss", [focal_loss, dice_loss])
def test_shapes_have_to_agree(loss):
    with pytest.raises(ValueError, match=r"\[1, 4\] and target \[4\]"):
        loss(torch.zeros(1, 4), torch.zeros(4))
