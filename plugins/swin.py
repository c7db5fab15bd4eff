"""Swin Transformer, published or of one's own size."""

from __future__ import annotations

from typing import Any, Literal

from adcore.errors import UserError
from adcore.pyramid import TimmPyramid

_WIDTHS = {"tiny": 96, "small": 96, "base": 128, "large": 192}
_HEAD = 32  # channels of an attention head in every published Swin


class Swin(TimmPyramid):
    """Swin Transformer (Liu et al., ICCV 2021): shifted-window attention in a pyramid, for any size of image."""

    def __init__(
        self,
        size: Literal["tiny", "small", "base", "large"] = "tiny",
        levels: tuple[int, ...] = (0, 1, 2),
        weights: str = "pretrained",
        seed: int = 0,
        depths: list[int] | None = None,
        width: int | None = None,
        window: int = 7,
    ):
        """Build a Swin Transformer.

        Args:
            size: published size.
            levels: stages to use, increasing: 0 (stride 4) to 3 (stride 32).
            weights: ``pretrained`` (ImageNet, from timm's hub or its local cache), ``none`` (random) or a .safetensors
                or .pth file, in timm's or the authors' format, which may lack layers that the levels do not use.
            seed: of random weights.
            depths: blocks of each stage in place of the published ones, such as [2, 2, 2] for three short stages.
            width: channels of the first stage in place of the published ones, a multiple of 32; doubled by each stage.
            window: side of the attention window, in cells.
        """
        if weights == "pretrained" and (depths is not None or width is not None):
            raise UserError(
                "backbone swin: nothing is pretrained with other depths or width; leave them out, or set weights"
            )
        if width is not None and (width <= 0 or width % _HEAD):
            raise UserError(f"backbone swin: width {width} is no multiple of {_HEAD}")
        first = width or _WIDTHS[size]
        stages = len(depths) if depths is not None else 4
        options: dict[str, Any] = {
            "drop_path_rate": 0.0,  # which would draw from the global generator in training
            "window_size": window,
            "embed_dim": first,
            "num_heads": tuple(first * 2**stage // _HEAD for stage in range(stages)),
        }
        if depths is not None:
            options["depths"] = tuple(depths)
        super().__init__(f"swin_{size}_patch4_window7_224", levels, weights, seed, options)
