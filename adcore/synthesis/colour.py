"""Random colours that stay grey where the images are grey."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from adcore.synthesis.draws import uniform


def is_grey(image: Tensor) -> bool:
    """Whether an image [3, H, W] has no colour: coloured defects would give themselves away."""
    return bool((image.amax(0) - image.amin(0)).mean() < 0.01)


def random_colour(image: Tensor, generator: torch.Generator) -> Tensor:
    """Any colour, [3, 1, 1]; any grey where the image is grey."""
    colour = torch.rand(3, 1, 1, generator=generator).to(image.device)
    return colour[:1].expand(3, 1, 1) if is_grey(image) else colour


def jitter(patch: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue at random.

    Args:
        patch: float [3, h, w].
        strength: largest relative change of brightness, contrast and saturation; 1 turns the hue by up to half
            a circle.
        generator: source of randomness.

    Returns:
        float [3, h, w] in [0, 1]; grey stays grey.
    """
    brightness, contrast, saturation = (uniform(generator, (1 - strength, 1 + strength)) for _ in range(3))
    turn = math.pi * uniform(generator, (-strength, strength))
    # All four are linear: the hue turns about the grey axis (Rodrigues' formula), saturation is the distance from it.
    grey = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    hue = grey + saturation * (math.cos(turn) * (torch.eye(3) - grey) + math.sin(turn) * cross)
    mean = patch.mean((1, 2), keepdim=True)
    matrix = hue.to(patch)
    return ((matrix @ ((patch - mean) * contrast + mean).flatten(1)).view_as(patch) * brightness).clamp(0, 1)
