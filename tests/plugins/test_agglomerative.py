import pytest
from adcore_plugins.agglomerative import Agglomerative
from sklearn.metrics import adjusted_rand_score

from adcore.errors import UserError
from tests.plugins.points import HARD, blobs, check_labels


@pytest.mark.parametrize("linkage", ["ward", "average", "complete", "single"])
def test_groups_are_found_again(linkage):
    x, truth = blobs([200, 60, 20])
    assert adjusted_rand_score(truth, Agglomerative(3, linkage).fit_predict(x)) > 0.98


def test_a_distance_finds_as_many_clusters_as_lie_that_far_apart():
    clusterer = Agglomerative(linkage="average", distance=1.0)
    for sizes in ([150], [100, 50], [80, 40, 30]):
        assert len(set(clusterer.fit_predict(blobs(sizes)[0]))) == len(sizes)


def test_points_outside_the_sample_join_their_nearest():
    x, truth = blobs([400, 100])
    labels = Agglomerative(sample=50).fit_predict(x)
    assert adjusted_rand_score(truth, labels) > 0.98


@pytest.mark.parametrize("points", HARD)
def test_any_points_are_taken(points):
    check_labels(Agglomerative(3), HARD[points])
    check_labels(Agglomerative(3, sample=5), HARD[points])
    check_labels(Agglomerative(distance=0.5), HARD[points])


def test_no_more_clusters_than_distinct_points():
    assert len(set(Agglomerative(5).fit_predict(HARD["duplicates"]))) == 2


@pytest.mark.parametrize("wrong", [{"k": 0}, {"distance": 0.0}, {"sample": -1}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError):
        Agglomerative(**wrong)
