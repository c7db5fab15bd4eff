import numpy as np
import pytest
import sklearn.cluster
from adcore_plugins.hdbscan import HDBSCAN
from adcore_plugins.kmeans import KMeans
from sklearn.metrics import adjusted_rand_score

from adcore.errors import UserError
from tests.plugins.points import HARD, blobs, check_labels, unit


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
    "wrong",
    [
        lambda: KMeans(k=0),
        lambda: HDBSCAN(min_cluster_share=2),
        lambda: HDBSCAN(dimensions=-1),
        lambda: KMeans(sample=-1),
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError):
        wrong()


def inertia(x, labels):
    return sum(((x[labels == label] - x[labels == label].mean(0)) ** 2).sum() for label in np.unique(labels))


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("sizes", [[2000, 400, 80, 60], [2500], []])
def test_kmeans_is_as_good_as_all_of_scikit_learns_starts_on_all_points(sizes, k):
    x = blobs(sizes, dimension=32)[0] if sizes else unit(np.random.default_rng(0).normal(size=(2500, 32)))
    full = sklearn.cluster.KMeans(k, n_init=10, random_state=0).fit_predict(x)
    labels = KMeans(k=k).fit_predict(x)
    assert inertia(x, labels) < 1.02 * inertia(x, full)
    if len(sizes) == k:  # where there are no k groups many answers are as good
        assert adjusted_rand_score(full, labels) > 0.99


@pytest.mark.parametrize("sample", [0, 300])
def test_hdbscan_finds_in_a_sample_what_there_is(sample):
    x, truth = blobs([1200, 200, 100])
    rng = np.random.default_rng(1)
    lost = unit(rng.normal(size=(20, x.shape[1])))
    labels = HDBSCAN(sample=sample).fit_predict(np.concatenate([x, lost]))
    assert (labels[-20:] == -1).mean() > 0.8
    kept = labels[:-20] >= 0
    assert kept.mean() > 0.97
    assert adjusted_rand_score(truth[kept], labels[:-20][kept]) > 0.98


def test_a_sampled_clusterer_depends_on_nothing_it_clustered_before():
    x, _ = blobs([1500, 300])
    for clusterer in (KMeans(), HDBSCAN()):
        first = clusterer.fit_predict(x)
        clusterer.fit_predict(x[::-1])
        assert np.array_equal(first, clusterer.fit_predict(x))


@pytest.mark.parametrize("points", HARD)
def test_samples_of_any_points_are_taken(points):
    check_labels(KMeans(k=3, sample=5), HARD[points])
    check_labels(HDBSCAN(sample=5), HARD[points])
    check_labels(HDBSCAN(sample=2, dimensions=0), HARD[points])
