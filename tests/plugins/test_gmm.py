import numpy as np
import pytest
from adcore_plugins.gmm import GMM
from adcore_plugins.kmeans import KMeans
from sklearn.metrics import adjusted_rand_score

from adcore.errors import UserError
from tests.plugins.points import HARD, blobs, check_labels, unit


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_groups_are_found_again(covariance):
    x, truth = blobs([300, 60])
    assert adjusted_rand_score(truth, GMM(covariance=covariance).fit_predict(x)) > 0.98


def test_a_narrow_group_beside_a_wide_one_is_found_where_kmeans_cuts_the_wide_one():
    rng = np.random.default_rng(0)
    wide = np.array([1.0, 0, 0]) + rng.normal(size=(400, 3)) * [0.01, 0.4, 0.01]
    narrow = np.array([1.0, 0, 0.3]) + rng.normal(size=(80, 3)) * 0.01
    x, truth = unit(np.concatenate([wide, narrow])), np.repeat([0, 1], [400, 80])
    assert adjusted_rand_score(truth, GMM().fit_predict(x)) > 0.4
    assert adjusted_rand_score(truth, KMeans().fit_predict(x)) < 0.1


def test_choosing_may_answer_one_cluster():
    for sizes in ([300], [200, 100], [200, 100, 60]):
        assert len(set(GMM(k=4, choose=True).fit_predict(blobs(sizes)[0]))) == len(sizes)
    assert len(set(GMM(k=2).fit_predict(blobs([300])[0]))) == 2


def test_points_outside_the_sample_join_their_nearest():
    x, truth = blobs([400, 200])
    assert adjusted_rand_score(truth, GMM(sample=100).fit_predict(x)) > 0.98


@pytest.mark.parametrize("points", HARD)
def test_any_points_are_taken(points):
    check_labels(GMM(3), HARD[points])
    check_labels(GMM(3, choose=True, sample=5, dimensions=0), HARD[points])


@pytest.mark.parametrize("wrong", [{"k": 0}, {"restarts": 0}, {"dimensions": -1}, {"sample": -1}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError):
        GMM(**wrong)
