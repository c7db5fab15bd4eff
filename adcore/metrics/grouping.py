"""How well kinds that were found agree with kinds that are known: NMI, ARI, F1 after a Hungarian matching, noise."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np


def grouping_metrics(found: Sequence[int], known: Sequence[Hashable]) -> dict[str, float]:
    """Agreement of two groupings of the same items; names of groups do not matter.

    Noise, found as -1, counts as a group of its own that matches no kind.

    Args:
        found: group of each item, -1 for noise.
        known: true kind of each item.

    Returns:
        ``nmi``, normalised mutual information (arithmetic mean); ``ari``, adjusted Rand index; ``f1``, mean over the
        true kinds of the F1 of the group matched to each, one to one, so that the sum is highest (Kuhn 1955; a kind
        without a group has 0); ``noise``, the share of items that are noise.

    Raises:
        ValueError: there is no item, or the two differ in length.

    >>> grouping_metrics([1, 1, 0, -1], ["dent", "dent", "scratch", "scratch"])["noise"]
    0.25
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    if not len(found) or len(found) != len(known):
        raise ValueError(f"{len(found)} groups do not go with {len(known)} kinds")
    kinds = {kind: place for place, kind in enumerate(dict.fromkeys(known))}
    truth, groups = np.array([kinds[kind] for kind in known]), np.asarray(found)
    names = np.unique(groups[groups >= 0])
    shared = np.array([[np.sum((truth == t) & (groups == g)) for g in names] for t in kinds.values()], dtype=float)
    sizes = np.array([np.sum(truth == t) for t in kinds.values()], dtype=float)[:, None]
    f1 = 2 * shared.reshape(len(kinds), len(names)) / (sizes + np.array([np.sum(groups == g) for g in names])[None])
    matched = f1[linear_sum_assignment(-f1)].sum() / len(kinds)
    return {
        "nmi": float(normalized_mutual_info_score(truth, groups)),
        "ari": float(adjusted_rand_score(truth, groups)),
        "f1": float(matched),
        "noise": float(np.mean(groups < 0)),
    }
