"""One result type everywhere: what the model says of one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from adcore.data.samples import Sample


@dataclass(frozen=True)
class Route:
    """Which of several contexts an image belongs to, told from the image as a whole.

    Attributes:
        context: name of the nearest context.
        margin: how much nearer it is than the second nearest, as a share of that one's distance: near 0 the two can
            hardly be told apart, near 1 there is no doubt.
        near: whether the image lies within the context's reach; else it belongs to none.
    """

    context: str
    margin: float
    near: bool


@dataclass(frozen=True)
class Prediction:
    """The verdict on one image in one context.

    Where no context was named and none is near, nothing is judged: see `unknown`.

    Attributes:
        context: name of the context that judged.
        score: image score; grows with abnormality.
        p_value: conformal p-value, the share of calibration normals (and the image itself) that score at least as high.
        decision: ``anomalous`` where ``score >= threshold`` of the context, else ``normal``; ``unknown`` where no
            context judged.
        threshold: image threshold of the context at the recipe's false-alarm rate.
        map: float32 [H, W] anomaly map at the model's image size.
        mask: bool [H, W], ``map >= pixel threshold`` of the context, a threshold that at most the false-alarm rate of
            normal images exceed anywhere.
        branch_scores: score of each branch's own map, by branch.
        branch_maps: float32 [H, W] map of each branch, by branch.
        reference: the image's own golden sample, where it was judged beside one; else None.
        route: how the context was chosen, where none was named and there were several; else None.
    """

    context: str
    score: float
    p_value: float
    decision: str
    threshold: float
    map: np.ndarray
    mask: np.ndarray
    branch_scores: Mapping[str, float] = field(default_factory=dict)
    branch_maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    reference: str | None = None
    route: Route | None = None

    @classmethod
    def unknown(cls, route: Route, size: tuple[int, int]) -> Prediction:
        """No verdict, as no context is near: no context, nan for every number, nothing marked in an image [H, W]."""
        nan = float("nan")
        return cls("", nan, nan, "unknown", nan, np.full(size, nan, np.float32), np.zeros(size, bool), route=route)


@dataclass(frozen=True)
class TestResult:
    """A prediction beside the truth.

    Attributes:
        sample: what was judged.
        image: uint8 [H, W, 3], at the model's image size.
        mask: bool [H, W] ground truth at the model's image size, or None where unknown.
        prediction: the verdict.
    """

    __test__ = False  # not a pytest class

    sample: Sample
    image: np.ndarray
    mask: np.ndarray | None
    prediction: Prediction
