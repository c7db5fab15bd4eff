"""Perlin noise (SIGGRAPH 1985, with the smoother fade of 2002) at any points of a plane."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def perlin(u: Tensor, v: Tensor, generator: torch.Generator) -> Tensor:
    """Smooth noise whose features are about one unit wide.

    Args:
        u: float [...], first coordinate of each point, in cells of the noise.
        v: float [...], second coordinate.
        generator: source of randomness.

    Returns:
        float [...] in about [-0.71, 0.71], mean 0.
    """
    shift_u, shift_v = torch.rand(2, generator=generator).tolist()
    u, v = u - u.min() + shift_u, v - v.min() + shift_v
    i, j = u.floor().long(), v.floor().long()
    u, v = u - i, v - j
    lattice = (int(i.max()) + 2, int(j.max()) + 2)
    turn = (2 * math.pi * torch.rand(lattice, generator=generator)).to(u.device)
    gradient_u, gradient_v = turn.cos().flatten(), turn.sin().flatten()
    corner = i * lattice[1] + j

    def slope(du: int, dv: int) -> Tensor:
        at = corner + du * lattice[1] + dv
        return gradient_u[at] * (u - du) + gradient_v[at] * (v - dv)

    fade_u, fade_v = _fade(u), _fade(v)
    top = slope(0, 0).lerp(slope(0, 1), fade_v)
    bottom = slope(1, 0).lerp(slope(1, 1), fade_v)
    return top.lerp(bottom, fade_u)


def _fade(t: Tensor) -> Tensor:
    return t * t * t * (t * (t * 6 - 15) + 10)
