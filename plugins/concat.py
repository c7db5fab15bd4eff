"""Backbone: several backbones as one."""

from __future__ import annotations

from torch import Tensor, nn

from adcore.errors import UserError
from adcore.interfaces import Backbone, Features


class Concat(Backbone):
    """The levels of several backbones side by side, as they are: what reads them brings them to one scale and grid.

    Levels are sorted by stride, those of the first backbone first where strides are equal. Head `concat` over it is
    FOCAL's joining of backbones without training anew (Wu et al., TDSC 2025).
    """

    def __init__(self, backbones: list[Backbone]):
        """Join backbones.

        Args:
            backbones: what is joined, at least one, such as [resnet, {name: swin, weights: PATH}].
        """
        super().__init__()
        if not backbones:
            raise UserError("backbone.backbones: names none; name at least one, e.g. [resnet, swin]")
        self.backbones = nn.ModuleList(backbones)
        strides = [stride for backbone in backbones for stride in backbone.strides]
        channels = [count for backbone in backbones for count in backbone.channels]
        self.order = sorted(range(len(strides)), key=strides.__getitem__)
        self.strides = tuple(strides[level] for level in self.order)
        self.channels = tuple(channels[level] for level in self.order)
        self.pretrained = all(backbone.pretrained for backbone in backbones)

    def forward(self, images: Tensor) -> Features:
        """All levels of all backbones, fine to coarse, each [B, C_l, H_l, W_l]."""
        levels = [level for backbone in self.backbones for level in backbone(images)]
        return tuple(levels[place] for place in self.order)
