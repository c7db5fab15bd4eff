"""A backbone at several resolutions, or tile by tile: one pyramid out of several looks at the same image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.errors import UserError
from adcore.interfaces import Backbone, Features


@dataclass
class ResolutionSettings:
    """How large the backbone sees an image.

    Args:
        scales: sizes at which the backbone sees each image, as multiples of the image size. Every scale gives all
            levels of the backbone, and the matcher and the head get all of them, fine to coarse. A scale above 1 shows
            small defects larger without a sharper image; one below 1 widens what a cell sees.
        tiles: tiles along the longer side, each seen by the backbone on its own; 1 shows the image whole. For small
            defects in large images, with an `image_size` (and the matcher's `grid`) raised to match, where the backbone
            takes one size only or memory is short.
        overlap: share of a tile that its neighbour repeats. Where tiles overlap, features fade from one to the other.
    """

    scales: list[float] = field(default_factory=lambda: [1.0])
    tiles: int = 1
    overlap: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what no image can be seen at."""
        if not self.scales or not all(0 < scale < math.inf for scale in self.scales):
            raise UserError(f"resolution.scales: {self.scales} must be one or more numbers above 0, e.g. [1, 1.5]")
        if len(set(self.scales)) < len(self.scales):
            raise UserError(f"resolution.scales: {self.scales} names a scale twice; remove one")
        if self.tiles < 1:
            raise UserError(f"resolution.tiles: {self.tiles} must be at least 1 (the whole image)")
        if not 0 <= self.overlap <= 0.5:
            raise UserError(f"resolution.overlap: {self.overlap} must lie between 0 and 0.5, e.g. 0.25")

    def wrap(self, backbone: Backbone) -> Backbone:
        """The backbone as these settings have it see images; itself where they ask for nothing."""
        return backbone if self.scales == [1.0] and self.tiles == 1 else Resolutions(backbone, self)


class Resolutions(Backbone):
    """Another backbone, given an image at each of several scales, and each of them whole or in overlapping tiles.

    Levels of one tile become parts of one map, so whatever takes features need not know of tiles.
    """

    def __init__(self, backbone: Backbone, settings: ResolutionSettings):
        """Wrap a backbone; its weights stay its own."""
        super().__init__()
        self.backbone = backbone
        self.settings = settings
        levels = [
            (stride / scale, scale, channels)
            for scale in settings.scales
            for stride, channels in zip(backbone.strides, backbone.channels, strict=True)
        ]
        self._order = sorted(range(len(levels)), key=lambda i: levels[i][:2])
        self.channels = tuple(levels[i][2] for i in self._order)
        self.strides = tuple(max(1, round(levels[i][0])) for i in self._order)

    @property
    def pretrained(self) -> bool:  # type: ignore[override]
        """Whether the wrapped backbone's weights come from a checkpoint."""
        return self.backbone.pretrained

    def forward(self, images: Tensor) -> Features:
        """All levels of all scales, fine to coarse; see `Backbone.forward`."""
        levels: list[Tensor] = []
        for scale in self.settings.scales:
            levels += self._tiled(_scaled(images, scale))
        return tuple(levels[i] for i in self._order)

    def _tiled(self, images: Tensor) -> Features:
        """Levels of images [B, 3, H, W], put together from tiles."""
        height, width = images.shape[-2:]
        side = self._tile_side(max(height, width))
        if side >= max(height, width):
            whole: Features = self.backbone(images)
            return whole
        rows, columns = self._starts(height, side), self._starts(width, side)
        tile = min(side, height), min(side, width)
        joined: list[Tensor] = []
        weights: list[Tensor] = []
        for top in rows:
            for left in columns:
                part = self.backbone(images[..., top : top + tile[0], left : left + tile[1]])
                if not joined:
                    sizes = [
                        (math.ceil(height / stride), math.ceil(width / stride)) for stride in self.backbone.strides
                    ]
                    joined = [level.new_zeros(*level.shape[:2], *size) for level, size in zip(part, sizes, strict=True)]
                    weights = [level.new_zeros(size) for level, size in zip(part, sizes, strict=True)]
                for level, into, weight, stride in zip(part, joined, weights, self.backbone.strides, strict=True):
                    i, j = round(top / stride), round(left / stride)
                    h, w = min(level.shape[-2], into.shape[-2] - i), min(level.shape[-1], into.shape[-1] - j)
                    fade = _hat(h, level)[:, None] * _hat(w, level)
                    into[..., i : i + h, j : j + w] += level[..., :h, :w] * fade
                    weight[i : i + h, j : j + w] += fade
        # What no tile reaches, a last row where strides leave one over, repeats its neighbour.
        return tuple(
            _filled(level / weight.clamp_min(1e-12), weight) for level, weight in zip(joined, weights, strict=True)
        )

    def _tile_side(self, longer: int) -> int:
        """Side of a tile, a multiple of the coarsest stride, so that `tiles` of them with their overlap span a side."""
        coarsest = max(self.backbone.strides)
        needed = longer / (1 + (self.settings.tiles - 1) * (1 - self.settings.overlap))
        return math.ceil(needed / coarsest) * coarsest

    def _starts(self, length: int, side: int) -> list[int]:
        """Where tiles begin along a side, multiples of the coarsest stride; the last one ends with the image."""
        coarsest = max(self.backbone.strides)
        last = math.ceil(max(0, length - side) / coarsest) * coarsest
        step = max(coarsest, round(side * (1 - self.settings.overlap) / coarsest) * coarsest)
        return sorted({*range(0, last, step), last})


def _scaled(images: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return images
    size = [max(1, round(side * scale)) for side in images.shape[-2:]]
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)


def _hat(n: int, like: Tensor) -> Tensor:
    """Weights [n] that fall towards both ends and are nowhere 0."""
    steps = torch.arange(1, n + 1, device=like.device, dtype=like.dtype)
    return torch.minimum(steps, steps.flip(0))


def _filled(level: Tensor, weight: Tensor) -> Tensor:
    """A level [B, C, h, w] whose last rows and columns without weight [h, w] repeat the last ones with it."""
    h, w = int((weight[:, 0] > 0).sum()), int((weight[0] > 0).sum())
    missing = (0, level.shape[-1] - w, 0, level.shape[-2] - h)
    return F.pad(level[..., :h, :w], missing, mode="replicate") if any(missing) else level
