import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adcore_plugins.hdbscan import HDBSCAN
from adcore_plugins.kmeans import KMeans

from adcore.contrastive import anomalous_pixels, cluster_map, contrastive_map, normal_cluster, prototypes
from adcore.interfaces import Clusterer, HeadOutput


def planted(generator, defect=slice(0, 3), noise=0.05):
    """Embedding [4, 12, 12] of a normal image with a defect in some rows, and the unit vectors of both."""
    normal, forged = torch.eye(4)[0], torch.eye(4)[1]
    embedding = normal[:, None, None] + noise * torch.randn(4, 12, 12, generator=generator)
    embedding[:, defect] += 2 * forged[:, None, None]
    return F.normalize(embedding, dim=0), normal, forged


@pytest.mark.parametrize("clusterer", [KMeans(), HDBSCAN(dimensions=0)])
def test_defect_stands_out(clusterer, generator):
    embedding, _, _ = planted(generator)
    heat = contrastive_map(HeadOutput(embedding[None]), clusterer, None)[0]
    assert heat[:3].min() > 4 * heat[3:].max()
    assert anomalous_pixels(embedding, clusterer, None)[:3].all()


def test_normal_is_what_the_references_show_not_what_is_larger(generator):
    embedding, normal, forged = planted(generator, defect=slice(0, 9))
    without = contrastive_map(HeadOutput(embedding[None]), KMeans(), None)[0]
    assert without[9:].mean() > without[:9].mean()  # the larger part passes as normal
    known = contrastive_map(HeadOutput(embedding[None]), KMeans(), normal[None])[0]
    assert known[:9].mean() > known[9:].mean()
    swapped = contrastive_map(HeadOutput(embedding[None]), KMeans(), forged[None])[0]
    assert swapped[9:].mean() > swapped[:9].mean()


class Given(Clusterer):
    def __init__(self, labels):
        self.labels = labels

    def fit_predict(self, x):
        assert x.dtype == np.float32
        return np.array(self.labels).ravel()


def test_noise_is_not_called_a_defect_and_all_noise_has_no_cluster(generator):
    embedding, _, _ = planted(generator)
    labels = np.zeros((12, 12), dtype=int)
    labels[:3] = -1
    assert not anomalous_pixels(embedding, Given(labels), None).any()
    assert normal_cluster(embedding.flatten(1).T, torch.full((144,), -1), None) is None
    assert torch.isfinite(cluster_map(embedding, torch.full((12, 12), -1))).all()


def test_clean_image_in_one_cluster_stays_low(generator):
    embedding, _, _ = planted(generator, defect=slice(0, 0))
    assert cluster_map(embedding, torch.zeros(12, 12, dtype=torch.long)).max() < 0.05


def test_logits_need_no_clusterer():
    logits = torch.tensor([[[-2.0, 3.0]]])
    assert torch.allclose(contrastive_map(HeadOutput(logits=logits), None, None), logits.sigmoid())


def test_prototypes_cover_all_references():
    embedding = torch.arange(4.0)[:, None, None, None].expand(4, 2, 40, 40)
    rows = prototypes(embedding)
    assert len(rows) <= 1024
    assert set(rows[:, 0].tolist()) == {0, 1, 2, 3}


def test_what_is_told_of_the_image_leaves_the_map_alone():
    logits = torch.randn(2, 4, 4)
    told = HeadOutput(logits=logits, image=torch.tensor([-3.0, 3.0]))
    assert torch.equal(contrastive_map(told, None, None), contrastive_map(HeadOutput(logits=logits), None, None))
