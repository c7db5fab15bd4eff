import itertools

import pytest
import torch

from adcore.calibration import Calibration


def calibrated(n, rate):
    return Calibration.of([i / 10 for i in range(n)], [i / 5 for i in range(n)], rate)


def test_p_value_is_the_share_that_scores_as_high_itself_included():
    calibration = calibrated(9, 0.2)
    assert calibration.p_value(-1) == 1.0
    assert calibration.p_value(0.75) == pytest.approx(2 / 10)  # 0.8 is as high, and itself
    assert calibration.p_value(5) == pytest.approx(1 / 10)


@pytest.mark.parametrize(("n", "rate"), itertools.product([1, 2, 9, 19, 20, 99, 100], [0.01, 0.05, 0.1, 0.3]))
def test_threshold_and_p_value_make_the_same_decision(n, rate):
    calibration = calibrated(n, rate)
    for score in [*calibration.scores, -1.0, 0.05, n / 10, n * 2.0]:
        score = float(torch.tensor(score, dtype=torch.float32))
        single = Calibration.of([float(torch.tensor(s)) for s in calibration.scores], calibration.peaks, rate)
        assert (score >= single.threshold) == (single.p_value(score) <= single.supported_rate + 1e-12)


def test_false_alarms_keep_the_promise_over_many_draws(generator):
    """Exchangeable scores: at most the promised share of new normals reaches the threshold, on average over draws."""
    draws = torch.rand(4000, 40, generator=generator)
    alarms = [float(row[-1]) >= Calibration.of(row[:-1].tolist(), [0.0], 0.1).threshold for row in draws]
    assert sum(alarms) / len(alarms) == pytest.approx(0.1, abs=0.015)


def test_too_few_normals_support_only_a_higher_rate():
    assert calibrated(4, 0.01).supported_rate == pytest.approx(0.2)
    assert calibrated(99, 0.01).supported_rate == pytest.approx(0.01)
