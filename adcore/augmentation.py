"""What images may differ by and still be normal: position on the sensor, rotation, light and noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def flip_and_turn(image: Tensor, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror and turn by quarter turns image [3, H, W] and mask [H, W] alike; half turns only where H and W differ."""
    flip, turns = torch.randint(2, (), generator=generator), int(torch.randint(4, (), generator=generator))
    if image.shape[1] != image.shape[2]:
        turns = turns // 2 * 2
    if flip:
        image, mask = image.flip(-1), mask.flip(-1)
    return image.rot90(turns, (-2, -1)), mask.rot90(turns, (-2, -1))


def tone_and_noise(image: Tensor, generator: torch.Generator, probability: float = 0.75) -> Tensor:
    """Change gain (10 %), offset (5 %), gamma (10 %) and add sensor noise (sigma 1 %); or leave the image [3, H, W]."""
    draws: list[float] = torch.rand(5, generator=generator).tolist()
    gain, offset, gamma, noise, chance = draws
    if chance >= probability:
        return image
    image = image.clamp(0, 1) ** (0.9 + 0.2 * gamma) * (0.9 + 0.2 * gain) + 0.1 * (offset - 0.5)
    return (image + 0.01 * noise * torch.randn(image.shape, generator=generator)).clamp(0, 1)


def rotate(images: Tensor, degrees: float) -> Tensor:
    """Rotate [B, 3, H, W] about the centre, counter-clockwise; what comes in from outside repeats the edge."""
    height, width = images.shape[-2:]
    if degrees % (90 if height == width else 180) == 0:
        return images.rot90(round(degrees / 90), (-2, -1))
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    cos, sin = angle.cos().item(), angle.sin().item()
    ratio = height / width  # the affine grid is in units of half a side, rotation is in pixels
    theta = images.new_tensor([[cos, -sin * ratio, 0.0], [sin / ratio, cos, 0.0]])
    grid = F.affine_grid(theta.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
