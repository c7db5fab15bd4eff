"""A convolution with what follows it in 8-bit integers, as one operation of oneDNN."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from adcore.fused_convolution import Normalisation, folded
from adcore.weight_rounding import rounded

SMALLEST = 1e-30
"""A step of what is zero everywhere."""

_BYTE = 1.5 * 2**23  # float32 that are this much, and less than 256, have the rest as the lowest byte of their bits


class Integers(NamedTuple):
    """What stands for ``step * (values - zero)``.

    Attributes:
        values: uint8 [B, C, H, W], in `channels_last`.
        step: between neighbouring values.
        zero: that stands for 0.
    """

    values: Tensor
    step: float
    zero: int


def as_integers(x: Tensor, positive: bool) -> Integers:
    """The nearest of evenly spaced values, about 255 from the lowest of `x` to the highest, and 0 among them.

    Args:
        x: float [B, C, H, W].
        positive: whether nothing in it is negative.
    """
    x = x.float().contiguous(memory_format=torch.channels_last)
    high = max(float(x.amax()), 0.0)
    low = 0.0 if positive else min(float(x.amin()), 0.0)
    # One step less where both ends are rounded.
    step = max((high - low) / (254 if low else 255), SMALLEST)
    zero = round(-low / step)
    # Adding rounds. Each of these takes a fifth of the time of PyTorch's conversion from float32 to uint8.
    rounded = torch.add(torch.full((1,), _BYTE + zero, device="cpu"), x, alpha=1 / step)
    return Integers(rounded.view(torch.int32).to(torch.uint8), step, zero)


class IntegerConv2d(nn.Module):
    """A convolution with what follows it, of integers to float32, its weights as 8-bit integers; not for training.

    Attributes:
        in_place: whether a summand may be overwritten by the result.
        takes_along: whether it does more than the convolution alone.
    """

    def __init__(self, conv: nn.Conv2d, norm: Normalisation | None):
        """Fold a normalisation into a convolution; neither is kept."""
        super().__init__()
        self.in_place = self.takes_along = False
        self.activation: tuple[str, list[float]] = ("none", [])
        self.geometry = [*conv.stride], [*conv.padding], [*conv.dilation], conv.groups
        weight, bias = folded(conv, norm)
        self.weight, self.steps = rounded(weight)
        self.zeros = torch.zeros(len(weight), dtype=torch.int32, device="cpu")
        self.bias = bias.float()
        self.laid_out = False

    def forward(self, x: Integers, summand: Tensor | None = None) -> Tensor:
        """The activation of the normalised convolution of `x`, or of its sum with a `summand`; float32."""
        if not self.laid_out:
            self._lay_out(x)
        of = *x, self.weight, self.steps, self.zeros
        how = *self.geometry, 1.0, 0, torch.float32
        result: Tensor
        if summand is None:
            result = torch.ops.onednn.qconv2d_pointwise.default(*of, self.bias, *how, *self.activation, "")
            return result
        own = summand.float().contiguous(memory_format=torch.channels_last)
        into = own.clone() if own is summand and not self.in_place else own
        then = 1.0, 0, "sum", 1.0, *self.activation, ""
        result = torch.ops.onednn.qconv2d_pointwise.binary(*of, into, self.bias, *how, *then)
        return result

    def _lay_out(self, x: Integers) -> None:
        """Lay weights out as oneDNN multiplies them with values of a shape."""
        pack = torch.ops.onednn.qconv_prepack
        self.weight = pack(self.weight, self.steps, x.step, x.zero, *self.geometry, [*x.values.shape])
        self.laid_out = True
