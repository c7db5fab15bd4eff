"""Which images a reader sees: the wrong, the doubtful and the clear ones, from bounded memory."""

import numpy as np
import pytest

from adcore.data.samples import Sample
from adcore.prediction import Prediction, TestResult
from adcore.report.case import Case
from adcore.report.gallery import CategoryGallery, MapScale

THRESHOLD = 0.5


def result(score, defect="good", size=(16, 16), mask="empty", map_=None, path=None):
    map_ = np.zeros(size, dtype=np.float32) if map_ is None else map_
    return TestResult(
        Sample(path or f"{defect}/{score:.4f}.png", "part", "test", defect),
        np.full((*map_.shape, 3), 100, dtype=np.uint8),
        np.zeros(map_.shape, dtype=bool) if isinstance(mask, str) else mask,
        Prediction("part", score, 0.1, "anomalous" if score >= THRESHOLD else "normal", THRESHOLD, map_, map_ >= 0.8),
    )


def filled(results, size):
    gallery = CategoryGallery(size)
    for each in results:
        gallery.add(each)
    return gallery


def paths(cases):
    return [case.sample.path for case in cases]


def test_lists_are_what_sorting_everything_would_give():
    rng = np.random.default_rng(0)
    results = [result(s, d) for s, d in zip(rng.random(200), rng.choice(["good", "scratch"], 200), strict=True)]
    gallery = filled(results, 8)

    def margin(r):
        return (r.prediction.score - THRESHOLD) * (1 if r.sample.label else -1)

    wrong = sorted((r for r in results if margin(r) < 0), key=margin)[:4]
    rest = [r for r in results if r not in wrong]
    doubtful = sorted(rest, key=lambda r: abs(margin(r)))[:2]
    clear = sorted(rest, key=margin)[-1:-3:-1]
    expected = {"wrong": wrong, "doubtful": doubtful, "clear": clear}
    picked = gallery.picked()
    assert {k: paths(v) for k, v in picked.items()} == {k: [r.sample.path for r in v] for k, v in expected.items()}
    assert gallery.scores == [r.prediction.score for r in results]


def test_the_order_of_arrival_does_not_matter():
    results = [result(score, "dent") for score in np.linspace(0, 1, 41)]
    forwards, backwards = filled(results, 6).picked(), filled(results[::-1], 6).picked()
    assert {k: paths(v) for k, v in forwards.items()} == {k: paths(v) for k, v in backwards.items()}


def test_no_image_is_shown_twice_and_few_images_are_no_problem():
    picked = filled([result(0.1), result(0.9, "dent")], 8).picked()
    shown = [case for cases in picked.values() for case in cases]
    assert picked["wrong"] == [] and len(shown) == 2
    assert filled([], 8).picked() == {"wrong": [], "doubtful": [], "clear": []}
    assert filled([result(0.1), result(0.7)], 0).picked() == {"wrong": [], "doubtful": [], "clear": []}


def test_memory_is_bounded_however_many_images_come(monkeypatch):
    kept = []
    monkeypatch.setattr(Case, "of", classmethod(lambda cls, r: kept.append(r) or r))
    gallery = filled([result(score) for score in np.linspace(0.4, 0.0, 500)], 3)
    lists = [gallery._worst, gallery._doubtful, gallery._best]
    assert all(len(each) == 3 for each in lists)


def test_outcomes_and_defects_are_counted():
    gallery = filled([result(0.1), result(0.6), result(0.6, "dent"), result(0.2, "dent"), result(0.7, "crack")], 4)
    assert gallery.outcomes == {"passed": 1, "false alarm": 1, "found": 2, "missed": 1}
    assert gallery.defects == {"dent": (1, 2), "crack": (1, 1)}


@pytest.mark.parametrize("size", [(20, 900), (900, 60), (512, 512), (8, 8)])
def test_thumbnails_keep_the_shape_and_the_smallest_defect(size):
    truth = np.zeros(size, dtype=bool)
    truth[5, 7] = True
    case = Case.of(result(0.2, "dent", size, mask=truth))
    image, mask, laid_over = case.pictures((0.0, 1.0))
    assert image.size == mask.size == laid_over.size
    assert image.width * image.height <= 1.05 * 240 * 240
    assert image.width / image.height == pytest.approx(size[1] / size[0], rel=0.05)
    assert np.asarray(mask).any()


def test_a_missing_mask_stays_missing():
    assert Case.of(result(0.2, "dent", mask=None)).pictures((0, 1))[1] is None


def test_heat_is_where_the_map_is_high():
    map_ = np.zeros((64, 64), dtype=np.float32)
    map_[40:50, 10:20] = 1
    image, _, laid_over = Case.of(result(0.9, "dent", map_=map_)).pictures((0, 1))
    changed = np.abs(np.asarray(laid_over).astype(int) - np.asarray(image)).sum(-1) > 60
    rows, columns = np.nonzero(changed)
    assert rows.min() >= 38 and rows.max() <= 51 and columns.min() >= 8 and columns.max() <= 21


def test_one_scale_for_a_category_with_the_threshold_in_its_middle():
    scale = MapScale()
    for high in (0.7, 0.9, 3.0):
        map_ = np.full((8, 8), 0.2, dtype=np.float32)
        map_[0, 0] = high
        scale.add(result(high, map_=map_).prediction)  # masked from 0.8 on
    low, high = scale.limits()
    assert low == pytest.approx(0.2) and (low + high) / 2 == pytest.approx(0.9)
    low, high = scale.limits(pixel_threshold=0.8)
    assert (low + high) / 2 == pytest.approx(0.8)
