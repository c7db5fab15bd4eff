"""What fusers share: maps stacked, what is no number refused, and weights that simulated anomalies teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def stacked(maps: Mapping[str, Tensor]) -> Tensor:
    """Maps of all branches, float [branches, B, h, w].

    Raises:
        ValueError: there is no map, or one holds NaN; the branch is named.
    """
    if not maps:
        raise ValueError("a fuser needs the map of at least one branch")
    for branch, values in maps.items():
        if torch.isnan(values).any():
            raise ValueError(f"the map of branch '{branch}' holds NaN")
    return torch.stack([values.float() for values in maps.values()])


def logistic_weights(
    features: Tensor, anomalous: Tensor, prior: Sequence[float], penalties: Sequence[float], sparsity: float = 0.0
) -> np.ndarray:
    """Weights of a logistic regression, none below 0, that tells anomalous pixels from normal ones.

    Both kinds count alike, and so does every image among them.

    Args:
        features: float [branches, B, h, w].
        anomalous: bool [B, h, w].
        prior: the weights that are taken where the pixels say nothing.
        penalties: on the squares of their differences from these.
        sparsity: penalty on the weights themselves.
    """
    from scipy.optimize import minimize  # here: what only fuses does not wait for it

    x = features.flatten(1).double().cpu().numpy()  # [branches, B * h * w]
    sign = np.where(anomalous.flatten().cpu().numpy(), 1.0, -1.0)
    share = sum(_shares(part) for part in (anomalous, ~anomalous))  # both kinds weigh 1
    assert isinstance(share, Tensor)
    importance = share.flatten().double().cpu().numpy()
    known, penalty = np.asarray(prior, dtype=float), np.asarray(penalties, dtype=float)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, offset = parameters[:-1], parameters[-1]
        margin = sign * (weights @ x + offset)
        slope = -sign * importance / (1 + np.exp(margin.clip(-500, 500)))
        away = weights - known
        value = importance @ np.logaddexp(0, -margin) + penalty @ away**2 + sparsity * weights.sum()
        return float(value), np.append(x @ slope + 2 * penalty * away + sparsity, slope.sum())

    bounds = [(0.0, None)] * len(x) + [(None, None)]
    start = np.append(np.where(known > 0, known, 0.1), 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x[:-1])


def _shares(kind: Tensor) -> Tensor:
    """What each pixel of a kind weighs, so that every image that has any weighs alike and all together 1."""
    counts = kind.flatten(1).sum(1)
    return kind / counts.clamp_min(1)[:, None, None] / (counts > 0).sum().clamp_min(1)
