"""Which context an image belongs to, told from the image as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.interfaces import Features
from adcore.prediction import Route

CHANGED = 4
"""References that are changed to see how far a defect moves a descriptor."""


def describe(features: Features) -> Tensor:
    """Global descriptors of B images, unit-norm float [B, D]: mean over the cells of each level, of equal length."""
    means = [F.normalize(level.float().mean((2, 3)), dim=1) for level in features]
    return torch.cat(means, 1) / math.sqrt(len(means))


@torch.inference_mode()
def survey(backbone: Callable[[Tensor], Features], references: Sequence[Tensor]) -> tuple[Tensor, float]:
    """Where a context lies among descriptors, and how far it reaches; from its references alone.

    It reaches as far as a reference lies from the others, and farther by what a change of a quarter of the sides does
    to a reference: a defect moves the descriptor too. A single reference is shifted by an eighth of its sides instead
    of being compared with others.

    Args:
        backbone: makes the pyramid of images, as the model does.
        references: float [3, H, W] each, on the backbone's device.

    Returns:
        Descriptors of the references, [k, D], and the reach.
    """
    descriptors = _described(backbone, references)
    if len(references) > 1:
        between = torch.cdist(descriptors, descriptors).fill_diagonal_(math.inf)
        spread = between.amin(1).max()
    else:
        spread = (_described(backbone, [_shifted(references[0])]) - descriptors).norm()
    few = references[:CHANGED]
    moved = _described(backbone, [_changed(image) for image in few]) - descriptors[: len(few)]
    return descriptors, float(spread + moved.norm(dim=1).max())


class Router:
    """Finds the nearest of many contexts."""

    def __init__(self, places: Mapping[str, tuple[Tensor, float]]):
        """Prepare.

        Args:
            places: descriptors [k, D] and reach of each context, by name; at least one.
        """
        self._names = list(places)
        self._reach = [reach for _, reach in places.values()]
        self._descriptors = torch.cat([descriptors for descriptors, _ in places.values()])  # [N, D]
        counts = torch.tensor([len(descriptors) for descriptors, _ in places.values()])
        self._owner = torch.arange(len(places)).repeat_interleave(counts).to(self._descriptors.device)  # [N]

    def route(self, descriptor: Tensor) -> Route:
        """The context nearest to a descriptor [D]."""
        distances = (self._descriptors - descriptor).norm(dim=1)
        nearest = distances.new_full((len(self._names),), math.inf)
        nearest = nearest.scatter_reduce(0, self._owner, distances, "amin")
        order = nearest.argsort()[:2].tolist()
        first, second = float(nearest[order[0]]), float(nearest[order[-1]])
        margin = 1.0 if len(order) < 2 else 1 - first / second if second else 0.0
        return Route(self._names[order[0]], margin, near=first <= self._reach[order[0]])


def _described(backbone: Callable[[Tensor], Features], images: Sequence[Tensor]) -> Tensor:
    return torch.cat([describe(backbone(image[None])) for image in images])


def _shifted(image: Tensor) -> Tensor:
    """Moved by an eighth of the sides, edges repeated."""
    rows, columns = image.shape[1] // 8, image.shape[2] // 8
    padded = F.pad(image[None], (columns, 0, rows, 0), mode="replicate")[0]
    return padded[:, : image.shape[1], : image.shape[2]]


def _changed(image: Tensor) -> Tensor:
    """A quarter of the sides in the middle turned into its negative."""
    rows, columns = (slice(3 * size // 8, 5 * size // 8) for size in image.shape[1:])
    changed = image.clone()
    changed[:, rows, columns] = 1 - changed[:, rows, columns]
    return changed
