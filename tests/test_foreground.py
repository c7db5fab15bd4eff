import pytest
import torch

from adcore.foreground import foreground, learn_foreground


def image(generator, rows=slice(2, 6), columns=slice(3, 7)):
    """Patches [1, 64, 5] of an 8 x 8 grid: a part of one kind on a background of another."""
    patches = torch.zeros(8, 8, 5)
    patches[..., 0] = 1
    patches[rows, columns, 0], patches[rows, columns, 1] = 0, 1
    return (patches + 0.05 * torch.randn(8, 8, 5, generator=generator)).view(1, 64, 5)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_part_and_the_cells_around_it_are_foreground(generator, sign):
    references = sign * torch.cat([image(generator) for _ in range(3)])
    state = learn_foreground(references, (8, 8))
    found = foreground(sign * image(generator), state)[0]
    expected = torch.zeros(8, 8)
    expected[1:7, 2:8] = 1
    assert torch.equal(found, expected)


def test_where_the_part_is_missing_is_foreground_still(generator):
    state = learn_foreground(torch.cat([image(generator) for _ in range(3)]), (8, 8))
    empty = image(generator, slice(0, 0))
    assert foreground(empty, state)[0, 2:6, 3:7].min() == 1


def test_the_state_needs_no_order_of_the_references(generator):
    references = torch.cat([image(generator) for _ in range(3)])
    one, two = (learn_foreground(references[order], (8, 8)) for order in ([0, 1, 2], [2, 0, 1]))
    query = image(generator)
    assert torch.equal(foreground(query, one), foreground(query, two))
