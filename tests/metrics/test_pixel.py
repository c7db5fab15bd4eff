"""Pixel metrics and AUPRO, against scikit-learn and a slow computation threshold by threshold."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from adcore.metrics import PixelMetrics
from adcore.metrics.aupro import aupro, region_weights
from adcore.metrics.ranking import Ranking


def gather(maps, masks):
    pixels = PixelMetrics()
    for scores, mask in zip(maps, masks, strict=True):
        pixels.add(scores, mask)
    return pixels


def regions_by_flood(mask):
    """8-connected components as lists of pixels, by walking."""
    left, regions = set(zip(*np.nonzero(mask), strict=True)), []
    while left:
        region, edge = [], [left.pop()]
        while edge:
            y, x = edge.pop()
            region.append((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge.extend(near)
        regions.append(tuple(np.array(region).T))
    return regions


def slow_aupro(maps, masks, limit):
    """The definition: every threshold, every region, the curve, cut at the limit, trapezoids."""
    regions = [(scores, region) for scores, mask in zip(maps, masks, strict=True) for region in regions_by_flood(mask)]
    normal = np.concatenate([scores[~mask] for scores, mask in zip(maps, masks, strict=True)])
    fpr, pro = [0.0], [0.0]
    for t in np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]:
        fpr.append(np.mean(normal >= t))
        pro.append(np.mean([np.mean(scores[region] >= t) for scores, region in regions]))
    area = 0.0
    for x0, x1, y0, y1 in zip(fpr, fpr[1:], pro, pro[1:], strict=False):
        if x0 >= limit or x1 == x0:
            continue
        end = min(x1, limit)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (end - x0) * (y0 + y_end) / 2
    return area / limit


def random_set(seed, levels):
    """Maps of different sizes, with regions of any size and a clean image; few levels mean many ties."""
    rng = np.random.default_rng(seed)
    maps, masks = [], []
    for height, width in ((12, 9), (7, 15), (1, 20), (10, 10)):
        mask = rng.random((height, width)) < 0.2
        maps.append(np.round((rng.random((height, width)) + mask * rng.random()) * levels).astype(np.float32))
        masks.append(mask)
    masks[-1][:] = False
    return maps, masks


@pytest.mark.parametrize("levels", [0, 1, 3, 20, 1e6])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_references(seed, levels):
    maps, masks = random_set(seed, levels)
    got = gather(maps, masks).compute()
    y, s = (np.concatenate([a.ravel() for a in arrays]) for arrays in (masks, maps))
    precision, recall, _ = precision_recall_curve(y, s)
    assert got == {
        "pixel.auroc": pytest.approx(roc_auc_score(y, s), abs=1e-9),
        "pixel.ap": pytest.approx(average_precision_score(y, s), abs=1e-9),
        "pixel.f1max": pytest.approx(np.max(2 * precision * recall / (precision + recall + 1e-12)), abs=1e-9),
        "pixel.aupro30": pytest.approx(slow_aupro(maps, masks, 0.3), abs=1e-9),
        "pixel.aupro05": pytest.approx(slow_aupro(maps, masks, 0.05), abs=1e-9),
    }


def test_many_pixels_stay_exact():
    rng = np.random.default_rng(5)
    mask = rng.random((1000, 1000)) < 0.03
    scores = (rng.normal(size=mask.shape) + mask).astype(np.float32)
    got = gather([scores], [mask]).compute()
    assert got["pixel.auroc"] == pytest.approx(roc_auc_score(mask.ravel(), scores.ravel()), abs=1e-9)
    assert got["pixel.ap"] == pytest.approx(average_precision_score(mask.ravel(), scores.ravel()), abs=1e-9)


def test_a_perfect_map_gets_exactly_one():
    _, masks = random_set(9, 10)  # regions of sizes whose weights do not add up exactly
    assert gather([m.astype(np.float32) for m in masks], masks).compute() == dict.fromkeys(
        ["pixel.auroc", "pixel.ap", "pixel.f1max", "pixel.aupro30", "pixel.aupro05"], 1.0
    )


def test_a_constant_map_gets_chance():
    mask = np.zeros((10, 10), bool)
    mask[2:4, 2:7] = True
    got = gather([np.full((10, 10), 0.7)], [mask]).compute()
    assert got["pixel.auroc"] == 0.5
    assert got["pixel.ap"] == pytest.approx(0.1)
    assert got["pixel.aupro30"] == pytest.approx(0.15)
    assert got["pixel.aupro05"] == pytest.approx(0.025)


def test_aupro_weighs_a_small_region_like_a_large_one():
    mask = np.zeros((20, 20), bool)
    mask[:10, :10] = True
    mask[15, 15] = True
    only_large = np.where(np.arange(20)[:, None] < 10, mask, False).astype(np.float32)
    only_small = mask - only_large
    large, small = (gather([scores], [mask]).compute() for scores in (only_large, only_small))
    assert large["pixel.auroc"] > 0.9 > 0.6 > small["pixel.auroc"]
    assert large["pixel.aupro30"] == pytest.approx(small["pixel.aupro30"])


def test_pixels_that_touch_at_a_corner_are_one_region():
    assert region_weights(np.eye(4, dtype=bool)).tolist() == [0.25] * 4


def test_false_alarms_in_clean_images_count():
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = True
    alone = gather([mask * 0.5], [mask]).compute()
    beside = gather([mask * 0.5, np.ones((4, 4))], [mask, np.zeros((4, 4), bool)]).compute()
    assert alone["pixel.auroc"] == alone["pixel.aupro30"] == 1.0
    assert beside["pixel.auroc"] < 1.0
    assert beside["pixel.aupro30"] == 0.0


def test_aupro_stops_inside_a_tie_that_crosses_the_limit():
    # 10 normal pixels, 5 of them tied with the whole defect: a ramp from (0, 0) to (0.5, 1), cut at 0.3.
    ranking = Ranking.of(np.full(2, 0.5), np.array([0.0] * 5 + [0.5] * 5))
    assert aupro(ranking, np.full(2, 0.5), limit=0.3) == pytest.approx(0.3)


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.1])
def test_a_limit_that_is_no_rate_is_refused(limit):
    with pytest.raises(ValueError, match="limit"):
        aupro(Ranking.of(np.ones(1), np.zeros(1)), np.ones(1), limit)


def test_the_order_of_images_does_not_matter():
    maps, masks = random_set(3, 1e6)
    there, back = gather(maps, masks).compute(), gather(maps[::-1], masks[::-1]).compute()
    assert there == pytest.approx(back, abs=1e-12)


def test_compute_may_be_asked_again_and_between():
    maps, masks = random_set(4, 20)
    pixels = gather(maps[:2], masks[:2])
    first = pixels.compute()
    assert pixels.compute() == first
    pixels.add(maps[2], masks[2])
    assert pixels.compute() == pytest.approx(gather(maps[:3], masks[:3]).compute(), abs=1e-12)


def test_maps_may_be_reused_by_the_caller():
    scores, mask = np.array([[0.1, 0.9, 0.2]], np.float32), np.array([[False, True, False]])
    pixels = gather([scores], [mask])
    scores[:], mask[:] = 0, False
    assert pixels.compute()["pixel.auroc"] == 1.0


@pytest.mark.parametrize("masks", [[], [np.zeros((3, 3), bool)], [np.ones((3, 3), bool)]])
def test_one_class_gives_nan(masks):
    got = gather([np.ones((3, 3))] * len(masks), masks).compute()
    assert len(got) == 5
    assert all(math.isnan(value) for value in got.values())


@pytest.mark.parametrize(
    ("scores", "mask", "message"),
    [
        (np.full((2, 2), np.nan), np.zeros((2, 2), bool), "NaN"),
        (np.zeros((2, 2)), np.zeros((2, 3), bool), "shape"),
        (np.zeros((2, 2)), np.full((2, 2), 255), "labels"),
        (np.zeros((1, 2, 2)), np.zeros((1, 2, 2), bool), r"\[H, W\]"),
    ],
)
def test_bad_input_is_refused_and_leaves_no_trace(scores, mask, message):
    pixels = PixelMetrics()
    with pytest.raises(ValueError, match=message):
        pixels.add(scores, mask)
    assert math.isnan(pixels.compute()["pixel.auroc"])
