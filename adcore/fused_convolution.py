"""A convolution with what follows it, as one operation of oneDNN."""

from __future__ import annotations

from typing import NamedTuple

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn

from adcore.precision import FirstConv2d

CONVOLUTIONS = (nn.Conv2d, FirstConv2d, Conv2dSame)  # others do more with their weights than multiply


class Numbers(NamedTuple):
    """In which types of number a graph computes.

    Attributes:
        reduced: of all convolutions but a `FirstConv2d`, and of what any of them gives.
        bias: of the biases of those in `reduced`.
        integers: whether heavy convolutions are computed in 8-bit integers instead, and a `FirstConv2d` in `reduced`,
            whose error is then the lesser.
    """

    reduced: torch.dtype
    bias: torch.dtype
    integers: bool = False


class Normalisation(NamedTuple):
    """What batch normalisation has learned, [C] each, and its epsilon."""

    mean: Tensor
    variance: Tensor
    weight: Tensor | None
    bias: Tensor | None
    eps: float


class FusedConv2d(nn.Module):
    """A convolution with what follows it, its weights laid out as oneDNN multiplies them; not for training.

    Attributes:
        in_place: whether a summand may be overwritten by the result.
        takes_along: whether it does more than the convolution alone.
    """

    def __init__(self, conv: nn.Conv2d, norm: Normalisation | None, numbers: Numbers):
        """Fold a normalisation into a convolution; neither is kept."""
        super().__init__()
        full = type(conv) is FirstConv2d and not numbers.integers
        self.computed = torch.float32 if full else numbers.reduced
        self.given = numbers.reduced
        self.in_place = False
        self.activation: tuple[str, list[float]] = ("none", [])
        same = type(conv) is Conv2dSame
        self.same = ([*conv.kernel_size], [*conv.stride], [*conv.dilation]) if same else None
        padding = [0, 0] if same else [*conv.padding]
        self.geometry = padding, [*conv.stride], [*conv.dilation], conv.groups
        weight, bias = folded(conv, norm)
        self.weight = weight.to(self.computed)
        self.laid_out = False
        self.bias = bias.to(torch.float32 if full else numbers.bias)
        self.takes_along = False

    def forward(self, x: Tensor, summand: Tensor | None = None) -> Tensor:
        """The activation of the normalised convolution of `x` [B, C, H, W], or of its sum with a `summand`."""
        if self.same is not None:
            x = pad_same(x, *self.same)
        x, (name, scalars) = _as(x, self.computed), self.activation
        if not self.laid_out:
            self._lay_out(x.shape)
        result: Tensor
        if summand is None:
            one = torch.ops.mkldnn._convolution_pointwise.default
            result = one(x, self.weight, self.bias, *self.geometry, name, scalars, "")
            return _as(result, self.given)
        summand = _as(summand, self.computed)
        then = "add", 1.0, None if name == "none" else name, scalars, None
        if self.in_place:
            into = torch.ops.mkldnn._convolution_pointwise_.binary
            result = into(summand, x, self.weight, self.bias, *self.geometry, *then)
        else:
            two = torch.ops.mkldnn._convolution_pointwise.binary
            result = two(x, summand, self.weight, self.bias, *self.geometry, *then)
        return _as(result, self.given)

    def _lay_out(self, shape: torch.Size) -> None:
        """Lay weights out for the first shape that is seen: others are computed rightly, but far slower."""
        dense = self.weight.contiguous(memory_format=torch.channels_last)
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(dense, *self.geometry, [*shape])
        self.laid_out = True


def _as(values: Tensor, number_type: torch.dtype) -> Tensor:
    """``values.to(number_type)``; a call less where they are, which threads that share an interpreter wait for."""
    return values if values.dtype == number_type else values.to(number_type)


def folded(conv: nn.Conv2d, norm: Normalisation | None) -> tuple[Tensor, Tensor]:
    """Weights [C, ...] and bias [C] of a convolution and its normalisation, in double precision."""
    weight = conv.weight.double()
    bias = weight.new_zeros(len(weight)) if conv.bias is None else conv.bias.double()
    if norm is None:
        return weight, bias
    scale = (norm.variance.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = 0 if norm.bias is None else norm.bias
    return weight * scale[:, None, None, None], (bias - norm.mean) * scale + shift
