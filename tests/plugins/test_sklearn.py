import numpy as np
import pytest
import sklearn.cluster
from adcore_plugins.sklearn import Sklearn
from sklearn.base import ClusterMixin
from sklearn.metrics import adjusted_rand_score

from adcore.errors import UserError
from adcore.recipe import parse
from tests.plugins.points import HARD, blobs, check_labels
from tests.tiny import recipe, run

NAMES = [
    name
    for name, cls in vars(sklearn.cluster).items()
    if isinstance(cls, type) and issubclass(cls, ClusterMixin) and name != "FeatureAgglomeration"
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("points", HARD)
def test_every_estimator_of_scikit_learn_takes_any_points(name, points):
    # where the affinities have few ranks, SciPy's ARPACK restarts from a vector that no seed reaches
    check_labels(Sklearn(name), HARD[points], again=name != "SpectralClustering")


def test_the_arguments_reach_the_estimator():
    x, truth = blobs([90, 40, 30])
    assert adjusted_rand_score(truth, Sklearn("Birch", {"n_clusters": 3, "threshold": 0.1}).fit_predict(x)) > 0.98
    assert len(set(Sklearn("SpectralClustering", {"n_clusters": 5}).fit_predict(x))) == 5


def test_the_seed_reaches_the_estimator():
    x = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    labels = [Sklearn("KMeans", {"n_init": 1, "n_clusters": 6}, seed=seed).fit_predict(x) for seed in (0, 1)]
    assert adjusted_rand_score(*labels) < 0.99


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"estimator": "Brich"}, r"clusterer\.estimator: .*'Brich'.*did you mean 'Birch'"),
        ({"estimator": "FeatureAgglomeration"}, r"no clusterer 'FeatureAgglomeration'"),
        ({"estimator": "PCA"}, r"no clusterer 'PCA'"),
        ({"estimator": "Birch", "arguments": {"n_cluster": 2}}, r"Birch .*'n_cluster'.*did you mean 'n_clusters'"),
        ({"estimator": "Birch", "arguments": {"n_clusters": "two"}}, r"clusterer\.arguments: .*'n_clusters'.*'two'"),
        ({"estimator": "Birch", "arguments": {"n_clusters": -1}}, r"'n_clusters'.*-1"),
        ({"estimator": "Birch", "arguments": {"compute_labels": False}}, r"'compute_labels' cannot"),
        ({"estimator": "KMeans", "arguments": {"random_state": 1}}, r"'random_state'.*`seed`"),
        ({"estimator": "AgglomerativeClustering", "arguments": {"memory": "/tmp"}}, r"'memory' cannot"),
        ({"estimator": "AgglomerativeClustering", "arguments": {"metric": "cosine"}}, r"cosine.*Ward"),
        ({"estimator": "DBSCAN", "arguments": {"metric": "precomputed"}}, r"clusterer\.arguments: DBSCAN: "),
        ({"arguments": ["n_clusters"]}, r"clusterer\.arguments: expected dict"),
        ({"sample": -1}, r"clusterer\.sample: -1"),
    ],
)
def test_a_wrong_recipe_is_refused_before_anything_is_computed(wrong, told):
    with pytest.raises(UserError, match=told):
        parse(recipe(clusterer={"name": "sklearn"} | wrong)).build()


def test_a_recipe_runs_with_an_estimator_and_its_arguments(tmp_path):
    written = {"name": "sklearn", "estimator": "Birch", "arguments": {"n_clusters": 2, "threshold": 0.2}}
    changes = {"clusterer": written, "training": {"epochs": 1, "steps": 1, "batch_size": 4}}
    assert run(tmp_path, recipe(**changes))["mean"]["image.auroc"] >= 0
    assert "threshold: 0.2" in (tmp_path / "recipe.yaml").read_text()
