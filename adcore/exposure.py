"""Images brought to one brightness, and if wanted to one contrast, before a backbone sees them."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from adcore.errors import UserError
from adcore.interfaces import Backbone, Features

Exposure = Literal["kept", "brightness", "contrast"]
"""What is done: nothing; the mean made the same for all images; the standard deviation too."""

MEAN, DEVIATION = 0.5, 0.2
"""What grey values are brought to, about those of photographs that backbones are trained on."""
DARKEST, FLATTEST = 0.02, 0.02
"""Least mean and least standard deviation that are believed: what is darker or flatter is not raised to the full."""


def evened(images: Tensor, exposure: Exposure) -> Tensor:
    """Images as one exposure would have shown them all.

    Light multiplies what a camera sees, so the mean of an image's grey values is brought to `MEAN` by one factor; with
    ``contrast`` their deviation from it to `DEVIATION` by a second one. What would leave [0, 1] is clipped.

    Args:
        images: float [B, 3, H, W] in [0, 1].
        exposure: what is done.

    Returns:
        float [B, 3, H, W] in [0, 1]; each depends on its own image alone.
    """
    if exposure == "kept":
        return images
    grey = images.mean(1).flatten(1)
    mean = grey.mean(1)[:, None, None, None]
    if exposure == "brightness":
        return (images * (MEAN / mean.clamp_min(DARKEST))).clamp(0, 1)
    deviation = grey.std(1, correction=0)[:, None, None, None]
    return ((images - mean) * (DEVIATION / deviation.clamp_min(FLATTEST)) + MEAN).clamp(0, 1)


class Evened(Backbone):
    """Another backbone, given every image in one exposure."""

    def __init__(self, backbone: Backbone, exposure: Exposure):
        """Wrap a backbone; its weights stay its own."""
        super().__init__()
        self.backbone = backbone
        self.exposure: Exposure = exposure
        self.channels = backbone.channels
        self.strides = backbone.strides

    @property
    def pretrained(self) -> bool:  # type: ignore[override]
        """Whether the wrapped backbone's weights come from a checkpoint."""
        return self.backbone.pretrained

    def forward(self, images: Tensor) -> Features:
        """See `Backbone.forward`."""
        levels: Features = self.backbone(evened(images, self.exposure))
        return levels


def wrap(backbone: Backbone, exposure: Exposure) -> Backbone:
    """The backbone as it sees images in an exposure; itself where that is kept.

    Raises:
        UserError: there is no such exposure.
    """
    if exposure not in get_args(Exposure):
        raise UserError(f"exposure: '{exposure}' is none of {', '.join(get_args(Exposure))}")
    return backbone if exposure == "kept" else Evened(backbone, exposure)
