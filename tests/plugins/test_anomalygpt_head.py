import math

import pytest
import torch
import torch.nn.functional as F
from adcore_plugins.anomalygpt_head import AnomalyGPTHead

from adcore.errors import UserError
from adcore.interfaces import HeadOutput
from adcore.losses import dice_loss, focal_loss


def head(**settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AnomalyGPTHead(channels=(3, 5), dimension=8, **settings)


def pyramid(generator):
    return torch.randn(2, 3, 8, 10, generator=generator), torch.randn(2, 5, 4, 5, generator=generator)


@torch.no_grad()
def slow_probability(built, inputs):
    """Mean over levels of the softmax over both prototypes, level by level and pixel by pixel, on the levels' grid."""
    prototypes = F.normalize(built.prototypes, dim=1)
    maps = []
    for level, normalise, project in zip(inputs, built.normalise, built.project, strict=True):
        embedded = project(normalise(level))
        probability = torch.zeros(len(level), *level.shape[-2:])
        for b in range(len(level)):
            for y in range(level.shape[2]):
                for x in range(level.shape[3]):
                    cosines = [float(F.cosine_similarity(embedded[b, :, y, x], p, dim=0)) for p in prototypes]
                    normal, abnormal = (math.exp(cosine * math.exp(float(built.scale))) for cosine in cosines)
                    probability[b, y, x] = abnormal / (normal + abnormal)
        maps.append(probability)
    return maps


def test_the_map_is_the_mean_of_softmaxes_over_the_prototypes(generator):
    built = head()
    inputs = torch.randn(2, 3, 4, 5, generator=generator), torch.randn(2, 5, 4, 5, generator=generator)
    expected = torch.stack(slow_probability(built, inputs)).mean(0)
    assert torch.allclose(built(inputs).logits.sigmoid(), expected, atol=1e-5)


def test_every_level_is_enlarged_to_the_grid(generator):
    output = head(grid=10)(pyramid(generator))
    assert output.logits.shape == (2, 8, 10) and output.levels.shape == (2, 2, 8, 10)
    assert output.embedding is None


@torch.no_grad()
def test_the_loss_is_focal_plus_dice_of_each_level(generator):
    built = head()
    output = built(pyramid(generator))
    target = torch.rand(output.logits.shape, generator=generator) < 0.3
    expected = sum(focal_loss(level, target, 2) + dice_loss(level, target) for level in output.levels) / 2
    assert float(built.loss(output, target, generator)) == pytest.approx(float(expected), rel=1e-6)
    plain = HeadOutput(logits=output.logits)  # as what was copied on the way is
    joint = focal_loss(output.logits, target, 2) + dice_loss(output.logits, target)
    assert float(built.loss(plain, target, generator)) == pytest.approx(float(joint), rel=1e-6)


def test_sure_levels_that_disagree_stay_finite(generator):
    built = head(temperature=0.01)
    with torch.no_grad():
        built.prototypes[1] = -built.prototypes[0]
    inputs = tuple(1000 * level for level in pyramid(generator))
    logits = built(inputs).logits
    logits.sum().backward()
    assert logits.isfinite().all() and all(parameter.grad.isfinite().all() for parameter in built.parameters())


@pytest.mark.parametrize("setting", [{"grid": 0}, {"dimension": 0}, {"temperature": 0.0}, {"gamma": -1.0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(UserError, match="head: grid"):
        AnomalyGPTHead(channels=(3,), **setting)
