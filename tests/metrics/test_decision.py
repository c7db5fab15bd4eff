"""Metrics of fixed decisions, against scikit-learn and scipy."""

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from sklearn.metrics import precision_score, recall_score

from adcore.metrics import decision_metrics
from adcore.metrics.decision import chance_of_alarms, clopper_pearson


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_references(seed):
    rng = np.random.default_rng(seed)
    labels, decisions = rng.random(40) < 0.4, rng.random(40) < 0.4
    got = decision_metrics(labels, decisions)
    interval = binomtest(int(decisions[~labels].sum()), int((~labels).sum())).proportion_ci(0.95, method="exact")
    assert got == {
        "decision.precision": pytest.approx(precision_score(labels, decisions)),
        "decision.recall": pytest.approx(recall_score(labels, decisions)),
        "decision.miss_rate": pytest.approx(1 - recall_score(labels, decisions)),
        "decision.false_alarm_rate": pytest.approx(decisions[~labels].mean()),
        "decision.false_alarm_low": pytest.approx(interval.low, abs=1e-9),
        "decision.false_alarm_high": pytest.approx(interval.high, abs=1e-9),
    }


@pytest.mark.parametrize("trials", [1, 2, 20, 500])
def test_interval_is_exact_at_every_count(trials):
    for events in {0, 1, trials // 2, trials - 1, trials}:
        expected = binomtest(events, trials).proportion_ci(0.95, method="exact")
        assert clopper_pearson(events, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_interval_covers_the_true_rate_as_often_as_it_says():
    rate, trials = 0.05, 30
    counts = np.random.default_rng(0).binomial(trials, rate, 2000)
    intervals = {k: clopper_pearson(k, trials) for k in map(int, np.unique(counts))}
    assert np.mean([intervals[int(k)][0] <= rate <= intervals[int(k)][1] for k in counts]) >= 0.95


@pytest.mark.parametrize(
    ("labels", "decisions", "undefined"),
    [
        ([0, 0, 1], [0, 0, 0], {"precision"}),
        ([0, 0, 0], [0, 1, 0], {"recall", "miss_rate"}),
        ([1, 1, 1], [0, 1, 0], {"false_alarm_rate", "false_alarm_low", "false_alarm_high"}),
    ],
)
def test_a_rate_of_nothing_is_nan(labels, decisions, undefined):
    got = decision_metrics(labels, decisions)
    assert {key for key, value in got.items() if math.isnan(value)} == {f"decision.{key}" for key in undefined}


@pytest.mark.parametrize("decisions", [["normal", "anomalous"], [0.2, 0.9], [0, 1, 1]])
def test_decisions_must_be_two_valued_and_one_per_image(decisions):
    with pytest.raises(ValueError, match="labels"):
        decision_metrics([0, 1], decisions)


def test_the_chance_of_alarms_is_that_of_conformal_thresholds_on_fresh_normals():
    """Simulated: thresholds set on n normals, alarms counted among others, over many draws."""
    draws = np.random.default_rng(0)
    alarms = np.zeros(20000, int)
    contexts = [(40, 19, 0.1), (25, 39, 0.05)]
    for judged, calibrated, rate in contexts:
        scores = np.sort(draws.random((len(alarms), calibrated)), axis=1)
        allowed = round(rate * (calibrated + 1)) - 1
        thresholds = scores[:, calibrated - 1 - allowed]
        alarms += (draws.random((len(alarms), judged)) > thresholds[:, None]).sum(1)
    for count in (0, 3, 6, 10, 15):
        assert chance_of_alarms(count, contexts) == pytest.approx(np.mean(alarms >= count), abs=0.012)


def test_the_chance_of_alarms_is_binomial_where_the_rate_is_known_exactly():
    assert chance_of_alarms(5, [(40, 10**6, 0.05)]) == pytest.approx(binom.sf(4, 40, 0.05), rel=1e-3)
    assert chance_of_alarms(0, []) == 1
