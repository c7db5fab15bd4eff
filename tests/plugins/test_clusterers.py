import numpy as np
import pytest
from adcore_plugins.hdbscan import HDBSCAN
from adcore_plugins.kmeans import KMeans
from sklearn.metrics import adjusted_rand_score

from adcore.errors import UserError
from tests.plugins.points import blobs


@pytest.mark.parametrize("clusterer", [KMeans(), HDBSCAN()])
def test_two_groups_are_found_again(clusterer):
    x, truth = blobs([400, 60])
    assert adjusted_rand_score(truth, clusterer.fit_predict(x)) > 0.98


def test_hdbscan_answers_one_cluster_where_kmeans_always_splits():
    x, _ = blobs([500])
    labels = HDBSCAN().fit_predict(x)
    assert set(labels) <= {0, -1}
    assert (labels == 0).mean() > 0.8
    assert set(KMeans().fit_predict(x)) == {0, 1}


def test_hdbscan_calls_scattered_points_noise():
    x, _ = blobs([300, 100])
    rng = np.random.default_rng(1)
    lost = rng.normal(size=(5, x.shape[1])).astype(np.float32)
    lost /= np.linalg.norm(lost, axis=1, keepdims=True)
    assert set(HDBSCAN(dimensions=0).fit_predict(np.concatenate([x, lost]))[-5:]) == {-1}


@pytest.mark.parametrize("clusterer", [KMeans(k=3), HDBSCAN()])
@pytest.mark.parametrize("x", [np.ones((1, 4)), np.ones((2, 4)), np.ones((50, 4)), np.zeros((9, 4)), np.eye(4)])
def test_few_equal_and_read_only_points(clusterer, x):
    x = x.astype(np.float32)
    x.setflags(write=False)
    labels = clusterer.fit_predict(x)
    assert labels.shape == (len(x),)
    assert labels.dtype.kind == "i"
    assert np.array_equal(labels, clusterer.fit_predict(x))


@pytest.mark.parametrize(
    "wrong", [lambda: KMeans(k=0), lambda: HDBSCAN(min_cluster_share=2), lambda: HDBSCAN(dimensions=-1)]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError):
        wrong()
