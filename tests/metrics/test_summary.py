"""From categories to metrics.json."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from adcore.metrics import PixelMetrics, category_metrics, jsonable, summarise


def test_a_category_has_the_keys_of_the_run_folder():
    rng = np.random.default_rng(0)
    labels, scores = np.arange(20) % 2, rng.random(20)
    pixels = PixelMetrics()
    pixels.add(rng.random((5, 5)), np.eye(5, dtype=bool))
    got = category_metrics(scores, labels, scores >= 0.5, pixels)
    assert {"pixel.auroc", "pixel.ap", "pixel.f1max", "pixel.aupro30", "pixel.aupro05", "image.f1max"} <= set(got)
    assert {"decision.precision", "decision.recall", "decision.false_alarm_rate", "decision.false_alarm_high"} <= set(
        got
    )
    assert got["image.auroc"] == pytest.approx(roc_auc_score(labels, scores))
    assert got["image.ap"] == pytest.approx(average_precision_score(labels, scores))
    assert (got["image.count"], got["image.normal"], got["image.anomalous"]) == (20, 10, 10)


def test_what_was_not_measured_is_left_out():
    got = category_metrics([0.1, 0.2], [0, 1])
    assert not [key for key in got if key.startswith(("pixel.", "decision."))]


def test_a_category_without_defects_is_still_a_category():
    got = category_metrics([0.1, 0.2], [0, 0], [0, 1], PixelMetrics())
    assert math.isnan(got["image.auroc"]) and math.isnan(got["pixel.ap"])
    assert got["decision.false_alarm_rate"] == 0.5
    assert json.loads(json.dumps(jsonable(got)))["image.auroc"] is None


def test_mean_and_worst():
    summary = summarise(
        {
            "bolt": {"image.auroc": 0.9, "decision.false_alarm_rate": 0.1, "decision.miss_rate": 0.3},
            "nut": {"image.auroc": 0.7, "decision.false_alarm_rate": 0.2, "decision.miss_rate": 0.1},
        }
    )
    assert summary["mean"]["image.auroc"] == pytest.approx(0.8)
    assert summary["worst"] == {
        "image.auroc": {"value": 0.7, "category": "nut"},
        "decision.false_alarm_rate": {"value": 0.2, "category": "nut"},
        "decision.miss_rate": {"value": 0.3, "category": "bolt"},
    }


def test_undefined_values_are_passed_over():
    summary = summarise({"a": {"x": math.nan, "y": math.nan}, "b": {"x": 0.5, "y": math.nan}, "c": {}})
    assert summary["mean"]["x"] == 0.5
    assert summary["worst"]["x"] == {"value": 0.5, "category": "b"}
    assert math.isnan(summary["mean"]["y"]) and math.isnan(summary["worst"]["y"]["value"])
    assert summary["worst"]["y"]["category"] is None


def test_counts_and_interval_ends_are_not_averaged():
    metrics = category_metrics([0.1, 0.9], [0, 1], [0, 1])
    mean = summarise({"a": metrics, "b": metrics})["mean"]
    assert not {"image.count", "decision.false_alarm_low", "decision.false_alarm_high"} & set(mean)
    assert mean["decision.recall"] == 1.0


def test_the_order_of_categories_changes_nothing():
    rng = np.random.default_rng(0)
    categories = {name: {"image.auroc": float(value)} for name, value in zip("abcdef", rng.random(6), strict=True)}
    categories["g"] = min(categories.values(), key=lambda metrics: metrics["image.auroc"])  # two are worst
    backwards = dict(reversed(categories.items()))
    assert json.dumps(jsonable(summarise(categories))) == json.dumps(jsonable(summarise(backwards)))


def test_no_categories():
    assert summarise({}) == {"mean": {}, "worst": {}}


def test_jsonable_is_strict_json():
    value = {
        "nan": math.nan,
        "inf": np.float32(np.inf),
        "n": np.int64(3),
        "list": (0.12345678, True, None),
        "zero": -1e-9,
    }
    text = json.dumps(jsonable(value), allow_nan=False)
    assert text == '{"inf": null, "list": [0.123457, true, null], "n": 3, "nan": null, "zero": 0.0}'
    assert jsonable(np.array([[1.5, np.nan]])) == [[1.5, None]]


def test_jsonable_refuses_what_has_no_plain_form():
    with pytest.raises(TypeError, match="set"):
        jsonable({"a": {1, 2}})


def test_metrics_do_not_import_torch():
    code = "import sys, adcore.metrics; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
