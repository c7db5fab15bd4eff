"""From images to the numbers of a category, of all categories, and of metrics.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from adcore.metrics.decision import decision_metrics
from adcore.metrics.image import rank
from adcore.metrics.inputs import as_labels
from adcore.metrics.pixel import PixelMetrics

LOWER_IS_BETTER = frozenset({"decision.false_alarm_rate", "decision.miss_rate"})
PER_CATEGORY_ONLY = frozenset(
    {"decision.false_alarm_low", "decision.false_alarm_high", "image.count", "image.normal", "image.anomalous"}
)
"""No mean over categories: a mean of interval ends is no interval, and counts are not qualities."""


def category_metrics(
    scores: ArrayLike, labels: ArrayLike, decisions: ArrayLike | None = None, pixel: PixelMetrics | None = None
) -> dict[str, float]:
    """All metrics of one category.

    Args:
        scores: [n] image scores.
        labels: [n], True or 1 where the image is anomalous.
        decisions: [n], True or 1 where it was called anomalous; None leaves the ``decision.*`` out.
        pixel: the pixels of those images whose mask is known; None leaves the ``pixel.*`` out.

    Returns:
        ``image.auroc``, ``image.ap``, ``image.f1max``; ``pixel.*`` as `PixelMetrics.compute`; ``decision.*`` as
        `decision_metrics`; ``image.count``, ``image.normal``, ``image.anomalous`` (integers). nan where undefined.

    >>> category_metrics([0.1, 0.8], [0, 1])["image.auroc"]
    1.0
    """
    y = as_labels(labels)
    ranking = rank(scores, y)
    return {
        "image.auroc": ranking.auroc(),
        "image.ap": ranking.average_precision(),
        "image.f1max": ranking.f1max()[0],
        **(pixel.compute() if pixel is not None else {}),
        **(decision_metrics(y, decisions) if decisions is not None else {}),
        "image.count": int(y.size),
        "image.normal": int(y.size - y.sum()),
        "image.anomalous": int(y.sum()),
    }


def summarise(categories: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Macro mean and worst category of each metric, over the categories where it is defined.

    Worst is lowest, but highest for the false-alarm and miss rates; of equals, the first by name. Counts and the ends
    of the false-alarm interval stay with their categories.

    Args:
        categories: by category name, the metrics as `category_metrics` gives them; keys may differ.

    Returns:
        ``mean``: by metric, its mean, nan where no category defines it. ``worst``: by metric, ``{"value": float,
        "category": str}``, or nan and None.

    >>> summary = summarise({"bolt": {"image.ap": 0.75}, "cap": {"image.ap": math.nan}, "nut": {"image.ap": 0.5}})
    >>> summary["mean"]["image.ap"], summary["worst"]["image.ap"]
    (0.625, {'value': 0.5, 'category': 'nut'})
    """
    metrics = dict.fromkeys(key for values in categories.values() for key in values if key not in PER_CATEGORY_ONLY)
    mean: dict[str, Any] = {}
    worst: dict[str, Any] = {}
    for key in metrics:
        known = {name: float(values[key]) for name, values in sorted(categories.items()) if key in values}
        known = {name: value for name, value in known.items() if not math.isnan(value)}
        mean[key] = math.fsum(known.values()) / len(known) if known else math.nan
        pick = max if key in LOWER_IS_BETTER else min
        name = pick(known, key=known.__getitem__, default=None)
        worst[key] = {"value": known[name] if name is not None else math.nan, "category": name}
    return {"mean": mean, "worst": worst}


def jsonable(metrics: Any) -> Any:
    """Plain data for JSON, the same for the same metrics whatever the order in which they were computed.

    nan and infinities become None, floats are rounded to 6 digits, mappings are sorted by key, numpy scalars and arrays
    become plain numbers and lists.

    Args:
        metrics: nested mappings and sequences of numbers, text, bools and None.

    Raises:
        TypeError: something else is in there.

    >>> jsonable({"b": math.nan, "a": np.float32(0.1)})
    {'a': 0.1, 'b': None}
    """
    if isinstance(metrics, Mapping):
        return {str(key): jsonable(metrics[key]) for key in sorted(metrics)}
    if isinstance(metrics, np.ndarray | np.generic):
        return jsonable(metrics.tolist())
    if isinstance(metrics, float):
        return round(metrics, 6) + 0.0 if math.isfinite(metrics) else None  # + 0.0: no "-0.0"
    if metrics is None or isinstance(metrics, str | bool | int):
        return metrics
    if isinstance(metrics, Sequence):
        return [jsonable(value) for value in metrics]
    raise TypeError(f"{type(metrics).__name__} has no place in metrics.json")
