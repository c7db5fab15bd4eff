"""The floor under every result: pixel difference to the mean training image."""

from __future__ import annotations

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor


class MeanImage:
    """Absolute difference to the mean of the normal training images; what a data set gives away without any features.

    It is scored by the same reduction as ours and printed beside our results: where it does well, the images are
    aligned and the defects plain, and a high score of ours says little.
    """

    def __init__(self) -> None:
        self.mean: Tensor | None = None  # [3, H, W]

    def fit(self, images: Iterable[Tensor]) -> MeanImage:
        """Average normal images, one at a time.

        Args:
            images: float [3, H, W], all of one size, at least one.
        """
        total, count = None, 0
        for image in images:
            total = image.double() if total is None else total + image
            count += 1
        if total is None:
            raise ValueError("a mean image needs at least one image")
        self.mean = (total / count).float()
        return self

    def map(self, image: Tensor) -> Tensor:
        """Difference of one image, averaged over colours and a 3 x 3 neighbourhood.

        Args:
            image: float [3, H, W], of the size that was fitted.

        Returns:
            float [H, W] >= 0.
        """
        if self.mean is None:
            raise RuntimeError("fit the mean image before asking for maps")
        difference = (image - self.mean.to(image.device)).abs().mean(0)  # [H, W]
        return F.avg_pool2d(difference[None], 3, stride=1, padding=1, count_include_pad=False)[0]
