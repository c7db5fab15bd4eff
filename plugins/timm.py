"""Any network of timm that offers feature maps."""

from __future__ import annotations

from typing import Any

from adcore.pyramid import TimmPyramid


class Timm(TimmPyramid):
    """Any timm network with ``features_only`` (Wightman, 2019): convolutional, hierarchical or a plain ViT."""

    def __init__(
        self,
        model: str,
        levels: list[int] | None = None,
        weights: str = "pretrained",
        seed: int = 0,
        options: dict[str, Any] | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ):
        """Build a timm network.

        Args:
            model: timm's name, with the tag of pretrained weights where there are several: ``convnext_tiny.fb_in22k``.
            levels: timm's ``out_indices``, increasing. By default those of stride 4, 8 and 16; of a plain transformer
                the ends of the quarters of its depth.
            weights: ``pretrained`` (timm's hub or its local cache), ``none`` (random) or a .safetensors or .pth file,
                which may lack layers that the levels do not use.
            seed: of random weights.
            options: further arguments to ``timm.create_model``, such as {pad_type: same}.
            mean: of red, green and blue, where the weights want another than timm states.
            std: of red, green and blue, likewise.
        """
        super().__init__(model, levels, weights, seed, options, mean, std)
