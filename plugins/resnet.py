"""ResNet, the usual backbone of memory-bank methods."""

from __future__ import annotations

from typing import Literal

from adcore.errors import UserError
from adcore.pyramid import TimmPyramid


class ResNet(TimmPyramid):
    """ResNet (He et al., CVPR 2016) or Wide ResNet (Zagoruyko and Komodakis, BMVC 2016)."""

    def __init__(
        self,
        depth: Literal[18, 34, 50, 101, 152] = 18,
        width: Literal[1, 2] = 1,
        levels: tuple[int, ...] = (1, 2, 3),
        weights: str = "pretrained",
        seed: int = 0,
    ):
        """Build a ResNet.

        Args:
            depth: number of layers.
            width: 2 for Wide ResNet, of depth 50 or 101.
            levels: stages to use, increasing: 0 is the stem (stride 2), 1 to 4 are layer1 (stride 4) to layer4 (32).
            weights: ``pretrained`` (torchvision's first on ImageNet-1k, from timm's hub or its local cache), ``none``
                (random) or a .safetensors or .pth file, which may lack layers that the levels do not use.
            seed: of random weights.
        """
        if width == 2 and depth not in (50, 101):
            raise UserError(f"backbone resnet: width 2 exists at depth 50 and 101, not {depth}; set width: 1")
        model = f"resnet{depth}" if width == 1 else f"wide_resnet{depth}_2"
        super().__init__(f"{model}.tv_in1k", levels, weights, seed)
