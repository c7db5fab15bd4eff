"""Does the verdict follow the context? Images that several contexts judge, with labels that may differ."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from adcore.metrics.inputs import as_labels


class Verdict(NamedTuple):
    """One judgement of one image; a plain tuple in this order serves as well.

    Attributes:
        path: which image (`Sample.path`).
        context: who judged.
        label: True or 1 where the image is anomalous in this context.
        decision: True or 1 where it was called anomalous.
    """

    path: str
    context: str
    label: bool | int
    decision: bool | int


def flip_accuracy(records: Iterable[tuple[str, str, bool | int, bool | int]], differing: bool = False) -> float:
    """Share of the images judged in two or more contexts that are judged right in all of them.

    A model that ignores the context is wrong on every image whose label differs between contexts.

    Args:
        records: verdicts as (path, context, label, decision); images seen in one context are passed over.
        differing: count only images whose label differs between their contexts.

    Returns:
        Value in [0, 1]; nan where no image qualifies.

    Raises:
        ValueError: a context judges an image twice, or a label or decision is neither 0 nor 1.

    >>> verdicts = [("a", "line_a", 0, 0), ("a", "line_b", 1, 1), ("b", "line_a", 1, 1), ("b", "line_b", 1, 0)]
    >>> flip_accuracy(verdicts), flip_accuracy(verdicts, differing=True)
    (0.5, 1.0)
    """
    images: dict[str, dict[str, tuple[bool, bool]]] = {}
    for path, context, label, decision in records:
        judged = images.setdefault(path, {})
        if context in judged:
            raise ValueError(f"context {context!r} judges {path} twice")
        is_anomalous, called = as_labels([label, decision])
        judged[context] = bool(is_anomalous), bool(called)
    right = [
        all(label == decision for label, decision in judged.values())
        for judged in images.values()
        if len(judged) > 1 and (not differing or len({label for label, _ in judged.values()}) > 1)
    ]
    return sum(right) / len(right) if right else math.nan


def flip_metrics(records: Iterable[tuple[str, str, bool | int, bool | int]]) -> dict[str, float]:
    """Both shares of `flip_accuracy`, as ``context.flip_accuracy`` and ``context.flip_accuracy_differing``.

    >>> flip_metrics([("a", "line_a", 0, 0), ("a", "line_b", 1, 1)])
    {'context.flip_accuracy': 1.0, 'context.flip_accuracy_differing': 1.0}
    """
    verdicts = list(records)
    return {
        "context.flip_accuracy": flip_accuracy(verdicts),
        "context.flip_accuracy_differing": flip_accuracy(verdicts, differing=True),
    }
