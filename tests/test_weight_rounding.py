import pytest
import torch
import torch.nn.functional as F

from adcore.weight_rounding import HIGHEST, rounded


def errors(weight):
    """Of each weight, in steps of its channel, [O, I, h * w]."""
    integers, steps = rounded(weight)
    return (integers - weight.double() / steps.double().view(-1, 1, 1, 1)).flatten(2)


@pytest.mark.parametrize("shape", [(8, 6, 3, 3), (5, 3, 7, 7), (6, 32, 1, 1), (1, 1, 3, 3)])
def test_errors_of_kernels_and_channels_cancel(shape, generator):
    weight = torch.randn(shape, generator=generator)
    error = errors(weight.contiguous(memory_format=torch.channels_last))
    assert error.abs().max() < 1
    assert error.sum((1, 2)).abs().max() <= 0.5 + 1e-4
    if shape[2] > 1:
        assert error.sum(2).abs().max() <= 1.5 + 1e-4  # half a step, and one for the sake of the channel
        assert (error.sum(2).abs() <= 0.5 + 1e-4).double().mean() > 0.5


def test_the_largest_weight_of_a_channel_is_the_highest_integer(generator):
    weight = torch.randn(4, 3, 3, 3, generator=generator) * torch.tensor([1e-4, 1, 50, 0]).view(-1, 1, 1, 1)
    integers, steps = rounded(weight)
    assert integers.dtype == torch.int8 and steps.dtype == torch.float32
    assert [*integers.abs().amax((1, 2, 3))] == [HIGHEST, HIGHEST, HIGHEST, 0]
    assert torch.allclose(steps[:3], weight[:3].abs().amax((1, 2, 3)) / HIGHEST) and steps[3] > 0


def test_of_what_varies_slowly_it_errs_half_as_much_as_rounding_does(generator):
    x = F.avg_pool2d(torch.rand(1, 32, 20, 20, generator=generator), 5, 1)
    weight = torch.randn(16, 32, 3, 3, generator=generator)
    integers, steps = rounded(weight)
    steps = steps.view(-1, 1, 1, 1)
    exact = F.conv2d(x, weight)
    cancelling, plain = (F.conv2d(x, near * steps) - exact for near in (integers, (weight / steps).round()))
    assert cancelling.norm() < 0.5 * plain.norm()
