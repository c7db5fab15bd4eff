"""What anomalous parts of images look like, and which of them are of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from sklearn.metrics import silhouette_score
from torch import Tensor

from adcore.errors import UserError
from adcore.interfaces import Clusterer, Features
from adcore.nearest import nearest
from adcore.number_of_clusters import takes_number, with_number

SHARPNESSES = (1, 4)
"""Powers of the anomaly map that weigh patches: the lower takes in a wide defect, the higher suits small ones."""
SMALLEST = 4e-4
"""Area of the smallest region, as a share of the image: less is a speck."""
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


def patches(level: Tensor) -> Tensor:
    """Patches of a level [B, C, h, w] as unit-norm rows, float [B * h * w, C]."""
    return F.normalize(level.float().permute(0, 2, 3, 1).flatten(0, 2), dim=1)


def telling_levels(pyramid: Features) -> Features:
    """The levels that tell kinds apart: of three and more all but the finest, which sees edges and noise."""
    return pyramid[1:] if len(pyramid) > 2 else pyramid


def embedding(features: Features, heat: Tensor, mask: Tensor, usual: Sequence[Tensor] | None = None) -> Tensor:
    """What an anomalous part of an image looks like: the mean of its patches, weighed by how anomalous each is.

    Source: Sohn et al., WACV 2023, "Anomaly Clustering", with powers of what the map rises above its median as weights;
    of each patch only what tells it from the most similar patch of the references (residual features, as in InCTRL,
    CVPR 2024), and of that what the whole image has not, as light that fell otherwise on it all.

    Args:
        features: pyramid of the image, [1, C_l, H_l, W_l], as of `telling_levels`.
        heat: anomaly map, float [H, W].
        mask: bool [H, W], the part.
        usual: `patches` of the references at each level, [M, C_l], which are taken off; None leaves the patches.

    Returns:
        unit-norm float [sum of C_l times `SHARPNESSES`]; each level and each of these has an equal share.
    """
    middle = heat.median()
    rise = ((heat - middle) / (heat.amax() - middle).clamp_min(1e-12)).clamp_min(0)
    parts = []
    for place, level in enumerate(features):
        rows = patches(level)  # [P, C]
        if usual is not None:
            rows = rows - usual[place][nearest(rows, usual[place])[1]]
            rows = rows - rows.mean(0)
        for sharpness in SHARPNESSES:
            weights = ((rise**sharpness + 1e-6) * mask)[None, None].to(rows)
            share = F.adaptive_avg_pool2d(weights, (level.shape[2], level.shape[3])).flatten()  # [P]
            parts.append(F.normalize(share @ rows, dim=0))
    return F.normalize(torch.cat(parts), dim=0)


def kinds_of(embeddings: np.ndarray, clusterer: Clusterer, number: int | None = None) -> np.ndarray:
    """The kind of each embedding, the most frequent one first; -1 where a clusterer that knows noise says so.

    Args:
        embeddings: unit-norm float32 [N, D].
        clusterer: any; one with a setting ``k`` is asked for that many kinds.
        number: of kinds. None leaves it to the clusterer, or for one with a setting ``k`` to the silhouette (Rousseeuw
            1987) of 2 to `MOST_KINDS` kinds.

    Returns:
        int [N].

    Raises:
        UserError: a number is given, but the clusterer finds its own.
    """
    counted = takes_number(clusterer)
    if number is not None and not counted:
        raise UserError(
            f"clusterer {type(clusterer).__name__} finds the number of kinds itself; leave the number out, or name one "
            "with a setting k, e.g. agglomerative"
        )
    if not counted:
        return _by_size(clusterer.fit_predict(embeddings))
    most = min(MOST_KINDS, len(embeddings) - 1)
    numbers = [number] if number is not None else range(2, most + 1)
    tried = [_by_size(with_number(clusterer, k).fit_predict(embeddings)) for k in numbers]
    if len(tried) <= 1:
        return tried[0] if tried else np.zeros(len(embeddings), dtype=np.int64)
    return max(tried, key=lambda kinds: float(silhouette_score(embeddings, kinds)) if len(set(kinds)) > 1 else -1.0)


def _by_size(labels: np.ndarray) -> np.ndarray:
    """Labels renamed, 0 for the largest group; -1 stays."""
    names, counts = np.unique(labels[labels >= 0], return_counts=True)
    order = {-1: -1} | {int(name): place for place, name in enumerate(names[np.argsort(-counts, kind="stable")])}
    return np.array([order[int(label)] for label in labels], dtype=np.int64)
