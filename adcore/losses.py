"""Losses of heads that classify pixels, on logits and in single precision whatever the network computes in."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def focal_loss(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Cross entropy that counts what is already told apart for little, so that few anomalous pixels matter.

    The mean over all pixels of ``(1 - p) ** gamma * -log(p)``, with p the probability given to the true class.
    Source: Lin et al., *Focal Loss for Dense Object Detection*, ICCV 2017, equation 4.

    Args:
        logits: float, any shape, positive where anomalous.
        target: bool, or float in [0, 1] (a soft mask), of the same shape.
        gamma: how little the easy pixels count; 0 is plain binary cross entropy.

    Returns:
        A scalar >= 0 with a graph, finite for any finite logits.

    Raises:
        ValueError: the shapes differ.
    """
    logits, target = _matched(logits, target)
    missed = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if gamma:
        probability = logits.sigmoid()
        away = probability + target - 2 * probability * target  # 1 - p, for soft targets its expectation
        missed = missed * away.clamp_min(1e-12) ** gamma  # at 0 the gradient of a power below 1 is infinite
    return missed.mean()


def dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """One minus the overlap of what is predicted and what is true, of each image; the size of a defect has no say.

    The mean over images of ``1 - (2 sum(p t) + s) / (sum(p) + sum(t) + s)``. Source: Milletari et al., *V-Net*, 3DV
    2016, with the sums of probabilities (not of their squares) below.

    Args:
        logits: float [B, ...], positive where anomalous.
        target: bool, or float in [0, 1] (a soft mask), of the same shape.
        smooth: s, in pixels: an image without a defect costs nothing once it is called normal.

    Returns:
        A scalar in [0, 1] with a graph.

    Raises:
        ValueError: the shapes differ.
    """
    logits, target = _matched(logits, target)
    probability, target = logits.sigmoid().flatten(1), target.flatten(1)  # [B, P]
    shared = (probability * target).sum(1)
    return (1 - (2 * shared + smooth) / (probability.sum(1) + target.sum(1) + smooth)).mean()


def _matched(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    if logits.shape != target.shape:
        raise ValueError(f"logits {[*logits.shape]} and target {[*target.shape]} must have the same shape")
    return logits.float(), target.float()
