"""A backbone: a pyramid of fixed filters, with nothing to train or download.

What it is given and has to return stands in `adcore.Backbone`. The arguments of ``__init__`` are what a recipe sets.
One that wraps a network should offer ``weights`` (``none`` or a file): `adcore.weights.load_state` reads files safely.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore import Backbone

RADIUS, WAVELENGTH, SIGMA = 4, 5.0, 2.0
"""Of a filter, in pixels of its level."""


class Template(Backbone):
    """Gabor filters at several scales: how much structure of each orientation a cell holds, and its mean colour.

    After Jain and Farrokhnia (1991), who tell textures apart so.
    """

    filters: Tensor

    def __init__(self, scales: int = 3, orientations: int = 6):
        """Build the filters.

        Args:
            scales: number of levels; the first has 4 pixels to a cell, each further one twice as many.
            orientations: of the filters.
        """
        super().__init__()
        for name, value in (("scales", scales), ("orientations", orientations)):
            if value < 1:
                raise ValueError(f"{name}: {value} is too small; write at least 1")
        self.channels = (orientations + 3,) * scales
        self.strides = tuple(4 * 2**scale for scale in range(scales))
        self.pretrained = True  # as good as it gets: nothing in it could be trained
        self.register_buffer("filters", gabor(orientations))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """One float [B, orientations + 3, ceil(H / stride), ceil(W / stride)] per level, from images in [0, 1]."""
        levels = []
        scaled = images - 0.5
        for _ in self.strides:
            grey = F.pad(scaled.mean(1, keepdim=True), (RADIUS,) * 4, mode="replicate")
            even, odd = F.conv2d(grey, self.filters).chunk(2, 1)  # [B, orientations, h, w] each
            energy = (even.square() + odd.square()).sqrt()
            levels.append(F.avg_pool2d(torch.cat([energy, scaled], 1), 4, ceil_mode=True))
            scaled = F.avg_pool2d(scaled, 2, ceil_mode=True)
        return tuple(levels)


def gabor(orientations: int) -> Tensor:
    """Filters [2 * orientations, 1, n, n]: the even ones, then the odd ones; all blind to brightness."""
    offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float32)
    row, column = torch.meshgrid(offsets, offsets, indexing="ij")  # [n, n]
    angle = torch.arange(orientations)[:, None, None] * math.pi / orientations
    phase = (angle.cos() * column + angle.sin() * row) * 2 * math.pi / WAVELENGTH  # [orientations, n, n]
    window = torch.exp(-(row.square() + column.square()) / (2 * SIGMA**2))
    even = window * phase.cos()
    even = even - window * (even.sum((1, 2), keepdim=True) / window.sum())
    filters = torch.cat([even, window * phase.sin()])
    return (filters / filters.abs().sum((1, 2), keepdim=True))[:, None]
