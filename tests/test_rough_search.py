"""Candidates of reduced precision hold the nearest row."""

import gc

import pytest
import torch
from processor import needs_integers

from adcore import rough_search as module
from adcore.rough_search import CANDIDATES, CHUNK, FloatSearch, IntegerSearch, rough_search

SEARCHES = [
    pytest.param(IntegerSearch, marks=needs_integers),
    pytest.param(lambda bank: FloatSearch(bank, torch.bfloat16), id="bfloat16"),
]


@pytest.fixture
def data(generator):
    """Points and a bank of six dimensions, mixed into 24, far from the origin."""
    mixing = torch.randn(6, 24, generator=generator)
    return tuple(torch.randn(count, 6, generator=generator) @ mixing + 5 for count in (CHUNK + 10, 1300))


def share_found(named, nearest):
    """Of points, the share whose nearest row is named."""
    return len(named.points[named.rows == nearest[named.points]].unique()) / len(nearest)


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("size", [1, 5, 203, 1300])
def test_the_nearest_row_is_among_the_candidates(data, search, size):
    points, bank = data[0], data[1][:size]
    named = search(bank).candidates(points)
    assert len(named.points) == len(named.rows)
    assert 1 <= named.points.bincount(minlength=len(points)).min() <= named.points.bincount().max() <= CANDIDATES
    assert named.rows.min() >= 0 and named.rows.max() < size
    assert share_found(named, torch.cdist(points.double(), bank.double()).argmin(1)) > 0.97


@pytest.mark.parametrize("search", SEARCHES)
def test_excluded_rows_are_not_named_while_there_are_others(data, search):
    bank = data[1]
    near = torch.cdist(bank, bank) < 4
    expected = torch.cdist(bank.double(), bank.double()).masked_fill(near, torch.inf).argmin(1)
    assert share_found(search(bank).candidates(bank, near), expected) > 0.95


@pytest.mark.parametrize("search", SEARCHES)
def test_columns_of_another_range_do_not_spoil_the_others(data, search, generator):
    """As places in the image beside features of unit norm: rounded in the same steps these would all be zero."""
    points, bank = (torch.cat([rows, 3000 * torch.randint(2, (len(rows), 1), generator=generator)], 1) for rows in data)
    nearest = torch.cdist(points.double(), bank.double()).argmin(1)
    assert share_found(search(bank).candidates(points), nearest) > 0.97


@needs_integers
def test_candidates_do_not_depend_on_how_points_are_split(data, monkeypatch):
    points, bank = data
    whole = sorted(zip(*(found.tolist() for found in IntegerSearch(bank).candidates(points)), strict=True))
    monkeypatch.setattr(module, "CHUNK", 100)
    parts = sorted(zip(*(found.tolist() for found in IntegerSearch(bank).candidates(points)), strict=True))
    assert parts == whole


@needs_integers
@pytest.mark.parametrize("bank", [torch.zeros(4000, 3), torch.full((4000, 3), 7.0)])
def test_of_rows_that_are_all_the_same_few_are_named(bank):
    points, rows = IntegerSearch(bank).candidates(torch.ones(5, 3))
    assert points.bincount().tolist() == [CANDIDATES] * 5 and rows.max() < 4000


@needs_integers
def test_of_many_rows_in_doubt_the_best_are_named(data, generator):
    """As of an even background: hundreds of rows all but the same, and others that are far."""
    points, bank = data[0][:50], data[1]
    crowd = points[0] + 1e-3 * torch.randn(3000, points.shape[1], generator=generator)
    named = IntegerSearch(torch.cat([bank, crowd])).candidates(points)
    counts = named.points.bincount()
    assert counts[0] == CANDIDATES and named.rows[named.points == 0].min() >= len(bank)
    assert counts[1:].float().mean() < 4  # what one point has in doubt is no other's


@needs_integers
@pytest.mark.parametrize("offset", [0.0, 5.0, 1e4])
def test_points_that_are_all_but_the_same_find_a_row(generator, offset):
    points = offset + 1e-6 * torch.rand(9, 3, generator=generator)
    found = IntegerSearch(points).candidates(points)
    assert found.points.unique().tolist() == [*range(9)] and found.rows.min() >= 0 and found.rows.max() < 9


@needs_integers
def test_points_in_the_middle_of_the_bank_find_a_row():
    """All of their columns are zero about the mean, and so are their steps."""
    found = IntegerSearch(torch.tensor([[3.0], [-3.0], [1.0], [-1.0]])).candidates(torch.zeros(2, 1))
    assert found.rows.max() < 4 and found.points.unique().tolist() == [0, 1]


@needs_integers
def test_what_cannot_be_the_nearest_is_not_named(data):
    points, bank = data
    assert len(IntegerSearch(bank).candidates(points).points) < 4 * len(points)


def test_a_bank_is_prepared_once_and_forgotten_with_it(data):
    bank = data[1].clone()
    first = rough_search(bank, torch.bfloat16)
    assert rough_search(bank, torch.bfloat16) is first
    assert rough_search(bank.clone(), torch.bfloat16) is not first
    del bank
    gc.collect()
    assert all(search is not first for _, _, search in module._known.values())
