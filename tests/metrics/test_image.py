"""AUROC, AP and F1max of images, against scikit-learn and a loop over every threshold."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from adcore.metrics import auroc, average_precision, f1max


def cases():
    rng = np.random.default_rng(0)
    for n in (2, 3, 5, 17, 200):
        for levels in (1, 2, 5, 1000):  # 1: all scores equal; few: many ties
            scores = rng.integers(0, levels, n) / levels
            labels = rng.integers(0, 2, n)
            labels[:2] = 0, 1
            yield scores, labels
            yield np.round(rng.normal(size=n) + labels, 1).astype(np.float32), labels.astype(bool)


@pytest.mark.parametrize(("scores", "labels"), list(cases()))
def test_equal_to_scikit_learn_ties_included(scores, labels):
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize(("scores", "labels"), list(cases()))
def test_f1max_is_the_best_of_every_threshold_and_applied_with_at_least(scores, labels):
    by_threshold = {float(t): f1_score(labels, scores >= t) for t in np.unique(scores)}
    f1, threshold = f1max(scores, labels)
    assert f1 == pytest.approx(max(by_threshold.values()), abs=1e-12)
    assert f1_score(labels, scores >= threshold) == pytest.approx(f1, abs=1e-12)
    assert threshold == max(t for t, value in by_threshold.items() if value == pytest.approx(f1, abs=1e-12))


def test_the_boundary_sample_counts_as_found():
    assert f1max([1.0, 2.0, 3.0], [0, 1, 1]) == (1.0, 2.0)


def test_of_equally_good_thresholds_the_highest_is_given():
    assert f1max([4.0, 3.0, 2.0, 1.0], [1, 0, 0, 1]) == (pytest.approx(2 / 3), 4.0)


def test_reversed_scores_mirror_auroc():
    rng = np.random.default_rng(1)
    scores, labels = rng.integers(0, 9, 50), rng.integers(0, 2, 50)
    assert auroc(-scores, labels) == pytest.approx(1 - auroc(scores, labels), abs=1e-12)


def test_only_the_order_of_scores_matters():
    rng = np.random.default_rng(2)
    scores, labels = rng.normal(size=40), rng.integers(0, 2, 40)
    shuffled = rng.permutation(40)
    for metric in (auroc, average_precision, lambda s, y: f1max(s, y)[0]):
        assert metric(np.exp(scores), labels) == metric(scores, labels) == metric(scores[shuffled], labels[shuffled])


def test_infinite_scores_have_a_rank():
    assert auroc([-math.inf, 0.0, math.inf], [0, 0, 1]) == 1.0


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_one_class_gives_nan(labels):
    scores = [0.1, 0.2, 0.3]
    assert math.isnan(auroc(scores, labels))
    assert math.isnan(average_precision(scores, labels))
    assert all(math.isnan(value) for value in f1max(scores, labels))


def test_no_image_at_all_gives_nan():
    assert math.isnan(auroc([], []))


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([0.1, math.nan], [0, 1], "NaN"),
        ([0.1, 0.2], [0, 255], "labels"),
        ([0.1, 0.2], ["good", "scratch"], "labels"),
        ([0.1, 0.2, 0.3], [0, 1], "shape"),
    ],
)
def test_bad_input_is_refused(scores, labels, message):
    for metric in (auroc, average_precision, f1max):
        with pytest.raises(ValueError, match=message):
            metric(scores, labels)
