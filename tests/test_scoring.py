import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from adcore.errors import UserError
from adcore.scoring import SAMPLED, Reduction, enlarge


def test_reductions_equal_numpy(generator):
    maps = torch.rand(3, 20, 30, generator=generator)
    flat = maps.flatten(1).numpy()
    assert np.allclose(Reduction.parse("max")(maps), flat.max(1))
    assert np.allclose(Reduction.parse("top1%")(maps), np.sort(flat, 1)[:, -6:].mean(1))
    middle = np.quantile(flat, 0.5, axis=1, method="lower")
    assert np.allclose(Reduction.parse("max-0.5median")(maps), flat.max(1) - 0.5 * middle)
    assert np.allclose(Reduction.parse("q0-median")(maps), flat.min(1) - middle)
    assert np.allclose(Reduction.parse("q99")(maps), np.quantile(flat, 0.99, axis=1, method="nearest"), atol=2e-3)


@pytest.mark.parametrize("count", [1, 5, 90])
@pytest.mark.parametrize("high", [slice(0, None, SAMPLED), slice(1, 40), slice(0, 0)])
def test_the_highest_are_found_wherever_a_sample_looks(count, high, generator):
    maps = torch.rand(1, 100, 90, generator=generator)
    maps.flatten()[high] += 1
    expected = maps.flatten().topk(count * 90).values.mean()
    assert torch.equal(Reduction.parse(f"top{count}%")(maps), expected[None])


@pytest.mark.parametrize("tiny", ["max", "top1%", "q50", "q0", "q100", "top100%"])
def test_every_reduction_of_one_pixel_is_that_pixel(tiny):
    assert Reduction.parse(tiny)(torch.full((1, 1, 1), 0.25)).tolist() == [0.25]


@pytest.mark.parametrize("wrong", ["mean", "top0%", "top101%", "q101", "top", "", "max-0.5", "max-xmedian", "-median"])
def test_unknown_reductions_are_refused(wrong):
    with pytest.raises(UserError, match="score"):
        Reduction.parse(wrong)


@pytest.mark.parametrize("size", [(32, 48), (3, 90)])
def test_smoothing_is_a_gaussian_with_repeated_edges(size, generator):
    maps = torch.rand(2, *size, generator=generator)
    expected = [gaussian_filter(m.numpy(), 2.0, mode="nearest") for m in maps]
    assert np.allclose(enlarge(maps, size, 2.0), expected, atol=1e-5)


def test_enlarging_keeps_a_constant():
    assert torch.allclose(enlarge(torch.full((1, 4, 7), 0.3), (50, 20), 4.0), torch.full((1, 50, 20), 0.3))
