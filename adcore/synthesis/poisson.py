"""Seamless pasting: Poisson image editing (Perez et al., SIGGRAPH 2003), solved exactly by a sine transform."""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import dstn, idstn
from torch import Tensor


def solve(right: Tensor) -> Tensor:
    """Solve the discrete Poisson equation on a rectangle with zeros around it.

    The five-point Laplacian is diagonal in the basis of sines (DST-I), so two fast transforms give the exact solution.

    Args:
        right: float [C, h, w], the Laplacian that is asked for.

    Returns:
        float [C, h, w] whose five-point Laplacian, with zeros outside, is `right`.
    """
    height, width = right.shape[-2:]
    values = right.cpu().numpy()
    rows = 2 * np.cos(np.pi * np.arange(1, height + 1) / (height + 1)) - 2
    columns = 2 * np.cos(np.pi * np.arange(1, width + 1) / (width + 1)) - 2
    eigenvalues = np.add.outer(rows, columns).astype(values.dtype)  # [h, w], all negative
    spectrum = dstn(values, type=1, axes=(-2, -1)) / eigenvalues
    return torch.from_numpy(idstn(spectrum, type=1, axes=(-2, -1))).to(right)


def blend(patch: Tensor, target: Tensor, region: Tensor | None = None, mixed: bool = False) -> Tensor:
    """Give the target the patch's gradients, without a seam (Perez et al., eq. 7 with 11).

    Args:
        patch: float [C, h, w], what is pasted.
        target: float [C, h, w], where it goes; its outermost pixels stay as they are.
        region: bool [h, w], pixels between which gradients are replaced; all by default. Around it the result
            relaxes to the target.
        mixed: keep the target's gradients where they are stronger than the patch's (eq. 13).

    Returns:
        float [C, h, w], not clamped.
    """
    if min(target.shape[-2:]) < 3:
        return target.clone()
    # The change has to have these gradients, and to be zero at the outermost pixels.
    down = patch.diff(dim=-2) - target.diff(dim=-2)  # [C, h-1, w]
    right = patch.diff(dim=-1) - target.diff(dim=-1)  # [C, h, w-1]
    if mixed:
        down = down * _stronger(patch.diff(dim=-2), target.diff(dim=-2))
        right = right * _stronger(patch.diff(dim=-1), target.diff(dim=-1))
    if region is not None:
        down = down * (region[1:] & region[:-1])
        right = right * (region[:, 1:] & region[:, :-1])
    divergence = down.diff(dim=-2)[..., 1:-1] + right.diff(dim=-1)[..., 1:-1, :]  # [C, h-2, w-2]
    result = target.clone()
    result[..., 1:-1, 1:-1] += solve(divergence)
    return result


def _stronger(patch: Tensor, target: Tensor) -> Tensor:
    """Where the patch's gradient is the stronger, over all channels together so that no colour fringes arise."""
    return patch.square().sum(0) > target.square().sum(0)
