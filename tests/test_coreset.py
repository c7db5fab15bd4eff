import pytest
import torch

from adcore.coreset import POOL, _distinct, k_centre_greedy, project


def textbook(points, count):
    x = points.double() - points.double().mean(0)
    picks = [int(x.square().sum(1).argmax())]
    nearest = (x - x[picks[0]]).square().sum(1)
    while len(picks) < count:
        picks.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (x - x[picks[-1]]).square().sum(1))
    return picks


@pytest.mark.parametrize("count", [1, 2, 50, 600])
@pytest.mark.parametrize("size", [POOL // 2, 3 * POOL])
def test_picks_are_those_of_the_textbook_loop_in_its_order(count, size, generator):
    points = torch.randn(size, 8, generator=generator) @ torch.randn(8, 24, generator=generator)
    count = min(count, size)
    assert k_centre_greedy(points, count).tolist() == textbook(points, count)


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_picks_are_the_same_where_single_precision_sees_nothing_but_ties(scale, generator):
    """Far from the origin, single precision cannot tell most of the distances apart."""
    points = torch.randn(4 * POOL, 6, generator=generator) * scale + 100
    assert k_centre_greedy(points, 300).tolist() == textbook(points, 300)


def test_clusters_of_equal_points_are_each_picked_once(generator):
    centres = torch.randn(5, 4, generator=generator)
    points = centres.repeat_interleave(200, 0)
    picked = k_centre_greedy(points, 5)
    assert len(torch.unique(points[picked], dim=0)) == 5
    assert len(set(k_centre_greedy(points, 12).tolist())) == 12  # nothing is left to cover, but no index comes twice


@pytest.mark.parametrize("count", [1, 40, 300, 330])
def test_points_that_repeat_change_no_pick(count, generator):
    some = torch.randn(300, 5, generator=generator) + 100 * torch.rand(300, 1, generator=generator)
    points = some[torch.randint(300, (POOL * 8,), generator=generator)]
    found = k_centre_greedy(points, count).tolist()
    assert found[:280] == textbook(points, min(count, 280)) and len(set(found)) == count


def test_only_repeated_points_are_left_out(generator):
    some = torch.randn(40, 5, generator=generator)
    points = torch.cat([some, some.flip(0), some[:7], torch.randn(9000, 5, generator=generator), some])
    assert _distinct(points).tolist() == [*range(40), *range(87, 9087)]


def test_a_projection_keeps_distances(generator):
    points = torch.randn(500, 2000, generator=generator)
    small = project(points, epsilon=0.5)
    assert small.shape[1] < 2000 and torch.equal(small, project(points, epsilon=0.5))
    ratio = torch.pdist(small).square() / torch.pdist(points).square()
    assert ratio.min() > 0.5 and ratio.max() < 1.5
    assert torch.equal(project(points[:, :8]), points[:, :8])
