"""From a head's output to the map of the contrastive branch: cluster an image's embeddings, find the normal cluster."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.gate import Gate
from adcore.interfaces import Clusterer, HeadOutput

MAX_PROTOTYPES = 1024
"""Reference embeddings kept with a context, spread evenly over the references."""


def prototypes(embedding: Tensor) -> Tensor:
    """Reference embeddings [k, D, h, w] thinned out to at most `MAX_PROTOTYPES` rows, [n, D]."""
    rows = embedding.permute(0, 2, 3, 1).flatten(0, 2)
    step = -(-len(rows) // MAX_PROTOTYPES)
    return rows[::step].contiguous()


def prototypes_of_others(embedding: Tensor) -> list[Tensor]:
    """`prototypes` for each of k references, [k, D, h, w], from the others; one that is alone has its own."""
    count = len(embedding)
    return [prototypes(embedding[[i for i in range(count) if i != j] or [j]]) for j in range(count)]


def cluster(embedding: Tensor, clusterer: Clusterer) -> Tensor:
    """Labels [h, w] of one image's embedding [D, h, w]; -1 is noise."""
    points = embedding.flatten(1).T.float().cpu().numpy()  # [h * w, D]
    labels = torch.from_numpy(np.ascontiguousarray(clusterer.fit_predict(np.ascontiguousarray(points)), dtype=np.int64))
    return labels.to(embedding.device).view(embedding.shape[1:])


def distance(embedding: Tensor, references: Tensor) -> Tensor:
    """Half the cosine distance of each pixel to the nearest reference pixel, before any clustering.

    Args:
        embedding: unit-norm float [D, h, w] of one image.
        references: unit-norm float [n, D] of normal pixels.

    Returns:
        float [h, w] in [0, 1].
    """
    nearest = (embedding.flatten(1).T.float() @ references.T).amax(1)
    return ((1 - nearest) / 2).clamp(0, 1).view(embedding.shape[1:])


def normal_cluster(embedding: Tensor, labels: Tensor, references: Tensor | None) -> int | None:
    """The cluster that is normal: with references the one nearest to them, else the largest; None if all is noise.

    Args:
        embedding: unit-norm float [P, D].
        labels: int [P].
        references: unit-norm float [n, D] of normal pixels, or None.
    """
    found, sizes = torch.unique(labels[labels >= 0], return_counts=True)
    if len(found) == 0:
        return None
    if references is None or len(found) == 1:
        return int(found[sizes.argmax()])
    nearest = (embedding @ references.T).amax(1)  # [P] cosine to the nearest reference pixel
    nearness = torch.stack([nearest[labels == label].mean() for label in found])
    return int(found[nearness.argmax()])


def cluster_map(embedding: Tensor, labels: Tensor, references: Tensor | None = None) -> Tensor:
    """How far each pixel, and its whole cluster, is from what is normal.

    Half of a pixel's value is its own cosine distance to the nearest reference pixel, half the mean of that distance
    over its cluster, so that a region stands or falls together, also one that fills the image. Noise stands for itself.
    With no references, the centre of the normal (largest) cluster takes their place, as in FOCAL.

    Args:
        embedding: unit-norm float [D, h, w] of one image.
        labels: int [h, w], -1 for noise.
        references: unit-norm float [n, D] of normal pixels, or None where there is no context.

    Returns:
        float [h, w] in [0, 1].
    """
    points, flat = embedding.flatten(1).T.float(), labels.flatten()  # [P, D], [P]
    if references is None:
        normal = normal_cluster(points, flat, None)
        centre = (points if normal is None else points[flat == normal]).mean(0)
        references = F.normalize(centre, dim=0)[None]
    own = distance(embedding, references).flatten()
    shared = own.clone()
    for label in torch.unique(flat[flat >= 0]):
        shared[flat == label] = own[flat == label].mean()
    return ((own + shared) / 2).view(labels.shape)


def contrastive_map(
    output: HeadOutput, clusterer: Clusterer | None, references: Tensor | None, gate: Gate | None = None
) -> Tensor:
    """Map [B, h, w] of a head's output: by clustering where it embeds, else the probability that its logits give.

    A head that gives both has them averaged. An image for which the gate does not open counts as one cluster.
    """
    maps = []
    if output.embedding is not None and clusterer is not None:
        images = [
            cluster_map(one, gated_cluster(one, clusterer, references, gate), references) for one in output.embedding
        ]
        maps.append(torch.stack(images))
    if output.logits is not None:
        maps.append(output.logits.float().sigmoid())
    return torch.stack(maps).mean(0)


def gated_cluster(embedding: Tensor, clusterer: Clusterer, references: Tensor | None, gate: Gate | None) -> Tensor:
    """What `cluster` says where the gate opens, or there is none; else all pixels in one cluster, [h, w]."""
    if gate is None or references is None or gate.opens(distance(embedding, references)):
        return cluster(embedding, clusterer)
    return torch.zeros(embedding.shape[1:], dtype=torch.int64, device=embedding.device)


def anomalous_pixels(
    embedding: Tensor, clusterer: Clusterer, references: Tensor | None, gate: Gate | None = None
) -> Tensor:
    """The clustering's own verdict, bool [h, w]: pixels of any cluster but the normal one; noise is no defect."""
    labels = gated_cluster(embedding, clusterer, references, gate)
    normal = normal_cluster(embedding.flatten(1).T.float(), labels.flatten(), references)
    return (labels >= 0) & (labels != (-1 if normal is None else normal))
