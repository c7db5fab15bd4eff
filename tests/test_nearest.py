import pytest
import torch

from adcore.nearest import nearest, searching_in
from adcore.rough_search import CANDIDATES, CHUNK


@pytest.fixture
def data(generator):
    mixing = torch.randn(6, 24, generator=generator)
    draw = lambda count: torch.randn(count, 6, generator=generator) @ mixing + 5  # noqa: E731
    return draw(CHUNK + 10), draw(203)


@pytest.mark.parametrize("size", [1, CANDIDATES, 203])
def test_distances_and_rows_of_the_nearest(data, size):
    points, bank = data[0], data[1][:size]
    distances, rows = nearest(points, bank)
    expected = torch.cdist(points.double(), bank.double()).min(1)
    assert torch.allclose(distances.double(), expected.values, atol=1e-4)
    assert (rows == expected.indices).float().mean() > 0.999


@pytest.mark.parametrize("size", [1, CANDIDATES, 203])
def test_candidates_of_reduced_precision_are_compared_in_full(data, size):
    points, bank = data[0], data[1][:size]
    full, _ = nearest(points, bank)
    with searching_in(torch.bfloat16):
        reduced, rows = nearest(points, bank)
    assert torch.allclose(reduced, (points - bank[rows]).norm(dim=1), atol=1e-6)  # exact distances
    assert (reduced <= full * 1.0001).float().mean() > 0.97 and (reduced / full).max() < 1.2
    assert torch.equal(nearest(points, bank)[0], full)  # and full precision is back


def test_a_row_of_the_bank_is_found_at_no_distance(data):
    _, bank = data
    with searching_in(torch.bfloat16):
        distances, rows = nearest(bank, bank)
    assert distances.max() == 0 and rows.tolist() == list(range(len(bank)))


def test_distances_have_a_gradient_where_the_search_has_none(data):
    points, bank = data[0][:50].requires_grad_(), data[1]
    distances, rows = nearest(points, bank)
    distances.sum().backward()
    assert torch.allclose(points.grad, (points - bank[rows]).detach() / distances.detach()[:, None], atol=1e-4)
