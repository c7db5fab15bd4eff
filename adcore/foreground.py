"""Which cells show the part and which the background, from the first principal component of reference patches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.interfaces import State

KEYS = ("axis", "origin", "limit", "usual")


def learn_foreground(patches: Tensor, size: tuple[int, int]) -> State:
    """How to tell the part from the background, under keys that begin with ``foreground.``.

    Background fills the border of the image, part its middle; the threshold lies where the variance between the two is
    largest (Otsu, 1979). Source: AnomalyDINO (Damm et al., WACV 2025), section 3.2.

    Args:
        patches: float [n, h * w, C] of n references.
        size: the grid (h, w).
    """
    rows = patches.flatten(0, 1).double()
    origin = rows.mean(0)
    centred = rows - origin
    axis = torch.linalg.eigh(centred.T @ centred)[1][:, -1]  # of the largest eigenvalue
    heights = (centred @ axis).view(len(patches), *size)
    border = torch.ones(size, dtype=torch.bool, device=patches.device)
    border[1:-1, 1:-1] = False
    if not border.all() and heights[:, border].mean() > heights[:, ~border].mean():
        axis, heights = -axis, -heights
    limit = _otsu(heights.flatten())
    usual = (heights > limit).double().mean(0)
    found = {"axis": axis.float(), "origin": origin.float(), "limit": limit.float(), "usual": usual.float()}
    return {f"foreground.{key}": value for key, value in found.items()}


def foreground(patches: Tensor, state: State) -> Tensor:
    """Where an image shows the part or most references do, and the cells around; float [n, h, w] of 0 and 1.

    A part that is missing thus still counts as foreground, where parts are aligned.

    Args:
        patches: float [n, h * w, C] of n images.
        state: holds what `learn_foreground` returned.
    """
    axis, origin, limit, usual = (state[f"foreground.{key}"] for key in KEYS)
    part = ((patches - origin) @ axis > limit).view(-1, *usual.shape) | (usual >= 0.5)
    return F.max_pool2d(part.to(patches.dtype)[:, None], 3, 1, 1)[:, 0]


def _otsu(values: Tensor) -> Tensor:
    """The threshold between two groups of values [N] that differ most."""
    ordered = values.sort().values
    count = torch.arange(1, len(ordered), dtype=ordered.dtype, device=ordered.device)
    sums = ordered.cumsum(0)
    low = sums[:-1] / count
    high = (sums[-1] - sums[:-1]) / (len(ordered) - count)
    between = count * (len(ordered) - count) * (high - low).square()
    best = int(between.argmax()) if len(between) else 0
    return ordered[best : best + 2].mean()
