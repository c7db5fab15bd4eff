"""One Gaussian over all reference patches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore import Fit, ReferenceMatcher

State = dict[str, Tensor]


class Ellipsoid(ReferenceMatcher):
    """Mahalanobis distance to one Gaussian over all reference patches; its state is as small as one matrix."""

    relations = 1

    def __init__(self, shrinkage: float = 0.05):
        """Configure the matcher.

        Args:
            shrinkage: share of the mean variance added to the diagonal of the covariance.
        """
        self.shrinkage = shrinkage

    def fit(self, features: tuple[Tensor, ...], views: int = 1) -> Fit:
        patches = _joined(features).unflatten(0, (-1, views))  # [k, views, h, w, C]
        among = self._among(patches)
        state = self._gaussian(patches.flatten(0, 3))
        state |= {"mean": among.mean(), "std": among.std(correction=0).clamp_min(1e-6)}
        return Fit(state, among, ((among - state["mean"]) / state["std"])[:, None])

    def match(self, features: tuple[Tensor, ...], state: State) -> Tensor:
        return _distance(_joined(features), state)

    def relate(self, features: tuple[Tensor, ...], state: State) -> Tensor:
        return ((self.match(features, state) - state["mean"]) / state["std"])[:, None]

    def _among(self, patches: Tensor) -> Tensor:
        """Each reference by the Gaussian of the others; a lone one by halves, [k, h, w]."""
        if len(patches) > 1:
            others = [[*patches[:j], *patches[j + 1 :]] for j in range(len(patches))]
            gaussians = [self._gaussian(torch.cat(rest).flatten(0, 2)) for rest in others]
            return torch.stack([_distance(own[0], other) for own, other in zip(patches, gaussians, strict=True)])
        image = patches[0, 0]  # [h, w, C]
        top, bottom = image.split([(len(image) + 1) // 2, len(image) // 2])
        if not len(bottom):
            return image.new_zeros(1, *image.shape[:2])
        halves = [(top, bottom), (bottom, top)]
        return torch.cat([_distance(own, self._gaussian(other.flatten(0, 1))) for own, other in halves])[None]

    def _gaussian(self, patches: Tensor) -> State:
        """Centre [C] and inverse covariance [C, C] of patches [N, C]."""
        centre = patches.mean(0)
        centred = (patches - centre).double()
        covariance = centred.T @ centred / len(patches)
        added = (self.shrinkage * covariance.diagonal().mean()).clamp_min(1e-9)
        covariance.diagonal().add_(added)
        return {"centre": centre, "precision": torch.linalg.inv(covariance).to(patches)}


def _joined(features: tuple[Tensor, ...]) -> Tensor:
    """All levels on the grid of the first, [n, h, w, C]."""
    size = features[0].shape[-2:]
    levels = [F.interpolate(level.float(), size, mode="bilinear", align_corners=False) for level in features]
    return torch.cat(levels, 1).permute(0, 2, 3, 1)


def _distance(patches: Tensor, gaussian: State) -> Tensor:
    """Of patches [..., C] to a Gaussian, [...]."""
    apart = patches - gaussian["centre"]
    return ((apart @ gaussian["precision"]) * apart).sum(-1).clamp_min(0).sqrt()
