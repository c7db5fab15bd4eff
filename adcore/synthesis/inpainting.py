"""Filling a region from its surroundings: their colours continued inwards, their grain laid over."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_dilation, distance_transform_edt
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import splu
from torch import Tensor

from adcore.synthesis.region import soft

MARGIN = 2
"""Pixels by which a region is widened, so that its own edge does not colour the fill."""
COARSE = 3000
"""Most unknowns of the exact solution; larger regions are filled at a coarser scale, as harmonic fills are smooth."""


def inpaint(image: Tensor, region: Tensor) -> Tensor:
    """Fill a region so that it looks as if nothing had been there.

    The colours solve Laplace's equation with the region's border as boundary values; the grain (what a small blur takes
    away) is taken from the nearest surroundings, mirrored at the border.

    Args:
        image: float [3, H, W].
        region: bool [H, W].

    Returns:
        float [3, H, W], unchanged away from the region; the image itself if the region covers it.
    """
    wide = torch.from_numpy(binary_dilation(region.cpu().numpy(), iterations=MARGIN)).to(region.device)
    if bool(wide.all()) or not bool(region.any()):
        return image.clone()
    rows, columns = (_extent(wide.any(axis), MARGIN + 6) for axis in (1, 0))
    window, inside = image[:, rows, columns], wide[rows, columns]  # [3, h, w], [h, w]
    if bool(inside.all()):
        return image.clone()
    grain = window - _blurred(window)
    fill = harmonic(_blurred_outside(window, inside), inside) + _mirrored(grain, inside)
    result = image.clone()
    result[:, rows, columns] = window.lerp(fill, soft(inside))
    return result


def harmonic(image: Tensor, region: Tensor) -> Tensor:
    """Solve Laplace's equation in a region.

    Args:
        image: float [C, h, w], whose values around the region are kept; at the image's edge the slope is 0.
        region: bool [h, w], somewhere False.

    Returns:
        float [C, h, w].
    """
    step = 1
    while float(region.sum()) / step**2 > COARSE:
        step *= 2
    if step == 1:
        return _solved(image, region)
    # What is known is averaged over known pixels alone; cells that hold none are unknown.
    height, width = region.shape
    known = F.pad((~region).float()[None], (0, -width % step, 0, -height % step))
    values = F.pad(image * ~region, (0, -width % step, 0, -height % step))
    weight = F.avg_pool2d(known, step)  # [1, h', w']
    small = F.avg_pool2d(values, step) / weight.clamp(min=1e-6)
    filled = _solved(small, weight[0] == 0)
    large = F.interpolate(filled[None], scale_factor=step, mode="bilinear", align_corners=False)[0]
    return torch.where(region, large[:, :height, :width], image)


def _solved(image: Tensor, region: Tensor) -> Tensor:
    inside = region.cpu().numpy()
    if not inside.any() or inside.all():
        return image.clone()
    number = np.full(inside.shape, -1)
    number[inside] = np.arange(inside.sum())
    at = np.argwhere(inside)
    values = image.cpu().numpy()
    n = len(at)
    right, degree = np.zeros((n, len(values)), np.float64), np.zeros(n)
    rows, columns = [np.arange(n)], [np.arange(n)]
    weights = []
    for offset in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        there = at + offset
        ok = ((there >= 0) & (there < inside.shape)).all(1)
        degree += ok
        index = np.flatnonzero(ok)
        y, x = there[index].T
        unknown = inside[y, x]
        rows.append(index[unknown])
        columns.append(number[y[unknown], x[unknown]])
        right[index[~unknown]] += values[:, y[~unknown], x[~unknown]].T
    weights = np.r_[degree, -np.ones(sum(map(len, rows[1:])))]
    matrix = csr_matrix((weights, (np.concatenate(rows), np.concatenate(columns))), (n, n))
    solution = splu(matrix.tocsc()).solve(right)  # [n, C]
    result = image.clone()
    result[:, region] = torch.from_numpy(solution.T.astype(np.float32)).to(image)
    return result


def _blurred(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, 5, 1, 2, count_include_pad=False)


def _blurred_outside(image: Tensor, inside: Tensor) -> Tensor:
    """Means over the neighbourhood of each pixel, of pixels outside the region alone."""
    known = (~inside)[None].float()
    return _blurred(image * known) / _blurred(known).clamp(min=1e-6)


def _mirrored(grain: Tensor, inside: Tensor) -> Tensor:
    """Grain for each pixel of the region from the point as far outside the nearest border as it lies inside."""
    height, width = inside.shape
    _, (row, column) = distance_transform_edt(inside.cpu().numpy(), return_indices=True)
    y, x = np.mgrid[:height, :width]
    away_y, away_x = 2 * row - y, 2 * column - x
    for away, length in ((away_y, height), (away_x, width)):
        np.abs(away, out=away)
        np.minimum(away, 2 * (length - 1) - away, out=away)
        np.clip(away, 0, length - 1, out=away)
    free = ~inside.cpu().numpy()[away_y, away_x]
    taken = grain[:, torch.from_numpy(away_y), torch.from_numpy(away_x)]
    return taken * torch.from_numpy(free).to(grain)


def _extent(wanted: Tensor, margin: int) -> slice:
    at = wanted.nonzero()
    return slice(max(0, int(at[0]) - margin), int(at[-1]) + margin + 1)
