import numpy as np
import pytest
from adcore_plugins.agglomerative import Agglomerative
from adcore_plugins.consensus import Consensus
from adcore_plugins.hdbscan import HDBSCAN
from adcore_plugins.kmeans import KMeans
from sklearn.metrics import adjusted_rand_score

from adcore.errors import UserError
from tests.plugins.points import HARD, blobs, check_labels


@pytest.mark.parametrize("clusterer", [None, KMeans()])
def test_groups_are_found_again(clusterer):
    x, truth = blobs([120, 60, 20])
    assert adjusted_rand_score(truth, Consensus(3, clusterer).fit_predict(x)) > 0.98


def test_a_few_points_decide_less_than_in_one_clustering():
    agreement = {Agglomerative: [], Consensus: []}
    for seed in range(8):
        x, truth = blobs([40, 40, 40], seed, spread=0.38)
        for method, found in agreement.items():
            found.append(adjusted_rand_score(truth, method(3).fit_predict(x)))
    assert np.mean(agreement[Consensus]) > np.mean(agreement[Agglomerative]) + 0.05


def test_points_outside_the_sample_join_their_nearest():
    x, truth = blobs([400, 100])
    assert adjusted_rand_score(truth, Consensus(sample=50).fit_predict(x)) > 0.98


@pytest.mark.parametrize("points", HARD)
def test_any_points_are_taken(points):
    check_labels(Consensus(3), HARD[points])
    check_labels(Consensus(3, sample=5), HARD[points])
    check_labels(Consensus(1, share=1.0, most=1.0, runs=1), HARD[points])


def test_no_more_clusters_than_distinct_points():
    assert len(set(Consensus(5).fit_predict(HARD["duplicates"]))) == 2


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"runs": 0}, {"share": 0.0}, {"share": 1.5}, {"most": 0.5}, {"sample": -1}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError):
        Consensus(**wrong)


def test_a_clusterer_without_a_number_of_clusters_is_refused():
    with pytest.raises(UserError, match="HDBSCAN finds the number of clusters itself"):
        Consensus(clusterer=HDBSCAN())
