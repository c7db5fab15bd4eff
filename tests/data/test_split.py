import warnings

import pytest

from adcore.data.samples import Sample
from adcore.data.split import split_normals
from adcore.errors import AdcoreWarning, UserError
from adcore.settings import ContextSettings


def normals(count):
    return [Sample(f"part/train/good/{i:03}.png", "part", "train") for i in range(count)]


def sizes(count, trained, **settings):
    split = split_normals(normals(count), ContextSettings(**settings), trained)
    return len(split.references), len(split.training), len(split.calibration), len(split.validation)


@pytest.mark.parametrize("count", [4, 5, 9, 100])
@pytest.mark.parametrize("trained", [True, False])
def test_every_image_has_one_use(count, trained):
    split = split_normals(normals(count), ContextSettings(), trained)
    used = [*split.references, *split.training, *split.validation, *split.calibration, *split.spare]
    assert sorted(used, key=lambda sample: sample.path) == normals(count)
    if trained:
        assert not split.spare
    else:
        assert not split.training and not split.validation


@pytest.mark.parametrize("trained", [True, False])
def test_chosen_references_take_the_place_of_those_drawn(trained):
    split = split_normals(normals(40), ContextSettings(), trained)
    candidates = split.candidates
    assert len(candidates) == 40 - len(split.validation) - len(split.calibration)
    chosen = split.with_references([candidates[place] for place in (9, 0, 5, 2)])
    assert chosen.references == [candidates[place] for place in (9, 0, 5, 2)]
    assert (chosen.validation, chosen.calibration) == (split.validation, split.calibration)
    assert chosen.candidates == candidates
    assert [len(chosen.training), len(chosen.spare)] == [len(split.training), len(split.spare)]


def test_shares_are_of_what_the_references_leave():
    assert sizes(104, True, shots=4, calibration=0.5, validation=0.15) == (4, 35, 50, 15)
    assert sizes(104, False, shots=4, calibration=0.5, validation=0.15) == (4, 0, 50, 0)


def test_numbers_are_numbers():
    assert sizes(60, True, shots=8, calibration=20, validation=5) == (8, 27, 20, 5)
    assert sizes(60, True, shots=8, calibration=0, validation=0) == (8, 52, 0, 0)
    assert sizes(60, True, shots=8, calibration=1, validation=1) == (8, 50, 1, 1)


@pytest.mark.parametrize(
    ("left", "expected"),
    [(0, (0, 0, 0)), (1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (1, 2, 1)), (5, (1, 3, 1))],
)
def test_few_normals_go_where_they_matter_most(left, expected):
    assert sizes(2 + left, True, shots=2, calibration=0.5, validation=0.15) == (2, *expected)


@pytest.mark.parametrize(("left", "expected"), [(0, 0), (1, 1), (2, 1), (3, 2), (5, 3)])
def test_few_normals_without_training(left, expected):
    assert sizes(1 + left, False, shots=1, calibration=0.5) == (1, 0, expected, 0)


def test_references_depend_on_seed_and_files_alone():
    images = normals(30)
    references = split_normals(images, ContextSettings(shots=4, seed=3), True).references
    for settings, trained, order in (
        (ContextSettings(shots=4, seed=3, calibration=7, validation=0), False, images),
        (ContextSettings(shots=4, seed=3), True, images[::-1]),
        (ContextSettings(shots=9, seed=3), True, images),
    ):
        assert split_normals(order, settings, trained).references[:4] == references
    assert split_normals(images, ContextSettings(shots=4, seed=4), True).references != references
    assert references != images[:4]


def test_shots_may_be_a_share_of_all_normals():
    assert sizes(10, True, shots=0.6, calibration=2, validation=1) == (6, 1, 2, 1)
    assert sizes(3, False, shots=0.1, calibration=0) == sizes(3, False, shots=1, calibration=0)


def test_wanted_numbers_that_cannot_be_had_are_told():
    with pytest.warns(AdcoreWarning, match="'part': 4 normals for calibration, not the 50 asked for"):
        assert sizes(10, True, shots=4, calibration=50, validation=0.1) == (4, 1, 4, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sizes(5, True, shots=4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shots": 11}, r"context.shots: 11 is more than the 10 normals of category 'part'"),
        ({"shots": 0}, "at least 1"),
        ({"shots": 1.5}, "context.shots: 1.5 is neither a share below 1 nor a whole number"),
        ({"calibration": -0.1}, "context.calibration: -0.1"),
        ({"calibration": 2.5}, "context.calibration: 2.5"),
        ({"validation": float("nan")}, "context.validation: nan"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        sizes(10, True, **settings)
