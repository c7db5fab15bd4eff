import itertools

import numpy as np
import pytest

from adcore.metrics.grouping import grouping_metrics


def test_names_of_groups_do_not_matter():
    known = ["a", "a", "b", "c", "c", "c"]
    perfect = {"nmi": pytest.approx(1), "ari": pytest.approx(1), "f1": pytest.approx(1), "noise": 0}
    assert grouping_metrics([5, 5, 0, 2, 2, 2], known) == perfect
    assert grouping_metrics([0] * 6, known)["nmi"] == pytest.approx(0)


def test_f1_is_that_of_the_best_matching_of_all():
    draws = np.random.default_rng(0)
    for _ in range(20):
        known, found = draws.integers(0, 4, 40), draws.integers(-1, 3, 40)
        kinds, groups = sorted(set(known)), [*sorted(set(found) - {-1}), None, None]

        def f1(kind, group, known=known, found=found):
            if group is None:
                return 0.0
            hit = np.sum((known == kind) & (found == group))
            return 2 * hit / (np.sum(known == kind) + np.sum(found == group))

        best = max(
            np.mean([f1(kind, group) for kind, group in zip(kinds, order, strict=False)])
            for order in itertools.permutations(groups, len(kinds))
        )
        assert grouping_metrics(found, known.tolist())["f1"] == pytest.approx(best)


def test_noise_is_counted_and_matches_nothing():
    metrics = grouping_metrics([-1, -1, 0, 0], ["a", "a", "b", "b"])
    assert metrics["noise"] == 0.5 and metrics["f1"] == 0.5
    assert grouping_metrics([-1, -1], ["a", "b"]) == {"nmi": 0, "ari": 0, "f1": 0, "noise": 1}


@pytest.mark.parametrize(("found", "known"), [([], []), ([0], ["a", "b"])])
def test_what_does_not_go_together_is_refused(found, known):
    with pytest.raises(ValueError):
        grouping_metrics(found, known)
