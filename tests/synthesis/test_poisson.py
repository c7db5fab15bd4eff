import numpy as np
import pytest
import torch
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from adcore.synthesis.poisson import blend, solve


def direct(patch, target, region, mixed):
    """Minimise the squared difference to the guiding gradients, edge by edge, by one sparse solve per channel."""
    channels, height, width = target.shape
    inner = {
        (y, x): k for k, (y, x) in enumerate(np.ndindex(height, width)) if 0 < y < height - 1 and 0 < x < width - 1
    }
    inner = {at: k for k, at in enumerate(inner)}
    matrix, right = lil_matrix((len(inner), len(inner))), np.zeros((len(inner), channels))
    for (y, x), k in inner.items():
        for q in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            own, theirs = target[:, y, x] - target[:, q[0], q[1]], patch[:, y, x] - patch[:, q[0], q[1]]
            replaced = region[y, x] and region[q] and (not mixed or (theirs**2).sum() > (own**2).sum())
            matrix[k, k] += 1
            right[k] += theirs if replaced else own
            if q in inner:
                matrix[k, inner[q]] -= 1
            else:
                right[k] += target[:, q[0], q[1]]
    result, solution = target.copy(), spsolve(matrix.tocsr(), right)
    for (y, x), k in inner.items():
        result[:, y, x] = solution[k]
    return result


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("size", [(11, 17), (3, 3), (24, 5)])
def test_blend_equals_a_direct_sparse_solution(size, shape, mixed):
    generator = torch.Generator().manual_seed(0)
    patch, target = torch.rand(2, 3, *size, generator=generator)
    y, x = torch.meshgrid(torch.linspace(-1, 1, size[0]), torch.linspace(-1, 1, size[1]), indexing="ij")
    region = y**2 + x**2 <= 1 if shape == "ellipse" else torch.ones(size, dtype=torch.bool)
    expected = direct(patch.double().numpy(), target.double().numpy(), region.numpy(), mixed)
    got = blend(patch, target, region if shape == "ellipse" else None, mixed)
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-5)


def test_solution_has_the_laplacian_that_was_asked_for():
    right = torch.randn(2, 9, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u = torch.nn.functional.pad(solve(right), (1, 1, 1, 1))
    laplacian = u[:, 2:, 1:-1] + u[:, :-2, 1:-1] + u[:, 1:-1, 2:] + u[:, 1:-1, :-2] - 4 * u[:, 1:-1, 1:-1]
    torch.testing.assert_close(laplacian, right)


def test_a_patch_that_differs_by_a_constant_changes_nothing():
    target = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(blend(target + 0.3, target), target, atol=1e-6, rtol=0)


def test_border_stays_and_inputs_are_left_alone():
    patch, target = torch.rand(2, 3, 10, 8, generator=torch.Generator().manual_seed(0))
    kept = target.clone()
    result = blend(patch, target)
    assert torch.equal(target, kept)
    changed = (result != target).any(0)
    assert changed[1:-1, 1:-1].all() and changed.sum() == 8 * 6


@pytest.mark.parametrize("size", [(2, 9), (1, 1)])
def test_too_small_to_have_an_inside(size):
    target = torch.rand(3, *size)
    assert torch.equal(blend(torch.rand(3, *size), target), target)
