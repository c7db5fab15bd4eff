"""Coherent regions: pieces of an image that hang together, such as a part, a print or a cell of a pattern."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from scipy.ndimage import binary_closing, binary_fill_holes, label
from torch import Tensor

from adcore.synthesis.draws import Range, log_uniform, uniform
from adcore.synthesis.noise import perlin
from adcore.synthesis.patch import Patch, Point, side

GRID = 48
"""Cells per side on which places of contrast are looked for."""
CANDIDATES = 6
SOFT = 1.0
"""Width of a region's soft edge, in pixels."""


def salient_place(image: Tensor, objects: Tensor, generator: torch.Generator) -> Point:
    """Draw a place on the object, the likelier the more it differs from its surroundings.

    Args:
        image: float [3, H, W].
        objects: bool [H, W], True on the object, somewhere.
        generator: source of randomness.

    Returns:
        Row and column of a pixel of the object.
    """
    height, width = objects.shape
    grid = (min(height, GRID), min(width, GRID))
    small = F.adaptive_avg_pool2d(image[None], grid)  # [1, 3, h, w]
    around = F.avg_pool2d(small, 9, 1, 4, count_include_pad=False)
    inside = F.adaptive_avg_pool2d(objects[None, None].float(), grid)[0, 0] > 0.5  # [h, w]
    contrast = (small - around).abs().amax((0, 1)) * inside
    weights = (contrast + 0.02 * inside + 1e-6).flatten().cpu()
    cell = int(torch.multinomial(weights, 1, generator=generator))
    row, column = divmod(cell, grid[1])
    y = (row + uniform(generator, (0, 1))) * height / grid[0]
    x = (column + uniform(generator, (0, 1))) * width / grid[1]
    return min(int(y), height - 1), min(int(x), width - 1)


def coherent_region(image: Tensor, objects: Tensor, size: Range, share: float, generator: torch.Generator) -> Tensor:
    """Draw a connected region of similar colour around a salient place.

    Where nothing of the wanted size hangs together, as in fine grain, it is all within an irregular outline.

    Args:
        image: float [3, H, W].
        objects: bool [H, W], True on the object.
        size: smallest and largest diameter, as fractions of the image's side.
        share: how much of it shall lie on the object; the best of several where that is not to be had.
        generator: source of randomness.

    Returns:
        bool [H, W], not empty.
    """
    best, best_share = torch.zeros_like(objects), -1.0
    for _ in range(CANDIDATES):
        centre = salient_place(image, objects, generator)
        diameter = max(4.0, log_uniform(generator, size) * side(image))
        region = _grown(image, centre, diameter, uniform(generator, (0.04, 0.2)), generator)
        on_object = float(objects[region].float().mean())
        if on_object > best_share:
            best, best_share = region, on_object
        if best_share >= share:
            break
    return best


def _grown(image: Tensor, centre: Point, diameter: float, tolerance: float, generator: torch.Generator) -> Tensor:
    """What around a pixel [row, column] is like it, within an irregular outline; all within where that is nothing."""
    patch = Patch.at(image, centre, (diameter / 2, diameter / 2), uniform(generator, (0, math.pi)))
    stretch, cell = uniform(generator, (0.7, 1.0)), diameter * uniform(generator, (0.3, 0.8))
    ragged = uniform(generator, (0.2, 0.8)) * perlin(patch.u / cell, patch.v / cell, generator)
    within = (patch.u.square() + (patch.v / stretch).square()) * (4 / diameter**2) < 0.8 + ragged
    window = patch.cut(image)
    smooth = F.avg_pool2d(F.pad(window[None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0]
    row, column = int(centre[0]) - patch.rows.start, int(centre[1]) - patch.columns.start
    colour = smooth[:, row, column][:, None, None]
    like = ((smooth - colour).abs().amax(0) < tolerance) & within
    pieces, _ = label(like.cpu().numpy())
    piece = pieces == pieces[row, column] if pieces[row, column] else pieces < 0
    piece = binary_fill_holes(binary_closing(piece, iterations=1) | piece)
    full = torch.zeros(image.shape[-2:], dtype=torch.bool, device=image.device)
    grown = torch.from_numpy(piece).to(image.device)
    if float(grown.sum()) < 0.12 * diameter**2:
        grown = within
        grown[row, column] = True
    patch.cut(full).copy_(grown)
    return full


def soft(region: Tensor, width: float = SOFT) -> Tensor:
    """A region bool [H, W] with a soft edge about so many pixels wide on either side, float [H, W] in [0, 1]."""
    radius = max(1, round(width))
    kernel = 2 * radius + 1
    return F.avg_pool2d(region[None].float(), kernel, 1, radius, count_include_pad=False)[0]
