"""Grouping what was found anomalous by kind: embeddings of regions or images, and any clusterer on them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from sklearn.metrics import silhouette_score
from torch import Tensor

from adcore.data.resizing import to_uint8
from adcore.errors import UserError
from adcore.interfaces import Clusterer, Features
from adcore.report.overlay import draw_contour

if TYPE_CHECKING:
    from adcore.data.arrays import ImageLike
    from adcore.model import Model

SHARPNESS = 2.0
"""Power of the anomaly map that weighs an image's patches against each other."""
SMALLEST = 4e-4
"""Area of the smallest region, as a share of the image: less is a speck."""
MOST_COMPONENTS = 16
"""Principal components of the embeddings that are compared."""
MOST_KINDS = 10
"""Kinds that are looked for, where their number is not given."""

Per = Literal["region", "image"]


@dataclass(frozen=True)
class Region:
    """A part of an image that was found anomalous, or the image as a whole.

    Attributes:
        mask: bool [H, W] at the model's image size.
        score: highest value of the anomaly map in it.
        area: its share of the image.
        box: left, top, right and bottom as shares of the image's width and height.
    """

    mask: np.ndarray
    score: float
    area: float
    box: tuple[float, float, float, float]

    @classmethod
    def of(cls, mask: np.ndarray, heat: np.ndarray) -> Region:
        """The region that a mask shows of an anomaly map, [H, W] both."""
        height, width = mask.shape
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height
        return cls(mask, float(heat[mask].max()), float(mask.mean()), (box[0], box[1], box[2], box[3]))


def regions(heat: np.ndarray, mask: np.ndarray, per: Per = "region") -> list[Region]:
    """Connected parts of a mask (8-neighbourhood), the highest score first; with ``image`` the whole image instead.

    Args:
        heat: anomaly map, float [H, W].
        mask: what is called anomalous, bool [H, W].
        per: what is wanted.
    """
    if per == "image":
        return [Region.of(np.ones_like(mask), heat)]
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    kept = [label for label in range(1, len(sizes)) if sizes[label] >= SMALLEST * mask.size]
    return sorted((Region.of(labels == label, heat) for label in kept), key=lambda region: -region.score)


def embedding(features: Features, heat: Tensor, mask: Tensor) -> Tensor:
    """What an anomalous part of an image looks like: the mean of its patches, weighed by how anomalous each is.

    Source: Sohn et al., WACV 2023, "Anomaly Clustering", equation 2, with a power of the map as weight.

    Args:
        features: pyramid of the image, [1, C_l, H_l, W_l].
        heat: anomaly map, float [H, W].
        mask: bool [H, W], the part.

    Returns:
        float [sum of C_l]; patches are unit-norm at each level.
    """
    weights = (heat - heat.amin()).clamp_min(0)
    weights = ((weights / weights.amax().clamp_min(1e-12)) ** SHARPNESS + 1e-6) * mask
    parts = []
    for level in features:
        patches = F.normalize(level[0].flatten(1).float(), dim=0)  # [C, P]
        share = (
            F.adaptive_avg_pool2d(weights[None, None].to(level), (level.shape[2], level.shape[3])).flatten().float()
        )  # [P]
        parts.append(patches @ (share / share.sum().clamp_min(1e-12)))
    return torch.cat(parts)


def comparable(embeddings: np.ndarray) -> np.ndarray:
    """Embeddings [N, D] as their first principal components of unit norm, float32 [N, <= `MOST_COMPONENTS`]."""
    centred = embeddings - embeddings.mean(0)
    left, spread, _ = np.linalg.svd(centred, full_matrices=False)
    kept = spread > 1e-6 * max(spread[0], 1e-12)
    points = (left * spread)[:, kept][:, :MOST_COMPONENTS]
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.maximum(norms, 1e-12), dtype=np.float32)


def kinds_of(embeddings: np.ndarray, clusterer: Clusterer, number: int | None = None) -> np.ndarray:
    """The kind of each embedding, the most frequent one first; -1 where a clusterer that knows noise says so.

    Args:
        embeddings: float [N, D].
        clusterer: any; one with a setting ``k`` is asked for that many kinds.
        number: of kinds. None leaves it to the clusterer, or for one with a setting ``k`` to the silhouette (Rousseeuw
            1987) of 2 to `MOST_KINDS` kinds.

    Returns:
        int [N].

    Raises:
        UserError: a number is given, but the clusterer finds its own.
    """
    points, counted = comparable(embeddings), hasattr(clusterer, "k")
    if number is not None and not counted:
        raise UserError(
            f"clusterer {type(clusterer).__name__} finds the number of kinds itself; leave the number out, or name one "
            "with a setting k, e.g. agglomerative"
        )
    if not counted:
        return _by_size(clusterer.fit_predict(points))
    most = min(MOST_KINDS, len(points) - 1)
    numbers = [number] if number is not None else range(2, most + 1)
    tried = [_by_size(_with(clusterer, k).fit_predict(points)) for k in numbers]
    if len(tried) <= 1:
        return tried[0] if tried else np.zeros(len(points), dtype=np.int64)
    return max(tried, key=lambda kinds: float(silhouette_score(points, kinds)) if len(set(kinds)) > 1 else -1.0)


def _with(clusterer: Clusterer, k: int) -> Clusterer:
    twin = copy.copy(clusterer)
    twin.k = k  # type: ignore[attr-defined]
    return twin


def _by_size(labels: np.ndarray) -> np.ndarray:
    """Labels renamed, 0 for the largest group; -1 stays."""
    names, counts = np.unique(labels[labels >= 0], return_counts=True)
    order = {-1: -1} | {int(name): place for place, name in enumerate(names[np.argsort(-counts, kind="stable")])}
    return np.array([order[int(label)] for label in labels], dtype=np.int64)


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


def group_images(
    model: Model,
    images: Iterable[ImageLike],
    clusterer: Clusterer,
    number: int | None = None,
    per: Per = "region",
    context: str | None = None,
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

    Raises:
        UserError: an image cannot be read, or the context is not known.
    """
    found: list[Member] = []
    embeddings: list[np.ndarray] = []
    for place, (image, features, prediction) in enumerate(model.look(images, context)):
        if prediction.decision == "unknown":
            continue
        heat = torch.from_numpy(prediction.map)
        for region in regions(prediction.map, prediction.mask, per):
            vector = embedding(tuple(level.cpu() for level in features), heat, torch.from_numpy(region.mask))
            embeddings.append(vector.numpy())
            found.append(Member(place, region, -1, crop(to_uint8(image), prediction.mask, region)))
    if not found:
        return []
    kinds = kinds_of(np.stack(embeddings), clusterer, number)
    return [replace(member, kind=int(kind)) for member, kind in zip(found, kinds, strict=True)]


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
