"""Images and masks at the model's size."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def to_tensor(image: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Resize an image, antialiased and bilinear; the aspect ratio is not kept.

    Args:
        image: uint8 [H, W, 3], or float [H, W, 3] in [0, 1]; left untouched. Any size from one pixel on.
        size: height and width wanted.

    Returns:
        float32 [3, height, width] in [0, 1]; the pixels themselves where the size is right already. The same pixels
        give the same numbers, wherever they come from and however they lie in memory.
    """
    # one memory layout, because the order of additions depends on it
    planes = torch.from_numpy(np.array(image.transpose(2, 0, 1), dtype=np.float32, order="C"))  # [3, H, W]
    if image.dtype == np.uint8:
        planes /= 255
    if planes.shape[1:] != size:
        planes = F.interpolate(planes[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]
    return planes.clamp_(0, 1)


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask to the nearest pixel, centre to centre.

    Args:
        mask: bool [H, W].
        size: height and width wanted.

    Returns:
        bool [height, width]. What is thinner than a pixel of the new grid may vanish.
    """
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, mask.shape, strict=True))
    return mask[np.ix_(rows, columns)]


def to_uint8(image: Tensor) -> np.ndarray:
    """A float [3, H, W] in [0, 1] as uint8 [H, W, 3], rounded."""
    levels = (image.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().numpy()
