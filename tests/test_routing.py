"""Which context an image belongs to, where nobody says it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import BACKBONE, recipe, run, write_set

import adcore
from adcore.data.decoding import read_image
from adcore.errors import UserError
from adcore.recipe import parse
from adcore.routing import Router, describe, survey


@pytest.fixture(scope="module")
def backbone():
    return parse(recipe(backbone=BACKBONE)).build().backbone.eval()


def test_a_descriptor_gives_every_level_the_same_weight(generator):
    levels = tuple(torch.rand(3, 4 * n, 8 // n, 8 // n, generator=generator) * 10**n for n in (1, 2))
    descriptors = describe(levels)
    assert descriptors.shape == (3, 12)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(descriptors[:, :4].norm(dim=1), descriptors[:, 4:].norm(dim=1))


def test_the_nearest_context_is_told_with_its_margin():
    places = {"a": (torch.tensor([[0.0, 0.0], [4.0, 0.0]]), 1.0), "b": (torch.tensor([[0.0, 3.0]]), 0.5)}
    router = Router(places)
    route = router.route(torch.tensor([4.0, 1.0]))
    assert (route.context, route.near) == ("a", True)
    assert route.margin == pytest.approx(1 - 1 / np.hypot(4, 2))
    route = router.route(torch.tensor([0.0, 2.0]))
    assert (route.context, route.near, route.margin) == ("b", False, 0.5)
    assert router.route(torch.tensor([0.0, 0.0])).margin == 1
    assert Router({"a": places["a"], "twin": places["a"]}).route(torch.zeros(2)).margin == 0
    assert Router({"b": places["b"]}).route(torch.tensor([0.0, 2.8])).margin == 1


def test_the_reach_covers_the_references_and_a_local_change(backbone, generator):
    images = list(0.5 + 0.1 * torch.randn(4, 3, 32, 32, generator=generator))
    descriptors, reach = survey(backbone, images)
    between = torch.cdist(descriptors, descriptors).fill_diagonal_(torch.inf)
    changed = images[0].clone()
    changed[:, 14:18, 14:18] = 1
    moved = (describe(backbone(changed[None])) - descriptors[0]).norm()
    assert reach > between.amin(1).max() and reach > moved
    one, alone = survey(backbone, images[:1])
    assert one.shape == (1, descriptors.shape[1]) and alone > 0


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A model of two different parts on disk."""
    folder = tmp_path_factory.mktemp("two")
    write_set(folder / "data" / "noise")
    draws = np.random.default_rng(1)
    stripes = (np.arange(32) // 4 % 2 * 180 + 30)[None, :, None] + draws.integers(0, 20, (8, 32, 32, 3))
    for index, pixels in enumerate(stripes.astype(np.uint8)):
        split = "train" if index < 6 else "test"
        save_array(pixels, folder / "data" / "stripes" / split / "good" / f"{index}.png")
    run(folder / "run", recipe(folder / "data", head=None))
    return folder


def save_array(pixels, file):
    from PIL import Image
    from tiny import save

    return save(Image.fromarray(pixels), file)


def test_images_find_their_context(two):
    model = adcore.load(two / "run")
    for category in ("noise", "stripes"):
        for file in sorted((two / "data" / category / "test" / "good").iterdir()):
            routed, named = model.predict(file), model.predict(file, category)
            assert routed.context == routed.route.context == category and routed.route.near
            assert 0 < routed.route.margin <= 1 and named.route is None
            assert (routed.score, routed.p_value) == (named.score, named.p_value)
            assert np.array_equal(routed.map, named.map)


def test_what_belongs_to_no_context_is_unknown(two):
    checks = np.kron(np.indices((4, 4)).sum(0) % 2, np.ones((8, 8)))[:, :, None] * [255, 0, 0]
    prediction = adcore.load(two / "run").predict(checks.astype(np.uint8))
    assert prediction.decision == "unknown" and not prediction.route.near and prediction.context == ""
    assert all(np.isnan(number) for number in (prediction.score, prediction.p_value, prediction.threshold))
    assert prediction.map.shape == prediction.mask.shape == (32, 32) and not prediction.mask.any()


def test_contexts_without_descriptors_have_to_be_named(two, tmp_path):
    model = adcore.load(shutil.copytree(two / "run" / "model", tmp_path / "model"))
    for name, context in model.contexts.items():
        model.contexts.store.save(replace(context, descriptors=None))
        model.contexts.refresh(name)
    image = two / "data" / "stripes" / "test" / "good" / "6.png"
    assert model.predict(image, "stripes").route is None
    with pytest.raises(UserError, match="no context has descriptors to choose by; name a context"):
        model.predict(image)


def test_with_one_context_nothing_is_routed(two, tmp_path):
    model = adcore.load(shutil.copytree(two / "run" / "model", tmp_path / "model"))
    image = read_image(two / "data" / "stripes" / "test" / "good" / "6.png")
    model.remove_context("stripes")
    prediction = model.predict(image)
    assert prediction.context == "noise" and prediction.route is None
    model.remove_context("noise")
    with pytest.raises(UserError, match="this model has no context"):
        model.predict(image)


def test_a_new_context_is_routed_to_at_once(two, tmp_path):
    model = adcore.load(shutil.copytree(two / "run" / "model", tmp_path / "model"))
    draws = np.random.default_rng(2)
    dots = [np.where(draws.random((32, 32, 1)) < 0.1, [255, 0, 0], [0, 80, 0]).astype(np.uint8) for _ in range(4)]
    before = model.predict(dots[3])
    model.add_context("dots", dots[:3])
    assert before.context != "dots" and model.predict(dots[3]).context == "dots"
