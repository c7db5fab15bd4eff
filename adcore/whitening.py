"""Whitening: the covariance of few patches, shrunk so that it can be inverted."""

from __future__ import annotations

import torch
from torch import Tensor


def whitening(patches: Tensor, shrinkage: float) -> tuple[Tensor, Tensor]:
    """Mean [C] of patches [N, C], and the matrix [C, C] that makes their shrunk covariance the identity.

    Args:
        patches: float [N, C].
        shrinkage: share of the mean variance added to the diagonal of the covariance.
    """
    centre = patches.mean(0)
    centred = (patches - centre).double()
    return centre, whitening_matrix(centred.T @ centred / len(patches), shrinkage).to(patches)


def whitening_matrix(covariance: Tensor, shrinkage: float) -> Tensor:
    """The matrix [C, C] that makes a covariance, shrunk, the identity; in double precision, as the covariance."""
    added = (shrinkage * covariance.diagonal().mean()).clamp_min(1e-12)
    one = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    lower = torch.linalg.cholesky(covariance + added * one)
    root: Tensor = torch.linalg.solve_triangular(lower, one, upper=False).T
    return root.contiguous()
