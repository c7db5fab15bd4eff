"""From a map to an image score, and from grid to image size."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.errors import UserError

SAMPLED = 16
"""Of so many values of a map one helps to tell which are high."""


_REDUCTION = re.compile(r"(?:(max)|top(\d+(?:\.\d+)?)%|q(\d+(?:\.\d+)?))(?:-(\d+(?:\.\d+)?|)median)?")


@dataclass(frozen=True)
class Reduction:
    """How a map becomes one number.

    Attributes:
        how: ``max``, ``top`` (mean of the highest share of pixels) or ``quantile``.
        share: the share for ``top``, the probability for ``quantile``.
        less: how many times the median of the map is taken off: images as a whole look more or less unusual without
            any defect, by light, pose or texture. 1 looks only at what stands out from the rest of its image.
    """

    how: str
    share: float = 0.0
    less: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Reduction:
        """Read ``max``, ``top1%`` or ``q99``, each as it is or followed by ``-median`` or, say, ``-0.5median``.

        >>> Reduction.parse("top1%")
        Reduction(how='top', share=0.01, less=0.0)
        >>> Reduction.parse("max-0.5median")
        Reduction(how='max', share=0.0, less=0.5)
        """
        found = _REDUCTION.fullmatch(text)
        highest, top, quantile, less = found.groups() if found else (None,) * 4
        percent = float(top or quantile or 100)
        if not found or percent > 100 or (top and percent == 0):
            raise UserError(
                f"score: '{text}' is no reduction; write max, top1% (mean of the top 1 percent) or q99 (quantile), "
                "each as it is or less some of the map's median, as max-0.5median"
            )
        how = "max" if highest else "top" if top else "quantile"
        return cls(how, 0.0 if highest else percent / 100, 0.0 if less is None else float(less or 1))

    def __call__(self, maps: Tensor) -> Tensor:
        """Scores [B] of maps [B, H, W]."""
        flat = maps.flatten(1)
        scores = self._of_pixels(flat)
        return scores - self.less * flat.median(1).values if self.less else scores

    def _of_pixels(self, flat: Tensor) -> Tensor:
        if self.how == "max":
            return flat.amax(1)
        if self.how == "top":
            count = max(1, round(self.share * flat.shape[1]))
            return torch.stack([_highest(values, count).mean() for values in flat])
        rank = round(self.share * (flat.shape[1] - 1))
        return flat.kthvalue(rank + 1, dim=1).values


def _highest(values: Tensor, count: int) -> Tensor:
    """The highest of values [N], descending; they are looked for among those that one of `SAMPLED` calls high."""
    sample = values[::SAMPLED]
    limit = sample.topk(min(len(sample), 2 * count // SAMPLED + 8)).values[-1]
    high = values[values >= limit]
    return (high if len(high) >= count else values).topk(count).values


def nearest_grid(features: Sequence[Tensor], cells: int) -> tuple[int, int]:
    """Size (h, w) of the level whose longer side is nearest to `cells`, as a ratio; the finer one of two.

    >>> nearest_grid([torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 32, 32)], 32)
    (32, 32)
    """
    h, w = min(
        (level.shape[-2:] for level in features), key=lambda size: (abs(math.log(max(size) / cells)), -max(size))
    )
    return h, w


def on_finest_grid(maps: Sequence[Tensor]) -> list[Tensor]:
    """Bring maps or levels, each [B, C, h, w] with h and w of its own, to the finest grid among them, bilinear."""
    size = max(m.shape[-2] for m in maps), max(m.shape[-1] for m in maps)
    return [m if m.shape[-2:] == size else F.interpolate(m, size, mode="bilinear", align_corners=False) for m in maps]


def where_shown(maps: Tensor, shown: Tensor) -> Tensor:
    """Maps [B, h, w], at their lowest in cells of which less than half of the pixels [H, W] are shown."""
    h, w = maps.shape[-2:]
    cells = F.adaptive_avg_pool2d(shown.float()[None], (h, w)) > 0.5  # [1, h, w]
    return torch.where(cells, maps, maps.amin((1, 2), keepdim=True))


def enlarge(maps: Tensor, size: tuple[int, int], smoothing: float) -> Tensor:
    """Bring maps [B, h, w] to image size [B, H, W], bilinear, and smooth them by a Gaussian.

    Args:
        maps: float [B, h, w].
        size: (H, W) in pixels.
        smoothing: sigma in cells of the grid h x w; 0 leaves the maps.
    """
    rows, columns = (_enlarging(*sides, smoothing).to(maps) for sides in zip(maps.shape[-2:], size, strict=True))
    return rows @ maps @ columns.T


@lru_cache(maxsize=16)
def _enlarging(cells: int, pixels: int, smoothing: float) -> Tensor:
    """The matrix [pixels, cells] that enlarges and smooths along one side; both are linear."""
    full = F.interpolate(torch.eye(cells)[None], pixels, mode="linear", align_corners=False)[0]  # [cells, pixels]
    sigma = smoothing * pixels / cells
    if sigma > 0:
        radius = max(1, int(4 * sigma + 0.5))  # edges repeated, cut at four sigmas
        kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
        padded = F.pad(full[:, None], (radius, radius), mode="replicate")
        full = F.conv1d(padded, (kernel / kernel.sum()).view(1, 1, -1))[:, 0]
    return full.T.contiguous()
