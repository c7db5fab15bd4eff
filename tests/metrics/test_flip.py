"""Flip accuracy: images that must be judged right in every context."""

import math

import numpy as np
import pytest

from adcore.metrics import Verdict, flip_accuracy, flip_metrics


def test_a_model_blind_to_the_context_fails_where_labels_differ():
    images = [(f"{i}.png", i < 5) for i in range(10)]  # the first five are a defect on line_b only
    records = [
        Verdict(path, line, marked and line == "line_b", False)
        for path, marked in images
        for line in ("line_a", "line_b")
    ]
    assert flip_metrics(records) == {"context.flip_accuracy": 0.5, "context.flip_accuracy_differing": 0.0}


def test_right_in_all_contexts_or_not_at_all():
    records = [("x", "a", 0, 0), ("x", "b", 1, 1), ("x", "c", 0, 1)]
    assert flip_accuracy(records[:2]) == 1.0
    assert flip_accuracy(records) == 0.0


def test_images_of_one_context_do_not_count():
    shared = [("x", "a", 0, 0), ("x", "b", 1, 1)]
    alone = [("y", "a", 0, 1), ("z", "b", 1, 0)]
    assert flip_accuracy(shared + alone) == 1.0
    assert math.isnan(flip_accuracy(alone))


def test_no_differing_image_is_nan_only_there():
    got = flip_metrics([("x", "a", 1, 1), ("x", "b", 1, 1)])
    assert got["context.flip_accuracy"] == 1.0
    assert math.isnan(got["context.flip_accuracy_differing"])


def test_no_records():
    assert math.isnan(flip_accuracy([]))


def test_both_shares_come_from_an_iterator_too():
    assert flip_metrics(iter([("x", "a", 0, 0), ("x", "b", 1, 1)]))["context.flip_accuracy_differing"] == 1.0


def test_equal_to_a_count_in_tables():
    rng = np.random.default_rng(0)
    labels, decisions, seen = rng.random((60, 3)) < 0.5, rng.random((60, 3)) < 0.5, rng.random((60, 3)) < 0.7
    decisions = np.where(rng.random((60, 3)) < 0.7, labels, decisions)
    records = [
        (str(i), str(c), bool(labels[i, c]), bool(decisions[i, c])) for c in range(3) for i in range(60) if seen[i, c]
    ]
    shared = seen.sum(1) >= 2
    right = ((labels == decisions) | ~seen).all(1)
    ones = (labels & seen).sum(1)
    differing = shared & (ones > 0) & (ones < seen.sum(1))
    assert flip_accuracy(records) == pytest.approx(right[shared].mean())
    assert flip_accuracy(records, differing=True) == pytest.approx(right[differing].mean())


def test_ambiguous_records_are_refused():
    with pytest.raises(ValueError, match="twice"):
        flip_accuracy([("x", "a", 0, 0), ("x", "a", 0, 1)])
    with pytest.raises(ValueError, match="labels"):
        flip_accuracy([("x", "a", 0, "normal")])
