"""F1 and IoU of binary segmentations, against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from adcore.metrics import iou, macro_f1, pixel_f1, segmentation_metrics

EMPTY, FULL = np.zeros((4, 5), bool), np.ones((4, 5), bool)


def random_pairs(seed, n=6):
    rng = np.random.default_rng(seed)
    return [(rng.random((h, 7)) < 0.4, rng.random((h, 7)) < 0.3) for h in range(3, 3 + n)]


@pytest.mark.parametrize("prediction,mask", random_pairs(0))
def test_equal_to_scikit_learn(prediction, mask):
    y, called = mask.ravel(), prediction.ravel()
    assert pixel_f1(prediction, mask) == pytest.approx(f1_score(y, called))
    assert macro_f1(prediction, mask) == pytest.approx(f1_score(y, called, average="macro"))
    assert iou(prediction, mask) == pytest.approx(jaccard_score(y, called))


def test_a_clean_image_left_alone_is_perfect_and_one_called_defective_is_nothing():
    for metric in (pixel_f1, iou, macro_f1):
        assert metric(EMPTY, EMPTY) == 1.0
        assert metric(FULL, EMPTY) == 0.0
        assert metric(EMPTY, FULL) == 0.0
        assert metric(FULL, FULL) == 1.0


def test_predicting_nothing_flatters_only_the_published_macro_f1():
    mask = EMPTY.copy()
    mask[0, 0] = True
    assert pixel_f1(EMPTY, mask) == 0.0
    assert 0.4 < macro_f1(EMPTY, mask) < 0.5


def test_f1_and_iou_agree():
    for prediction, mask in random_pairs(1):
        overlap = iou(prediction, mask)
        assert pixel_f1(prediction, mask) == pytest.approx(2 * overlap / (1 + overlap))


def test_every_image_weighs_the_same():
    small, large = np.ones((1, 1), bool), np.ones((50, 50), bool)
    got = segmentation_metrics([(small, small), (~large, large)])
    assert got["pixel.f1"] == got["pixel.iou"] == 0.5


def test_means_over_images():
    pairs = random_pairs(2)
    got = segmentation_metrics(iter(pairs))
    expected = [np.mean([metric(p, m) for p, m in pairs]) for metric in (pixel_f1, macro_f1, iou)]
    assert list(got.values()) == pytest.approx(expected)


def test_no_images_is_nan():
    assert all(math.isnan(value) for value in segmentation_metrics([]).values())


def test_shapes_must_agree_and_values_be_two():
    with pytest.raises(ValueError, match="shape"):
        iou(EMPTY, np.zeros((5, 4), bool))
    with pytest.raises(ValueError, match="labels"):
        pixel_f1(EMPTY, np.full((4, 5), 0.5))
