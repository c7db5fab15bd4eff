import pytest
import torch
from processor import needs_integers
from torch import nn

from adcore.fused_convolution import Normalisation
from adcore.integer_convolution import IntegerConv2d, as_integers
from adcore.weight_rounding import rounded


def meant(x):
    """What integers stand for."""
    return x.step * (x.values.float() - x.zero)


@pytest.mark.parametrize(
    ("low", "high", "positive"), [(0, 3, True), (0, 1e-5, True), (-2, 5, False), (-7, -3, False), (2, 3, False)]
)
def test_integers_are_the_nearest_of_255_and_zero_is_exact(low, high, positive, generator):
    x = low + (high - low) * torch.rand(2, 5, 4, 3, generator=generator)
    x[0, 0, 0, 0] = 0
    found = as_integers(x, positive)
    assert found.values.dtype == torch.uint8 and found.values.is_contiguous(memory_format=torch.channels_last)
    spread = max(float(x.max()), 0) - min(float(x.min()), 0)
    assert found.step <= spread / 253
    assert (meant(found) - x).abs().max() <= 0.501 * found.step
    assert meant(found)[0, 0, 0, 0] == 0


def test_both_ends_have_an_integer():
    for low in torch.linspace(-1, -1e-3, 200):  # both are rounded, whatever the place of zero
        ends = torch.tensor([float(low), 1.0]).view(1, 2, 1, 1)
        found = as_integers(ends, False)
        assert (meant(found) - ends).abs().max() <= 0.501 * found.step


def test_zeros_stay_zeros():
    found = as_integers(torch.zeros(1, 2, 3, 3), False)
    assert torch.equal(meant(found), torch.zeros(1, 2, 3, 3)) and found.step > 0


@torch.inference_mode()
@needs_integers
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("summed", ["", "kept", "overwritten"])
@pytest.mark.parametrize("options", [{"padding": 1}, {"padding": 1, "stride": 2}, {"dilation": 2, "bias": False}])
def test_it_computes_the_convolution_of_what_the_integers_stand_for(positive, summed, options, generator):
    conv = nn.Conv2d(16, 24, 3, **options)
    torch.nn.init.normal_(conv.weight, generator=generator)
    mean, variance, weight, bias = torch.rand(4, 24, generator=generator)
    fused = IntegerConv2d(conv, Normalisation(mean, variance, weight, bias, 1e-5))
    fused.activation, fused.in_place = ("relu", []), summed == "overwritten"
    x = as_integers(torch.rand(2, 16, 12, 10, generator=generator) - (0 if positive else 0.7), positive)
    norm = nn.BatchNorm2d(24).eval()
    norm.load_state_dict({"running_mean": mean, "running_var": variance, "weight": weight, "bias": bias}, strict=False)
    integers, steps = rounded(conv.weight * (weight / (variance + 1e-5).sqrt())[:, None, None, None])
    near = integers * steps.view(-1, 1, 1, 1) / (weight / (variance + 1e-5).sqrt())[:, None, None, None]
    expected = norm(torch.conv2d(meant(x), near, conv.bias, conv.stride, conv.padding, conv.dilation))
    summand = torch.randn(expected.shape, generator=generator).contiguous(memory_format=torch.channels_last)
    expected = (expected + summand if summed else expected).relu()
    given = summand.clone(memory_format=torch.preserve_format)
    for _ in range(1 if fused.in_place else 2):
        found = fused(x, given) if summed else fused(x)
        assert found.dtype == torch.float32
        assert (found - expected).abs().max() < 1e-4 * expected.max()
    assert torch.equal(given, summand) != fused.in_place


@torch.inference_mode()
@needs_integers
def test_a_summand_of_another_type_and_layout_is_left_alone(generator):
    fused = IntegerConv2d(nn.Conv2d(16, 8, 1), None)
    fused.in_place = True
    x = as_integers(torch.rand(1, 16, 6, 6, generator=generator), True)
    for summand in (torch.ones(1, 8, 6, 6, dtype=torch.bfloat16), torch.ones(1, 8, 6, 6)):
        assert torch.allclose(fused(x, summand), fused(x) + 1, atol=1e-5)
        assert torch.equal(summand, torch.ones_like(summand))
