"""Cells of a grid, numbered row by row: which are near each other, and which lie in which of a coarser grid."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


@functools.lru_cache(maxsize=8)
def neighbours(h: int, w: int) -> Tensor:
    """Whether two cells are neighbours, bool [h * w, h * w]."""
    reach = min(max(h, w) // 2 - 1, max(2, max(h, w) // 8))
    row, column = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    row, column = row.flatten(), column.flatten()
    return torch.maximum((row[:, None] - row).abs(), (column[:, None] - column).abs()) <= reach


@functools.lru_cache(maxsize=8)
def around(h: int, w: int, radius: int) -> Tensor:
    """Cells at most `radius` rows and columns from each cell, int [h * w, (2 * radius + 1) ** 2]; the edge repeats."""
    steps = torch.arange(-radius, radius + 1)
    rows = (torch.arange(h)[:, None] + steps).clamp(0, h - 1)  # [h, n]
    columns = (torch.arange(w)[:, None] + steps).clamp(0, w - 1)  # [w, n]
    return (rows[:, None, :, None] * w + columns[None, :, None, :]).reshape(h * w, -1)


@functools.lru_cache(maxsize=16)
def coarser(h: int, w: int, rows: int, columns: int) -> Tensor:
    """For each cell of a grid `rows` x `columns` the cell of the grid h x w that it lies in, int [rows * columns]."""
    row, column = torch.arange(rows) * h // rows, torch.arange(columns) * w // columns
    return (row[:, None] * w + column).flatten()
