"""Backbones over timm's networks: a feature pyramid of images of any size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adcore.errors import UserError
from adcore.fused import Compute, fastest, heavy
from adcore.interfaces import Backbone, Features
from adcore.network import Network
from adcore.precision import first_in_full
from adcore.weights import PRETRAINED, RANDOM

_COARSEST_MULTIPLE = 128  # pixels; a network that asks for more is taken as one of fixed size


class TimmPyramid(Backbone):
    """Base of backbones over timm's ``features_only`` networks.

    Normalises images as its weights expect. A side that is no multiple of what the network needs is extended by its
    edge and the levels are cropped again: level ``l`` of an ``H x W`` image has ``ceil(H / strides[l])`` rows (a few
    less where the network's convolutions are not padded, as in Inception).

    Attributes:
        fixed_size: the only (height, width) that the network takes, or None where it takes any.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: str,
        levels: Sequence[int] | None = None,
        weights: str = PRETRAINED,
        seed: int = 0,
        options: Mapping[str, Any] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ):
        """Build the network and load its weights; every mistake is found before the first of them is read.

        Args:
            model: timm's name of the network.
            levels: timm's ``out_indices``, increasing; by default those of `adcore.network.default_levels`.
            weights: ``pretrained`` (timm's hub or its local cache), ``none`` (random) or a file.
            seed: of random weights.
            options: further arguments to the network.
            mean: of the input channels, where the weights want another than timm states.
            std: of the input channels, likewise.

        Raises:
            UserError: no such network, option or level; weights that cannot be had or do not fit.
        """
        super().__init__()
        network = Network(model, options)
        levels = network.checked_levels(levels)
        sketch = network.sketch(levels)
        self.channels = tuple(network.channels[level] for level in levels)
        self.strides = tuple(network.strides[level] for level in levels)
        self.pretrained = weights != RANDOM
        self._channels_last = "NHWC" in str(getattr(sketch, "output_fmt", ""))
        self._multiple, self.fixed_size = self._sizes(network, sketch)
        self.register_buffer("mean", _per_channel("mean", network.config.mean if mean is None else mean))
        self.register_buffer("std", _per_channel("std", network.config.std if std is None else std))
        if self.pretrained:
            self.net = network.build_with(levels, network.weights(weights, levels))
        else:
            self.net = network.build(levels, seed)
        first_in_full(self.net)

    def forward(self, images: Tensor) -> Features:
        """Extract features.

        Args:
            images: float [B, 3, H, W] in [0, 1].

        Returns:
            One float [B, C_l, H_l, W_l] per level, fine to coarse.

        Raises:
            UserError: the network has a `fixed_size`, and this is another.
        """
        height, width = images.shape[-2:]
        if self.fixed_size and self.fixed_size != (height, width):
            raise UserError(
                f"this network takes no images of {height} x {width}: set image_size: {[*self.fixed_size]}, or build "
                "it for another size by options: {img_size: ...}"
            )
        x = (images - self.mean) / self.std  # a plane at a time: several times faster than colours side by side
        x = x.contiguous(memory_format=torch.channels_last)
        below, right = -height % self._multiple, -width % self._multiple
        if below or right:
            x = F.pad(x, (0, right, 0, below), mode="replicate")
        return tuple(
            level[:, :, : math.ceil(height / stride), : math.ceil(width / stride)]
            for level, stride in zip(self._levels(fastest(self.net, x), x), self.strides, strict=True)
        )

    @property
    def heavy(self) -> bool:
        """Whether the network takes less time in integers, where the processor multiplies them."""
        return heavy(self.net)

    def _levels(self, net: Compute, x: Tensor) -> list[Tensor]:
        return [level.permute(0, 3, 1, 2) if self._channels_last else level for level in net(x)]

    def _sizes(self, network: Network, sketch: nn.Module) -> tuple[int, tuple[int, int] | None]:
        """What the sides of an image must be multiples of, and the fixed size where there is one; tried on a sketch."""
        for multiple in (max(self.strides) * cells for cells in (1, 2, 4, 8)):
            # The smallest image, and a long strip: where relative positions end, networks refuse it.
            sizes = [(multiple, multiple), (multiple, 40 * multiple)]
            if multiple <= _COARSEST_MULTIPLE and all(self._takes(sketch, *size) for size in sizes):
                return multiple, None
        if self._takes(sketch, *network.native_size):
            return 1, network.native_size
        raise UserError(f"model: timm's {network.model} gives no feature maps that can be used; choose another network")

    def _takes(self, sketch: nn.Module, height: int, width: int) -> bool:
        try:
            levels = self._levels(sketch, torch.empty(1, 3, height, width, device="meta"))
        except Exception:  # a network refuses a size by any kind of error
            return False
        shapes = [tuple(level.shape[1:]) for level in levels]
        return len(shapes) == len(self.channels) and all(
            c == channels and max(abs(h * stride - height), abs(w * stride - width)) <= 4 * stride
            for (c, h, w), channels, stride in zip(shapes, self.channels, self.strides, strict=True)
        )


def _per_channel(name: str, values: Sequence[float]) -> Tensor:
    if len(values) != 3:
        raise UserError(f"{name}: {[*values]} is not one number for each of red, green and blue")
    return torch.tensor(values, dtype=torch.float32, device="cpu").view(3, 1, 1)
