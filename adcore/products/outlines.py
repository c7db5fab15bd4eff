"""Random shapes: polygons, gears, free outlines, wires, turned parts, and what is joined and cut of them."""

from __future__ import annotations

import math

import numpy as np

from adcore.products.draws import Random, chance, log_uniform, weighted
from adcore.products.plane import Frame
from adcore.products.shapes import ANGLES, Box, Ellipse, Hollow, Joined, Path, Polar, Profile, Shape


def polygon(rng: Random, radius: float, sides: int, regular: bool) -> Polar:
    """A polygon, regular or not, that holds the origin."""
    jitter = 0 if regular else rng.uniform(-0.35, 0.35, sides)
    corners = np.sort((np.arange(sides) + jitter) * 2 * np.pi / sides)
    lengths = radius * (np.ones(sides) if regular else rng.uniform(0.6, 1.0, sides))
    at = np.arange(ANGLES) * 2 * np.pi / ANGLES
    index = np.searchsorted(corners, at, "right") % sides
    a, b = (index - 1) % sides, index
    p, q = np.stack([np.cos(corners), np.sin(corners)]) * lengths, np.stack([np.cos(at), np.sin(at)])
    edge = p[:, b] - p[:, a]
    normal = np.stack([edge[1], -edge[0]])
    radii = (normal * p[:, a]).sum(0) / np.maximum((normal * q).sum(0), 1e-6)
    return Polar(np.clip(radii, 0.05 * radius, radius).astype(np.float32))


def star(rng: Random, radius: float) -> Polar:
    """A gear, a star or a flower."""
    teeth, deep = int(rng.integers(4, 28)), rng.uniform(0.05, 0.35)
    wave = np.cos(teeth * np.arange(ANGLES) * 2 * np.pi / ANGLES)
    teeth_form = np.tanh(wave * log_uniform(rng, 0.5, 8)) / np.tanh(8)
    return Polar((radius * (1 - deep / 2 + deep / 2 * teeth_form)).astype(np.float32))


def free(rng: Random, radius: float) -> Polar:
    """A smooth random outline (Fourier)."""
    at, radii = np.arange(ANGLES) * 2 * np.pi / ANGLES, np.zeros(ANGLES)
    for k in range(1, int(rng.integers(3, 8))):
        radii += rng.normal(0, 0.4 / (k + 0.5)) * np.cos(k * at + rng.uniform(0, 2 * np.pi))
    radii = np.exp(np.clip(0.6 * radii, -0.9, 0.9))
    return Polar((radius * radii / radii.max()).astype(np.float32))


def wire(rng: Random, radius: float) -> Path:
    """A bent wire, hook or clip."""
    turns = rng.uniform(0.2, 1.6, int(rng.integers(2, 6))) * rng.choice([-1, 1])
    steps = np.stack([np.cos(turns.cumsum()), np.sin(turns.cumsum())], 1)
    points = np.r_[[[0.0, 0.0]], steps.cumsum(0)]
    points -= (points.min(0) + points.max(0)) / 2
    width = radius * rng.uniform(0.04, 0.2)
    return Path((points * (radius - width) / np.hypot(*points.T).max()).astype(np.float32), width)


def turned(rng: Random, half: float) -> Profile:
    """A random turned part: a few sections of constant or changing width, one perhaps with a thread."""
    n = 240
    cuts = np.r_[0, np.sort(rng.uniform(0.1, 0.9, int(rng.integers(1, 5)))), 1] * n
    widths, thick = np.zeros(n + 1), half * log_uniform(rng, 0.12, 0.5)
    for low, high in zip(cuts[:-1].astype(int), cuts[1:].astype(int), strict=True):
        ends = thick * rng.uniform(0.35, 1, 2) if chance(rng, 0.4) else np.full(2, thick * rng.uniform(0.35, 1))
        section = np.linspace(ends[0], ends[1], high + 1 - low)
        if chance(rng, 0.4):
            pitch = rng.uniform(5, 14)
            section = section * (1 - 0.22 * np.abs(np.mod(np.arange(len(section)) / pitch, 1) * 2 - 1))
        widths[low : high + 1] = section
    if chance(rng, 0.6):  # rounded or pointed ends
        end = rng.uniform(4, 40)
        at = np.arange(n + 1)
        widths *= np.clip(at / end, 0, 1) ** 0.5 * np.clip((n - at) / rng.uniform(2, 30), 0.0, 1) ** 0.5
    return Profile(half, widths.astype(np.float32))


KINDS = {
    "ellipse": 1.5,
    "box": 2.0,
    "rod": 1.0,
    "polygon": 1.0,
    "regular": 0.8,
    "star": 0.8,
    "free": 1.0,
    "turned": 1.4,
    "wire": 0.5,
}


def draw(rng: Random, radius: float, kinds: dict[str, float] | None = None, simple: bool = False) -> Shape:
    """One shape of about a radius.

    Args:
        rng: decides it.
        radius: half its length.
        kinds: some of `KINDS`, with weights.
        simple: leave out rims, notches and joined shapes.
    """
    kind = weighted(rng, kinds or KINDS)
    aspect = log_uniform(rng, 0.45, 1)
    shape: Shape
    if kind == "ellipse":
        shape = Ellipse(radius, radius * (1 if chance(rng, 0.6) else aspect))
    elif kind == "box":
        a, b = radius * 0.85, radius * 0.85 * (1 if chance(rng, 0.3) else aspect)
        shape = Box(a, b, b * rng.uniform(0, 0.5) if chance(rng, 0.7) else 0.0)
    elif kind == "rod":
        width = radius * log_uniform(rng, 0.08, 0.4)
        shape = Box(radius, width, width * rng.uniform(0, 1))
    elif kind == "star":
        shape = star(rng, radius)
    elif kind == "free":
        shape = free(rng, radius)
    elif kind == "turned":
        shape = turned(rng, radius)
    elif kind == "wire":
        shape = wire(rng, radius)
    else:
        shape = polygon(rng, radius, int(rng.integers(3, 9)), kind == "regular")
    if simple or kind in ("turned", "rod", "wire") or not chance(rng, 0.35):
        return shape
    how = weighted(rng, {"rim": 1, "notch": 1, "join": 1})
    if how == "rim":
        return Hollow(shape, radius * rng.uniform(0.15, 0.5))
    angle, out = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.5, 0.9)
    frame = Frame(out * math.cos(angle), out * math.sin(angle), angle)
    other = draw(rng, radius * rng.uniform(0.15, 0.4), {"ellipse": 1, "box": 2, "regular": 1}, simple=True)
    return Joined(shape, other, frame, how == "notch")
