"""Approximate nearest neighbours in very large banks, by FAISS (an extra)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from adcore.errors import UserError

LISTS_PER_ROOT = 2
"""Cells of the inverted file, as a multiple of the square root of the bank's size."""

PROBES = 16
"""Cells that are looked through for each point."""

_TRAINED_ON = 40  # rows for each cell; FAISS warns below 39
_opened: WeakIdKeyDictionary = WeakIdKeyDictionary()  # index of each tensor that `nearest` has seen


def check_installed() -> None:
    """Refuse where FAISS is missing.

    Raises:
        UserError: how to install it.
    """
    _faiss()


def build(bank: Tensor) -> Tensor:
    """An inverted file over a bank [M, C], which it holds, as bytes, uint8 [n]. A small bank is one cell: exact."""
    faiss = _faiss()
    rows = bank.cpu().numpy()
    cells = max(1, min(round(LISTS_PER_ROOT * math.sqrt(len(rows))), len(rows) // _TRAINED_ON))
    quantizer = faiss.IndexFlatL2(rows.shape[1])
    index = faiss.IndexIVFFlat(quantizer, rows.shape[1], cells)
    index.cp.niter = 10
    index.cp.max_points_per_centroid = _TRAINED_ON
    index.cp.min_points_per_centroid = 1
    index.train(rows)
    index.add(rows)
    return torch.from_numpy(faiss.serialize_index(index))


def nearest(points: Tensor, index: Tensor) -> Tensor:
    """Euclidean distance of points [P, C] to the nearest row found in what `build` returned, [P]."""
    faiss = _faiss()
    if index not in _opened:
        _opened[index] = faiss.deserialize_index(index.cpu().numpy())
        _opened[index].nprobe = PROBES
    squares, _ = _opened[index].search(points.cpu().numpy(), 1)
    return torch.from_numpy(squares[:, 0]).to(points).clamp_min_(0).sqrt_()


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise UserError("index: faiss needs FAISS: pip install 'adcore[faiss]', or write index: exact") from None
    return faiss
