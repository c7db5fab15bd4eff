"""Random numbers from an explicit generator, and the ranges they are drawn from."""

from __future__ import annotations

import math

import torch

from adcore.errors import UserError

Range = tuple[float, float]
"""Lowest and highest value."""


def uniform(generator: torch.Generator, between: Range) -> float:
    """One number, all in the range equally likely."""
    low, high = between
    return low + (high - low) * float(torch.rand((), generator=generator))


def log_uniform(generator: torch.Generator, between: Range) -> float:
    """One positive number, all orders of magnitude in the range equally likely: small is as frequent as large."""
    low, high = between
    return math.exp(uniform(generator, (math.log(low), math.log(high))))


def chance(generator: torch.Generator, probability: float) -> bool:
    """True with the given probability."""
    return float(torch.rand((), generator=generator)) < probability


def check_within(setting: str, value: float | Range, limits: Range) -> None:
    """Refuse a number of a recipe that leaves its limits, or a range that does or is upside down.

    Args:
        setting: component and setting, such as ``nsa: size``.
        value: a number or a range.
        limits: what it may lie in, both ends included.

    Raises:
        UserError: names the setting, its value and what it may be.
    """
    low, high = value if isinstance(value, (tuple, list)) else (value, value)
    if not limits[0] <= low <= high <= limits[1]:
        form = "a number" if low is value else "[lowest, highest]"
        raise UserError(f"{setting} is {value}; write {form} between {limits[0]:g} and {limits[1]:g}")
