"""Whether an image is clustered at all: a clusterer that always finds a group would find one in a clean image too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from adcore.calibration import conformal_threshold
from adcore.scoring import Reduction


@dataclass(frozen=True)
class Gate:
    """Lets an image be clustered only where its score before clustering is unusual among its context's normals.

    That score is taken from how far each pixel's own embedding is from the references'. The threshold comes from
    normals that calibrate nothing, so calibration and test images are treated alike.

    Attributes:
        threshold: scores of at least this open it.
        reduction: how distances become a score.
    """

    threshold: float
    reduction: Reduction

    def opens(self, distance: Tensor) -> bool:
        """Whether an image is to be clustered, by its pixels' distances, float [h, w]."""
        return float(self.reduction(distance[None])[0]) >= self.threshold


def gate_threshold(scores: Sequence[float], rate: float) -> float | None:
    """The threshold that a share `rate` of normal images reaches; None, which clusters every image, at a rate of 1.

    Args:
        scores: before clustering, of normal images; none, as of a head that embeds nothing, gives None.
        rate: where so few scores cannot support it, the lowest that they can is taken.
    """
    return conformal_threshold(scores, rate) if scores and rate < 1 else None
