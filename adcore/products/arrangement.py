"""Where parts go: rows, grids, circles and scattered places that keep clear of each other."""

from __future__ import annotations

import math

import numpy as np

from adcore.products.draws import Random, weighted
from adcore.products.plane import Frame
from adcore.products.shapes import Shape

HOW = {"row": 1.0, "grid": 1.5, "circle": 1.0}


def regular(rng: Random, radius: float, most: int, spread: float = 1.0) -> list[Frame]:
    """Places in a row, a grid or a circle within a radius.

    Args:
        rng: decides them.
        radius: of the circle that holds the places.
        most: largest number of places.
        spread: share of the radius that is used.
    """
    how, radius = weighted(rng, HOW), radius * spread
    turn = 0.0 if rng.random() < 0.6 else float(rng.choice([math.pi / 2, rng.uniform(0, math.pi)]))
    if how == "circle":
        n = int(rng.integers(3, max(4, min(most, 12) + 1)))
        out = radius * rng.uniform(0.55, 0.95)
        angles = [turn + 2 * math.pi * i / n for i in range(n)]
        return [Frame(out * math.cos(a), out * math.sin(a), a) for a in angles]
    columns = int(rng.integers(2, max(3, min(most, 9) + 1)))
    rows = 1 if how == "row" else int(rng.integers(2, max(3, most // columns + 1)))
    step_u, step_v = 2 * radius / columns, (2 * radius / rows if rows > 1 else 0.0)
    if rows > 1 and rng.random() < 0.5:
        step_u = step_v = min(step_u, step_v)
    cos, sin = math.cos(turn), math.sin(turn)
    frames = []
    for row in range(rows):
        for column in range(columns):
            u, v = (column - (columns - 1) / 2) * step_u, (row - (rows - 1) / 2) * step_v
            frames.append(Frame(u * cos - v * sin, u * sin + v * cos, turn))
    return frames


def spacing(frames: list[Frame]) -> float:
    """Smallest distance between two places; 1 for a single one."""
    if len(frames) < 2:
        return 1.0
    at = np.array([(frame.x, frame.y) for frame in frames])
    distance = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    return float(distance[~np.eye(len(at), dtype=bool)].min())


def free_place(rng: Random, taken: list[tuple[Frame, float]], radius: float, half: tuple[float, float]) -> Frame | None:
    """A place in a rectangle that keeps clear of others, or None if none was found.

    Args:
        rng: decides it.
        taken: places and the radii that they need; the new one is added.
        radius: that the new one needs.
        half: half sides of the rectangle.
    """
    for _ in range(12):
        x, y = (rng.uniform(-1, 1) * max(0.0, side - radius) for side in half)
        if all(math.hypot(x - frame.x, y - frame.y) >= radius + other for frame, other in taken):
            frame = Frame(float(x), float(y))
            taken.append((frame, radius))
            return frame
    return None


def inside(shape: Shape, frame: Frame, radius: float) -> bool:
    """Whether a circle lies in a shape."""
    at = (np.full((1, 1), value, np.float32) for value in (frame.x, frame.y))
    return float(shape.depth(*at)[0, 0]) >= 0.9 * radius
