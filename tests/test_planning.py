"""What a run will do: every image for one use, and weaker promises said in plain words."""

from __future__ import annotations

import itertools

import pytest

from adcore.data.samples import Sample
from adcore.errors import AdcoreWarning, UserError
from adcore.interfaces import Dataset
from adcore.planning import plan, plan_notes
from adcore.settings import ContextSettings


class Listed(Dataset):
    """Samples of categories: how many normals, training anomalies and test images of each."""

    def __init__(self, **categories):
        self.categories = categories

    def samples(self):
        return [
            Sample(f"{category}/{split}/{defect}/{index}.png", category, split, defect)
            for category, counts in self.categories.items()
            for (split, defect), count in zip(
                (("train", "good"), ("train", "dent"), ("test", "good"), ("test", "dent")), counts, strict=True
            )
            for index in range(count)
        ]

    def image(self, sample):
        raise AssertionError("a plan decodes nothing")

    mask = image


def settings(**changes):
    return ContextSettings(**changes)


@pytest.mark.parametrize(("trained", "normals"), itertools.product([False, True], [5, 6, 7, 12, 40]))
def test_every_normal_is_used_once(trained, normals):
    part = plan(Listed(a=(normals, 3, 3, 3)), settings(), trained)["a"]
    split = part.split
    shares = [split.references, split.training, split.validation, split.calibration]
    paths = [sample.path for share in shares for sample in share]
    assert len(paths) == len(set(paths)) == len(part.normals)
    assert len(split.references) == 4
    assert bool(split.training) == trained
    if trained:
        assert len(paths) == normals
    assert not {sample.path for sample in part.tests} & set(paths)
    assert all(not sample.label and sample.split == "train" for sample in part.normals)
    assert [sample.path for sample in part.anomalous] == [f"a/train/dent/{index}.png" for index in range(3)]
    assert [sample.label for sample in part.tests] == [0] * 3 + [1] * 3


def test_categories_are_planned_apart():
    plans = plan(Listed(a=(9, 0, 1, 1), b=(30, 0, 0, 0)), settings(shots=2, calibration=3), trained=True)
    assert list(plans) == ["a", "b"]
    for category, part in plans.items():
        assert {sample.category for sample in [*part.normals, *part.tests]} <= {category}
        assert len(part.split.references) == 2 and len(part.split.calibration) == 3


def test_what_cannot_be_planned_is_said():
    with pytest.raises(UserError, match=r"context\.shots: 4 is more than the 3 normals of category 'b'"):
        plan(Listed(a=(9, 0, 0, 0), b=(3, 0, 0, 0)), settings(), trained=False)
    with pytest.raises(UserError, match="category 'a': no normal image is left to train on after 4 references; lower"):
        plan(Listed(a=(4, 0, 0, 0)), settings(), trained=True)
    assert plan(Listed(a=(4, 0, 0, 0)), settings(), trained=False)
    with pytest.raises(UserError, match="data: Listed lists no image"):
        plan(Listed(), settings(), trained=False)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 5.0, float("nan")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(UserError, match=r"context\.false_alarm_rate: .* must lie between 0 and 1"):
        plan(Listed(a=(9, 0, 0, 0)), settings(false_alarm_rate=rate), trained=False)


@pytest.mark.parametrize(
    ("rate", "calibration", "needed"),
    [(0.05, 18, 19), (0.05, 19, None), (0.01, 98, 99), (0.01, 99, None), (0.1, 8, 9), (0.1, 9, None), (0.3, 2, 3)],
)
def test_the_normals_that_a_rate_needs(rate, calibration, needed):
    """The smallest p-value of n normals is 1 / (n + 1)."""
    chosen = settings(shots=1, calibration=calibration, false_alarm_rate=rate)
    notes = plan_notes(plan(Listed(a=(1 + calibration, 0, 1, 0)), chosen, trained=False), chosen)["a"]
    if needed is None:
        assert notes == []
    else:
        assert len(notes) == 1
        assert f"a false-alarm rate of {rate:.3g} needs {needed} calibration normals, there are" in notes[0]
        assert f"smallest supported rate, {1 / (calibration + 1):.3g}" in notes[0]


def test_notes_on_missing_calibration_and_tests():
    chosen = settings(shots=4, calibration=0, false_alarm_rate=0.2)
    notes = plan_notes(plan(Listed(a=(9, 0, 0, 0)), chosen, trained=False), chosen)["a"]
    assert len(notes) == 2
    assert "no normals left for calibration; thresholds come from the 4 references by leave-one-out" in notes[0]
    assert notes[1] == "no test images; nothing is evaluated"


def test_fewer_held_out_normals_than_asked_for_are_a_warning():
    with pytest.warns(AdcoreWarning, match="category 'a': 5 normals for calibration, not the 20 asked for"):
        plan(Listed(a=(9, 0, 0, 0)), settings(calibration=20), trained=False)


@pytest.mark.parametrize(("normals", "shots", "expected"), [(30, 8, 8), (12, 8, 6), (1, 8, 1), (30, 0.2, 6)])
def test_representative_references_are_half_of_the_normals_at_most(normals, shots, expected):
    chosen = settings(shots=shots)
    plans = plan(Listed(a=(normals, 0, 1, 0)), chosen, trained=False, reference="representative")
    assert len(plans["a"].references) == expected
    told = [note for note in plan_notes(plans, chosen)["a"] if "half of the normals" in note]
    assert len(told) == (expected < shots)
    if told:
        assert told[0] == f"{expected} references, half of the normals, and not the {shots} asked for"
