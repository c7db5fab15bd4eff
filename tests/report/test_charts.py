"""Charts show the numbers that they claim to show."""

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from sklearn.metrics import auc, roc_auc_score, roc_curve

from adcore.report.charts import Axis, histogram, lines, roc, roc_points


@pytest.fixture
def scored():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    return np.round(rng.normal(labels, 1.0), 1), labels  # rounded: many ties


def test_the_curve_is_scikit_learns(scored):
    scores, labels = scored
    false_rate, true_rate = roc_points(scores, labels.astype(bool))
    expected_false, expected_true, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert auc(false_rate, true_rate) == pytest.approx(roc_auc_score(labels, scores))
    assert np.interp(0.31, false_rate, true_rate) == pytest.approx(np.interp(0.31, expected_false, expected_true))
    assert len(false_rate) < len(expected_false)  # corners only


def test_one_class_has_no_curve():
    assert roc([0.1, 0.2], [0, 0], 0.5, None) is None
    assert roc([0.1, 0.2], [1, 1], 0.5, None) is None


def test_the_operating_point_counts_scores_at_the_threshold_as_anomalous():
    chart = ET.fromstring(roc([0.1, 0.5, 0.5, 0.9], [0, 0, 1, 1], 0.5, 0.875))
    point = chart.find("circle")
    x, y = float(point.get("cx")), float(point.get("cy"))
    middle = (Axis(0, 1, 48, 360)(0.5), Axis(0, 1, 210, 14)(1.0))  # half the good ones, all defective ones
    assert (x, y) == pytest.approx(middle, abs=1)
    assert "AUROC 0.875" in chart.get("aria-label") and "100\u202f% found" in chart.get("aria-label")


def bars(svg, kind):
    found = [bar for bar in ET.fromstring(svg).findall("rect") if kind in bar.get("class").split()]
    return [{key: float(bar.get(key)) for key in ("x", "y", "width", "height")} for bar in found]


def test_bar_heights_are_counts_and_no_bar_straddles_the_threshold(scored):
    scores, labels = scored
    svg = histogram(scores, labels, 0.5)
    normal, anomalous = bars(svg, "normal"), bars(svg, "anomalous")
    total = sum(bar["height"] for bar in normal) / sum(bar["height"] for bar in anomalous)
    assert total == pytest.approx((labels == 0).sum() / (labels == 1).sum(), rel=0.02)
    at = float(re.search(r'class="threshold" d="M([\d.]+)', svg).group(1))
    assert all(bar["x"] + bar["width"] <= at or bar["x"] >= at for bar in [*normal, *anomalous])
    right = sum(bar["height"] for bar in normal if bar["x"] >= at) / sum(bar["height"] for bar in normal)
    assert right == pytest.approx((scores[labels == 0] >= 0.5).mean(), abs=0.02)


@pytest.mark.parametrize("threshold", [0.5, math.inf, math.nan, -3.0, 1e6])
@pytest.mark.parametrize("scores", [[0.3], [0.3, 0.3], [0.0, 1e6, 0.001], [1e-9, 1e3, 0.5], [-5.0, 5.0, 2.0]])
def test_odd_scores_and_thresholds_still_give_a_chart_inside_its_frame(scores, threshold):
    svg = histogram(scores, [0, 1, 0][: len(scores)], threshold)
    for bar in [*bars(svg, "normal"), *bars(svg, "anomalous")]:
        assert 30 <= bar["x"] <= 380 and 0 <= bar["y"] <= 250
    assert "nan" not in svg and "inf" not in svg


@pytest.mark.parametrize("low, high", [(0, 1), (0.2, 0.9), (-7, 1300), (0, 1e-5)])
def test_ticks_are_round_and_inside(low, high):
    ticks = Axis(low, high, 0, 100).ticks()
    assert 2 <= len(ticks) <= 8 and ticks[0] >= low - 1e-12 and ticks[-1] <= high * (1 + 1e-9)
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0])
    assert f"{steps[0] / 10 ** math.floor(math.log10(steps[0])):.3g}" in ("1", "2", "2.5", "5", "10")


def test_training_lines_name_themselves_without_touching():
    svg = lines("loss", {"a": [(1, 0.5), (2, 0.4)], "b": [(1, 0.6), (2, 0.4)], "<c>": [(1, 0.1), (2, 0.41)]})
    labels = [text for text in ET.fromstring(svg).findall("text") if "label" in text.get("class").split()]
    heights = sorted(float(text.get("y")) for text in labels)
    assert [text.text for text in labels] == ["a", "b", "<c>"]
    assert min(np.diff(heights)) >= 13.9


def test_a_single_epoch_is_drawn_as_a_point():
    assert ET.fromstring(lines("loss", {"a": [(1, 0.5)]}, unit=True)).findall("circle")
