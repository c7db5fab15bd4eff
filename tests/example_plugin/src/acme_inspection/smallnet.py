"""A small convolutional backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from adcore import Backbone
from adcore.weights import RANDOM, load_state


class SmallNet(Backbone):
    """Strided convolutions with batch normalisation, two levels."""

    def __init__(self, width: int = 32, weights: str = RANDOM, seed: int = 0):
        """Build the network.

        Args:
            width: channels of the first level; the second has twice as many.
            weights: ``none`` (random) or a .safetensors or .pth file of this network.
            seed: of random weights.
        """
        super().__init__()
        self.channels = (width, 2 * width)
        self.strides = (4, 8)
        self.pretrained = weights != RANDOM
        self.stem = nn.Sequential(_block(3, width), _block(width, width))
        self.deep = _block(width, 2 * width)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.weight.normal_(0, (2 / layer.weight[0].numel()) ** 0.5, generator=generator)
        if self.pretrained:
            try:
                self.load_state_dict(load_state(weights))
            except RuntimeError as error:
                raise ValueError(f"weights: {weights} is not of this network ({error})") from error

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        fine = self.stem(images * 4 - 2)
        return fine, self.deep(fine)


def _block(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
