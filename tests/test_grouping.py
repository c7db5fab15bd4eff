"""Grouping what is anomalous by kind: regions, what they look like, and which belong together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from adcore_plugins.agglomerative import Agglomerative
from adcore_plugins.consensus import Consensus
from adcore_plugins.hdbscan import HDBSCAN
from adcore_plugins.kmeans import KMeans

from adcore.errors import UserError
from adcore.group_images import crop
from adcore.grouping import Region, embedding, kinds_of, regions, telling_levels


def blobs(sizes, spread=0.05, dimension=24, seed=0):
    draws = np.random.default_rng(seed)
    centres = draws.normal(size=(len(sizes), dimension))
    x = np.concatenate([c + spread * draws.normal(size=(n, dimension)) for c, n in zip(centres, sizes, strict=True)])
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    return x, np.repeat(np.arange(len(sizes)), sizes)


def test_regions_are_the_connected_parts_of_the_mask_the_highest_first():
    heat, mask = np.zeros((100, 200)), np.zeros((100, 200), dtype=bool)
    mask[10:20, 20:40] = mask[20:30, 40:50] = True  # they touch at a corner
    mask[60:80, 100:120] = True
    mask[90, 190:193] = True  # a speck
    heat[mask] = 1.0
    heat[70, 110] = 5.0
    first, second = regions(heat, mask)
    assert (first.score, second.score) == (5.0, 1.0)
    assert first.box == (0.5, 0.6, 0.6, 0.8) and second.box == (0.1, 0.1, 0.25, 0.3)
    assert first.area == pytest.approx(0.02) and second.area == pytest.approx(0.015)
    (whole,) = regions(heat, mask, per="image")
    assert whole.box == (0, 0, 1, 1) and whole.mask.all()
    assert regions(heat, np.zeros_like(mask)) == []


def planted():
    """A level [1, 3, 8, 8] with two defects, the map that shows both, and the part of it to the left."""
    level = torch.zeros(1, 3, 8, 8)
    level[0, 0] = 2.0  # normal
    for channel, columns in ((1, slice(0, 2)), (2, slice(6, 8))):
        level[0, 0, :2, columns] = 0.0
        level[0, channel, :2, columns] = 7.0
    heat = torch.zeros(32, 32)
    heat[:8, :8] = heat[:8, 24:] = 1.0
    left = torch.zeros(32, 32, dtype=torch.bool)
    left[:, :16] = True
    return level, heat, left


def test_an_embedding_is_of_the_patches_that_are_anomalous_and_in_the_region():
    level, heat, left = planted()
    one, two = (embedding((level,), heat, mask).view(2, 3) * 2**0.5 for mask in (left, torch.ones_like(left)))
    torch.testing.assert_close(one, torch.tensor([0.0, 1, 0]).expand(2, 3), atol=1e-3, rtol=0)
    torch.testing.assert_close(two, torch.tensor([0.0, 0.5**0.5, 0.5**0.5]).expand(2, 3), atol=1e-3, rtol=0)
    pyramid = embedding((level, level[:, :2, ::2, ::2]), heat, left)
    assert pyramid.shape == (2 * (3 + 2),) and float(pyramid.norm()) == pytest.approx(1)
    assert torch.isfinite(embedding((level,), torch.zeros(32, 32), left)).all()


def test_what_the_nearest_reference_patch_and_the_image_as_a_whole_look_like_is_taken_off():
    level, heat, left = planted()
    usual = torch.tensor([[1.0, 0, 0], [0, 0.6, 0.8]])
    found = embedding((level,), heat, left, [usual]).view(2, 3)
    torch.testing.assert_close(found[0], found[1], atol=1e-3, rtol=0)
    left_differs, right_differs = torch.tensor([0.0, 0.4, -0.8]), torch.tensor([0.0, -0.6, 0.2])  # 4 of 64 patches each
    expected = left_differs - (left_differs + right_differs) / 16
    torch.testing.assert_close(found[0] * 2**0.5, expected / expected.norm(), atol=1e-3, rtol=0)
    assert torch.isfinite(embedding((level,), heat, left, [torch.eye(3)])).all()  # nothing is left


def test_of_three_levels_the_finest_does_not_tell_kinds_apart():
    pyramid = tuple(torch.zeros(1, 1, side, side) for side in (16, 8, 4))
    assert [len(telling_levels(pyramid[:count])) for count in (1, 2, 3)] == [1, 2, 2]
    assert telling_levels(pyramid) == pyramid[1:]


@pytest.mark.parametrize("clusterer", [Agglomerative(), Consensus(), KMeans(), HDBSCAN(min_cluster_share=0.1)])
def test_as_many_kinds_as_there_are_are_found_the_most_frequent_first(clusterer):
    x, truth = blobs([30, 12, 20])
    kinds = kinds_of(x[::-1], clusterer)[::-1]
    assert [set(kinds[truth == kind]) for kind in range(3)] == [{0}, {2}, {1}]


def test_the_number_of_kinds_may_be_given_where_the_clusterer_takes_one():
    x, _ = blobs([30, 12, 20])
    assert set(kinds_of(x, Agglomerative(), 5)) == set(range(5))
    assert set(kinds_of(x, Agglomerative(), 1)) == {0}
    with pytest.raises(UserError, match="finds the number of kinds itself"):
        kinds_of(x, HDBSCAN(), 3)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_regions_have_a_kind_too(count):
    for clusterer in (Agglomerative(), Consensus(), HDBSCAN()):
        assert len(kinds_of(blobs([count])[0], clusterer)) == count


def test_a_crop_shows_the_region_and_stays_within_the_image():
    image, mask = np.full((60, 90, 3), 128, np.uint8), np.zeros((60, 90), dtype=bool)
    mask[50:60, 80:90] = True
    picture = crop(image, mask, Region.of(mask, mask.astype(float)))
    assert picture.shape[0] == picture.shape[1] <= 60
    assert (picture != 128).any() and (picture == 128).any()
    assert (image == 128).all()
    strip = np.ones((10, 80), dtype=bool)
    assert crop(np.zeros((10, 80, 3), np.uint8), strip, Region.of(strip, strip.astype(float))).shape == (10, 10, 3)
