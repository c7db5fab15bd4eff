"""Metrics of a binary segmentation, per image, as validation of the contrastive branch uses them.

A clean image counts too: nothing there and nothing predicted is 1, anything predicted on it is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from adcore.metrics.inputs import as_labels


def pixel_f1(prediction: ArrayLike, mask: ArrayLike) -> float:
    """F1 (Dice) of the anomalous pixels of one image: ``2 TP / (2 TP + FP + FN)``, 1 where both are empty.

    Args:
        prediction: bool [H, W], True where called anomalous.
        mask: ground truth, bool [H, W].

    Raises:
        ValueError: a value that is neither 0 nor 1, or shapes that differ.

    >>> pixel_f1([[1, 1, 0]], [[1, 0, 0]])
    0.6666666666666666
    """
    return _f1(*_pair(prediction, mask))


def macro_f1(prediction: ArrayLike, mask: ArrayLike) -> float:
    """Mean of the F1 of the anomalous and of the normal pixels of one image: what FOCAL publishes as "F1".

    Flattering where defects are small: predicting nothing at all gets almost 0.5. `pixel_f1` does not have this.

    Args:
        prediction: bool [H, W], True where called anomalous.
        mask: ground truth, bool [H, W].

    >>> macro_f1([[0, 0, 0, 0]], [[1, 0, 0, 0]])
    0.42857142857142855
    """
    called, y = _pair(prediction, mask)
    return (_f1(called, y) + _f1(~called, ~y)) / 2


def iou(prediction: ArrayLike, mask: ArrayLike) -> float:
    """Intersection over union of the anomalous pixels of one image: ``TP / (TP + FP + FN)``, 1 where both are empty.

    Args:
        prediction: bool [H, W], True where called anomalous.
        mask: ground truth, bool [H, W].

    >>> iou([[1, 1, 0]], [[1, 0, 0]])
    0.5
    """
    called, y = _pair(prediction, mask)
    union = int(np.sum(called | y))
    return int(np.sum(called & y)) / union if union else 1.0


def segmentation_metrics(pairs: Iterable[tuple[ArrayLike, ArrayLike]]) -> dict[str, float]:
    """Means over images, each image weighing the same whatever its size.

    Args:
        pairs: (prediction, mask) of each image, bool [H, W]; sizes may differ between images.

    Returns:
        ``pixel.f1``, ``pixel.macro_f1`` and ``pixel.iou``; nan without images.

    >>> segmentation_metrics([([[1, 1, 0]], [[1, 0, 0]]), ([[0, 0]], [[0, 0]])])["pixel.iou"]
    0.75
    """
    values = [(pixel_f1(p, m), macro_f1(p, m), iou(p, m)) for p, m in pairs]
    means = np.mean(values, axis=0) if values else [math.nan] * 3
    return dict(zip(("pixel.f1", "pixel.macro_f1", "pixel.iou"), map(float, means), strict=True))


def _pair(prediction: ArrayLike, mask: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    called, y = as_labels(prediction), as_labels(mask)
    if called.shape != y.shape:
        raise ValueError(f"prediction of shape {called.shape} does not go with mask of shape {y.shape}")
    return called, y


def _f1(called: np.ndarray, y: np.ndarray) -> float:
    total = int(np.sum(called)) + int(np.sum(y))  # 2 TP + FP + FN
    return 2 * int(np.sum(called & y)) / total if total else 1.0
