"""Weights of convolutions as 8-bit integers whose rounding errors cancel, found from the weights alone."""

from __future__ import annotations

import torch
from torch import Tensor

HIGHEST = 127
"""What the largest weight of a channel becomes."""


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Integers near a convolution's weights, by SQuant (Guo et al., ICLR 2022).

    What convolutions see varies slowly from cell to cell and is of one sign after a ReLU: errors of a kernel's weights
    add up where they have one sign, and cancel where their sum is near zero. So some are rounded to the other side:
    first until the errors of each kernel ``[h, w]`` sum up to half a step at most, then at most one in a kernel until
    those of each output channel do. Halves what rounding does to the features of a ResNet-18; needs no images.

    Args:
        weight: float [O, I, h, w].

    Returns:
        int8 [O, I, h, w] in -127 .. 127, and float32 [O], the step of each output channel.
    """
    outputs, inputs = weight.shape[:2]
    exact = weight.double().reshape(outputs, -1)
    step = (exact.abs().amax(1) / HIGHEST).clamp_min(1e-30)
    exact = (exact / step[:, None]).view(outputs * inputs, -1)
    error = exact.round() - exact
    if exact.shape[1] > 1:
        error = error - _flips(error)
    # Of each kernel the weight whose other side costs least, whichever way the channel as a whole is off.
    error = error.view(outputs, inputs, -1)
    way = error.sum((1, 2)).sign()[:, None]
    worst, place = (error * way[..., None]).max(2)
    flips = _flips(worst * way, error.sum((1, 2)))
    error = error.scatter_add(2, place[..., None], -flips[..., None])
    found = (exact.view_as(error) + error).round().clamp(-HIGHEST, HIGHEST)
    return found.to(torch.int8).view(weight.shape), step.float()


def _flips(error: Tensor, total: Tensor | None = None) -> Tensor:
    """What to take from rounded numbers, -1, 0 or 1 for each of [N, K], so that a row's errors cancel.

    Of each row those are chosen that were rounded furthest in the direction of its `total` error [N], by default the
    sum of the row.
    """
    total = error.sum(1) if total is None else total
    way = total.sign()[:, None]
    order = (error * way).argsort(1, descending=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(error.shape[1], device="cpu").expand_as(order))
    return way * (rank < total.abs().round()[:, None])
