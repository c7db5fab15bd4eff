"""Finds the object before a plain background, so that defects land on it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = 64  # cells per side on which the decision is made: fine enough for a place, and grain averages out
TOLERANCE = 0.06  # a background is plain where it keeps within this of its colour, [0, 1]
SPREAD = 0.03  # median deviation of the border's colour up to which it can be one plain background


def foreground(image: Tensor) -> Tensor:
    """Tell the object from a plain background by the colour of the image's border.

    Args:
        image: float [3, H, W] in [0, 1].

    Returns:
        bool [H, W], True on the object; True everywhere if there is no plain background, as in a texture.
    """
    height, width = image.shape[-2:]
    grid = (min(height, GRID), min(width, GRID))
    small = F.adaptive_avg_pool2d(image, grid)  # [3, h, w]
    border = torch.cat([small[:, 0], small[:, -1], small[:, :, 0], small[:, :, -1]], 1)  # [3, n]
    colour = border.median(1, keepdim=True).values
    deviation = (border - colour).abs().amax(0)  # [n]
    spread = float(deviation.median())
    tolerance = max(TOLERANCE, 4 * spread)
    off = (small - colour[..., None]).abs().amax(0) > tolerance  # [h, w]
    share, border_share = float(off.float().mean()), float((deviation > tolerance).float().mean())
    # An object may touch the border, but differs from it far more often inside than there; a texture does not.
    if spread > SPREAD or not 0.03 <= share <= 0.97 or border_share > min(0.35, share / 1.5):
        return torch.ones(height, width, dtype=torch.bool, device=image.device)
    majority = F.avg_pool2d(off[None].float(), 3, 1, 1, count_include_pad=False)  # [1, h, w]
    mask = F.interpolate(majority[None], (height, width), mode="nearest")[0, 0] > 0.5
    return mask if bool(mask.any()) else torch.ones_like(mask)
