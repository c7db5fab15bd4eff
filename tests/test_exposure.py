"""One exposure for all images: what is evened, what is left, and that a run carries it from recipe to model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import recipe, run

import adcore
from adcore.cli import main
from adcore.errors import UserError
from adcore.exposure import DEVIATION, MEAN, Evened, evened, wrap
from adcore.interfaces import Backbone


class Seen(Backbone):
    """Gives what it is given."""

    channels, strides, pretrained = (3,), (1,), True

    def forward(self, images):
        return (images,)


def grey(images):
    return images.mean(1).flatten(1)


def test_brightness_is_evened_and_contrast_if_wanted(generator):
    light = torch.tensor([0.2, 0.6, 1.0])[:, None, None, None]
    images = light * (0.25 + 0.5 * torch.rand(3, 1, 16, 20, generator=generator)).expand(-1, 3, -1, -1)
    assert evened(images, "kept") is images
    bright, contrasted = evened(images, "brightness"), evened(images, "contrast")
    torch.testing.assert_close(grey(bright).mean(1), torch.full((3,), MEAN))
    torch.testing.assert_close(grey(contrasted).mean(1), torch.full((3,), MEAN))
    torch.testing.assert_close(grey(contrasted).std(1, correction=0), torch.full((3,), DEVIATION))
    torch.testing.assert_close(evened(images[1:2], "contrast"), contrasted[1:2])  # nothing of its neighbours


@pytest.mark.parametrize("exposure", ["brightness", "contrast"])
def test_other_light_on_the_same_part_is_the_same_image(generator, exposure):
    images = torch.rand(2, 3, 16, 16, generator=generator) * 0.4 + 0.1
    torch.testing.assert_close(evened(1.7 * images, exposure), evened(images, exposure))


@pytest.mark.parametrize("exposure", ["brightness", "contrast"])
def test_black_and_flat_images_stay_finite_and_noise_is_not_raised_to_the_full(generator, exposure):
    black = evened(torch.zeros(1, 3, 8, 8), exposure)
    assert torch.isfinite(black).all() and black.min() >= 0
    spot = torch.full((1, 3, 8, 8), 0.3)
    spot[..., 0, 0] = 1.0
    assert float(evened(spot, exposure).max()) == 1.0  # what is brighter still is clipped
    noise = 0.5 + 0.001 * torch.randn(1, 3, 8, 8, generator=generator)
    assert float(grey(evened(noise, exposure)).std()) < DEVIATION / 10


def test_the_wrapped_backbone_is_given_evened_images(generator):
    images, backbone = torch.rand(2, 3, 8, 8, generator=generator), Seen()
    assert wrap(backbone, "kept") is backbone
    with pytest.raises(UserError, match="bright' is none of kept, brightness, contrast"):
        wrap(backbone, "bright")
    wrapped = wrap(backbone, "contrast")
    assert isinstance(wrapped, Evened) and wrapped.pretrained
    assert (wrapped.channels, wrapped.strides) == (backbone.channels, backbone.strides)
    torch.testing.assert_close(wrapped(images)[0], evened(images, "contrast"))


def test_a_model_keeps_its_exposure_and_judges_a_darker_image_alike(tmp_path):
    scores = {}
    for exposure in ("kept", "brightness"):
        run(tmp_path / exposure, recipe(head=None, exposure=exposure))
        model = adcore.load(tmp_path / exposure)
        image = np.random.default_rng(0).integers(100, 200, (32, 32, 3)).astype(np.uint8)
        scores[exposure] = [model.predict(shown, context="plate_line_a").score for shown in (image, image // 2)]
    assert isinstance(model.detector.backbone, Evened)
    assert scores["brightness"][1] == pytest.approx(scores["brightness"][0], rel=0.02)
    assert scores["kept"][1] != pytest.approx(scores["kept"][0], rel=0.02)


def test_an_unknown_exposure_is_refused_in_one_line(capsys, tmp_path):
    assert main(["run", "fewshot", "--exposure", "bright", "--out", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "exposure" in line and "bright" in line and "contrast" in line
