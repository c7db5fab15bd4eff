"""Normalisation statistics of a backbone whose weights were never trained."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from adcore.interfaces import Backbone

_Norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@torch.no_grad()
def adapt_statistics(backbone: Backbone, batches: Iterable[Tensor]) -> None:
    """Replace the running mean and variance of all batch normalisations by those of normal images.

    With random weights and the initial statistics (0 and 1) nothing is normalised, and features degenerate towards one
    dimension. No weight is changed.

    Args:
        backbone: left in evaluation mode.
        batches: float [B, 3, H, W] each, weighing the same.
    """
    norms = [module for module in backbone.modules() if isinstance(module, _Norms)]
    momenta = [norm.momentum for norm in norms]
    backbone.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average over all batches
        norm.train()
    for batch in batches:
        backbone(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    backbone.eval()
