"""Small inputs on which components are tried, the same each time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from adcore.interfaces import Features
from adcore.testing.subject import CHANNELS, STRIDES

SIZE = (48, 40)
"""Height and width of images, a whole number of cells at every stride of the built-in pyramid."""

CELLS = tuple((SIZE[0] // stride, SIZE[1] // stride) for stride in STRIDES)
"""Height and width of the levels of the built-in pyramid."""


def generator(seed: int = 0) -> torch.Generator:
    """A generator on the CPU."""
    return torch.Generator().manual_seed(seed)


def images(count: int, height: int = SIZE[0], width: int = SIZE[1], seed: int = 0) -> Tensor:
    """Textured images, float [count, 3, H, W] in [0, 1]: coloured waves with grain."""
    draws = generator(seed)
    phase = 6 * torch.rand(count, 3, 1, 1, generator=draws)
    y, x = torch.arange(height)[:, None] / 64, torch.arange(width)[None] / 64
    waves = 0.5 + 0.25 * torch.sin(40 * (x + 0.3 * y) + phase) + 0.1 * torch.sin(15 * y)
    return (waves + 0.05 * torch.randn(count, 3, height, width, generator=draws)).clamp(0, 1)


def pyramid(count: int, seed: int = 0) -> Features:
    """Features [count, C_l, H_l, W_l] of the built-in pyramid's channels and strides."""
    draws = generator(seed)
    return tuple(torch.randn(count, c, *cells, generator=draws) for c, cells in zip(CHANNELS, CELLS, strict=True))


def rows(features: Features, chosen: list[int]) -> Features:
    """Some images of a pyramid, in the order given."""
    return tuple(level[chosen] for level in features)


def points(count: int, groups: int = 2, dimension: int = 8, seed: int = 0) -> np.ndarray:
    """Embeddings around a few directions, unit-norm float32 [count, dimension]."""
    draws = np.random.default_rng(seed)
    centres = draws.standard_normal((groups, dimension))
    drawn = centres[np.arange(count) % groups] + 0.1 * draws.standard_normal((count, dimension))
    return unit(drawn)


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of unit norm, float32."""
    scaled: np.ndarray = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def maps(seed: int = 0, count: int = 3, branches: tuple[str, ...] = ("reference", "contrastive")) -> dict[str, Tensor]:
    """Maps of normal images by branch, float [count, 12, 10] in [0, 1]."""
    draws = generator(seed)
    return {branch: torch.rand(count, *CELLS[0], generator=draws) for branch in branches}
