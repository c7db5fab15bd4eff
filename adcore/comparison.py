"""One image beside references, patch by patch, at three scales: the distances that a relation is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.cells import around, coarser, neighbours

SCALES = 3
"""Scales at which patches are compared, whatever the number of a backbone's levels."""

CHUNK = 256
"""Patches compared with one reference at once; their similarities stay in the cache."""

Scales = list[Tensor]
"""Unit-norm patches of one image, a float [h_s * w_s, C_s] for each scale, fine to coarse."""


@dataclass(frozen=True)
class Grids:
    """The grid of each scale, (h, w), and the finest of them, on which everything is told.

    Attributes:
        sizes: by scale.
        window: cells of the finest grid by which a patch may have moved and still be in its place.
    """

    sizes: tuple[tuple[int, int], ...]
    window: int = 2

    @property
    def finest(self) -> tuple[int, int]:
        """Size (h, w) of the finest grid."""
        return max(h for h, _ in self.sizes), max(w for _, w in self.sizes)

    def cells(self, scale: int) -> Tensor | None:
        """For each cell of the finest grid the cell of a scale that it lies in, int [h * w]; None for its own."""
        size = self.sizes[scale]
        return None if size == self.finest else coarser(*size, *self.finest)

    def enlarged(self, values: Tensor, scale: int) -> Tensor:
        """Values [h_s * w_s] of a scale on the finest grid [h, w], bilinear."""
        grid = values.view(self.sizes[scale])
        if self.sizes[scale] == self.finest:
            return grid
        return F.interpolate(grid[None, None], self.finest, mode="bilinear", align_corners=False)[0, 0]

    def joined(self, patches: Scales) -> Tensor:
        """All scales as one vector for each cell of the finest grid, [h * w, C]."""
        cells = [self.cells(scale) for scale in range(len(patches))]
        return torch.cat([one if at is None else one[at] for one, at in zip(patches, cells, strict=True)], 1)


@dataclass(frozen=True)
class Nearness:
    """Cosine distances of the patches of one image.

    Attributes:
        scales: to the most similar reference patch, by scale, [S, h, w].
        joint: the same over all scales at once, [h, w].
        placed: the same among reference patches at about the same place, [h, w].
        match: reference and cell of the joint's most similar patch, as `reference * h * w + cell`, int [h, w].
        own_scales: to the most similar patch of the image itself, its neighbourhood left out, [S, h, w].
        own_joint: the same over all scales at once, [h, w].
    """

    scales: Tensor
    joint: Tensor
    placed: Tensor
    match: Tensor
    own_scales: Tensor
    own_joint: Tensor


def nearness(image: Scales, references: Sequence[Scales], grids: Grids) -> Nearness:
    """Compare each patch of an image with all patches of the references and with the image's own.

    Args:
        image: its patches.
        references: patches of each reference; with none, the image's own patches take their place.
        grids: the grids that they lie on.
    """
    own = _Search(image, image, grids, itself=True)
    found = [_Search(image, reference, grids) for reference in references] or [own]
    joint, match = torch.stack([one.joint for one in found]).max(0)
    cells = torch.stack([one.match for one in found]).gather(0, match[None])[0]
    h, w = grids.finest
    return Nearness(
        scales=_distances([one.scales for one in found], grids),
        joint=1 - joint.view(h, w),
        placed=1 - torch.stack([one.placed for one in found]).amax(0).view(h, w),
        match=(match * h * w + cells).view(h, w),
        own_scales=_distances([own.scales], grids),
        own_joint=1 - own.joint.view(h, w),
    )


class _Search:
    """The most similar patches of one reference.

    Attributes:
        scales: highest cosine by scale, [h_s * w_s] each.
        joint: highest mean cosine over the scales, [h * w].
        match: the cell where it is, int [h * w].
        placed: the highest within the window, [h * w].
    """

    def __init__(self, image: Scales, reference: Scales, grids: Grids, itself: bool = False):
        h, w = grids.finest
        own = neighbours(h, w).to(image[0].device) if itself else None
        nearby = around(h, w, grids.window).to(image[0].device)
        whole: dict[int, Tensor] = {}
        self.scales: list[Tensor] = []
        for scale, (query, bank) in enumerate(zip(image, reference, strict=True)):
            if grids.cells(scale) is None:
                self.scales.append(query.new_empty(len(query)))
                continue
            similarity = query @ bank.T
            near = similarity if not itself else similarity.masked_fill(_near(grids.sizes[scale], query), -1)
            self.scales.append(near.amax(1))
            cells = grids.cells(scale)
            whole[scale] = similarity.index_select(1, cells.to(query.device)) if cells is not None else similarity
        parts = []
        for start in range(0, h * w, CHUNK):
            rows = slice(start, min(start + CHUNK, h * w))
            total = None
            for scale, (query, bank) in enumerate(zip(image, reference, strict=True)):
                cells = grids.cells(scale)
                if cells is not None:
                    part = whole[scale].index_select(0, cells[rows].to(query.device))
                else:
                    part = query[rows] @ bank.T
                    if own is not None:
                        part.masked_fill_(own[rows], -1)
                    self.scales[scale][rows] = part.amax(1)
                total = part if total is None else total.add_(part)
            assert total is not None
            if own is not None:
                total.masked_fill_(own[rows], -float(len(image)))
            best, at = total.max(1)
            placed = best if itself else total.gather(1, nearby[rows]).amax(1)
            parts.append((best, at, placed))
        joint, self.match, placed = (torch.cat(column) for column in zip(*parts, strict=True))
        self.joint, self.placed = joint / len(image), placed / len(image)


def _near(size: tuple[int, int], like: Tensor) -> Tensor:
    return neighbours(*size).to(like.device)


def _distances(found: Sequence[Sequence[Tensor]], grids: Grids) -> Tensor:
    """One minus the highest cosine over the references, by scale, on the finest grid [S, h, w]."""
    best = [torch.stack(one).amax(0) for one in zip(*found, strict=True)]
    return torch.stack([grids.enlarged(1 - values, scale) for scale, values in enumerate(best)])
