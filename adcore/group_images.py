"""Images sorted by the kind of what a model finds anomalous in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from adcore.data.resizing import to_uint8
from adcore.grouping import Per, Region, embedding, kinds_of, patches, regions, telling_levels
from adcore.interfaces import Clusterer
from adcore.precision import in_full
from adcore.report.overlay import draw_contour

if TYPE_CHECKING:
    from adcore.data.arrays import ImageLike
    from adcore.model import Model

MOST_REFERENCES = 16
"""References of a context whose patches are taken off; of more, an even choice."""

SMOOTHING = 0.5
"""Sigma, in cells, of the Gaussian that smooths the maps by which patches are weighed: a defect may be a few cells."""


@dataclass(frozen=True)
class Member:
    """A region of an image, and its kind.

    Attributes:
        place: of the image among those given.
        region: what was found.
        kind: number of the kind, from 0; -1 for noise.
        picture: the region with its outline, uint8 [h, w, 3].
    """

    place: int
    region: Region
    kind: int
    picture: np.ndarray


@in_full()  # in bfloat16 some change places
def group_images(
    model: Model,
    images: Iterable[ImageLike],
    clusterer: Clusterer,
    number: int | None = None,
    per: Per = "region",
    context: str | None = None,
    residual: bool = True,
) -> list[Member]:
    """Judge images and sort what is anomalous in them by kind.

    Args:
        model: that judges, and whose backbone tells kinds apart.
        images: as of `adcore.model.Model.predict`.
        clusterer: see `kinds_of`.
        number: see `kinds_of`.
        per: ``region``: each connected part of a predicted mask is grouped by itself. ``image``: each image is grouped
            as a whole, also where nothing is marked in it.
        context: that judges; without it the only one, or of several the nearest.
        residual: whether what the references look like is taken off first, for which they are read again.

    Raises:
        UserError: an image or a reference cannot be read, or the context is not known.
    """
    device, usual = model.detector.device, lru_cache(maxsize=None)(lambda name: _usual(model, name))
    found: list[Member] = []
    embeddings: list[np.ndarray] = []
    for place, (image, features, prediction) in enumerate(model.look(images, context)):
        marked = [] if prediction.decision == "unknown" else regions(prediction.map, prediction.mask, per)
        if not marked:
            continue
        levels = telling_levels(features)
        heat = model.detector.heat(features, model.contexts[prediction.context], SMOOTHING)
        known = usual(prediction.context) if residual else None
        for region in marked:
            vector = embedding(levels, heat, torch.from_numpy(region.mask).to(device), known)
            embeddings.append(vector.cpu().numpy())
            found.append(Member(place, region, -1, crop(to_uint8(image), prediction.mask, region)))
    if not found:
        return []
    kinds = kinds_of(np.stack(embeddings), clusterer, number)
    return [replace(member, kind=int(kind)) for member, kind in zip(found, kinds, strict=True)]


@torch.inference_mode()
def _usual(model: Model, context: str) -> list[Tensor]:
    """Patches of a context's references at each level."""
    references = model.references(context, MOST_REFERENCES)
    pyramids = [telling_levels(model.detector.features(image[None].to(model.detector.device))) for image in references]
    return [torch.cat([patches(level) for level in levels]) for levels in zip(*pyramids, strict=True)]


def crop(image: np.ndarray, mask: np.ndarray, region: Region, margin: float = 0.05) -> np.ndarray:
    """The square around a region with the outline of what is marked in it.

    Args:
        image: uint8 [H, W, 3].
        mask: bool [H, W], what is marked.
        region: in it.
        margin: around the region, as a share of the image.
    """
    height, width = mask.shape
    left, top, right, bottom = (round(v * s) for v, s in zip(region.box, (width, height) * 2, strict=True))
    side = min(max(right - left, bottom - top, 24) + 2 * round(margin * max(height, width)), height, width)
    x, y = (
        min(max((low + high - side) // 2, 0), whole - side)
        for low, high, whole in ((left, right, width), (top, bottom, height))
    )
    outlined = draw_contour(image, mask & region.mask)
    return np.ascontiguousarray(outlined[y : y + side, x : x + side])
