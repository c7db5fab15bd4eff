import numpy as np
import pytest
from adcore_plugins.dbscan import DBSCAN
from sklearn.metrics import adjusted_rand_score

from adcore.errors import UserError
from tests.plugins.points import HARD, blobs, check_labels, unit


@pytest.mark.parametrize("spread", [0.01, 0.05])
@pytest.mark.parametrize("sizes", [[300], [300, 40], [200, 80, 40]])
def test_as_many_clusters_as_there_are_at_any_scale(sizes, spread):
    x, truth = blobs(sizes, spread=spread)
    labels = DBSCAN().fit_predict(x)
    assert set(labels) - {-1} == set(range(len(sizes)))
    assert adjusted_rand_score(truth[labels >= 0], labels[labels >= 0]) > 0.98
    assert (labels >= 0).mean() > 0.95


def test_scattered_points_are_noise():
    x, _ = blobs([300])
    lost = unit(np.random.default_rng(1).normal(size=(5, x.shape[1])))
    assert set(DBSCAN().fit_predict(np.concatenate([x, lost]))[-5:]) == {-1}


def test_the_radius_says_what_is_near():
    x, _ = blobs([100, 100])
    assert set(DBSCAN(radius=1.9).fit_predict(x)) == {0}
    assert set(DBSCAN(radius=1e-4).fit_predict(x)) == {-1}


def test_points_outside_the_sample_join_their_nearest():
    x, truth = blobs([400, 200])
    labels = DBSCAN(sample=100).fit_predict(x)
    assert adjusted_rand_score(truth[labels >= 0], labels[labels >= 0]) > 0.98


@pytest.mark.parametrize("points", HARD)
def test_any_points_are_taken(points):
    check_labels(DBSCAN(), HARD[points])
    check_labels(DBSCAN(sample=5, min_samples=9), HARD[points])


@pytest.mark.parametrize("wrong", [{"radius": 0.0}, {"reach": 0.0}, {"min_samples": 0}, {"sample": -1}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError):
        DBSCAN(**wrong)
