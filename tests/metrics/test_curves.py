"""The ROC curve of the report, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from adcore.metrics import auroc
from adcore.metrics.curves import roc


def area(fpr, tpr):
    return float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1])) / 2)


@pytest.mark.parametrize("levels", [1, 4, 1000])
def test_corners_are_those_of_scikit_learn(levels):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    scores = rng.integers(0, levels, 60) + labels * levels // 4
    expected = roc_curve(labels, scores)
    fpr, tpr = roc(scores, labels)
    assert {(round(x, 9), round(y, 9)) for x, y in zip(fpr, tpr, strict=True)} <= {
        (round(x, 9), round(y, 9)) for x, y in zip(*expected[:2], strict=True)
    }
    assert area(fpr, tpr) == pytest.approx(auroc(scores, labels))


def test_large_sets_are_thinned_to_points_of_the_curve():
    rng = np.random.default_rng(1)
    labels = np.arange(5000) % 2
    scores = rng.normal(size=5000) + labels
    fpr, tpr = roc(scores, labels)
    assert fpr.size == tpr.size == 200
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()
    assert area(fpr, tpr) == pytest.approx(auroc(scores, labels), abs=1e-3)


def test_perfect_scores_keep_their_corner_however_many():
    labels = np.arange(1000) % 2
    fpr, tpr = roc(labels + np.linspace(0, 0.5, 1000), labels)
    assert (fpr.tolist(), tpr.tolist()) == ([0, 0, 1], [0, 1, 1])


def test_one_class_has_no_curve():
    fpr, tpr = roc([0.1, 0.2], [1, 1])
    assert fpr.size == tpr.size == 0
