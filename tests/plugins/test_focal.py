import math

import pytest
import torch
import torch.nn.functional as F
from adcore_plugins.focal import Focal, contrast

from adcore.interfaces import HeadOutput


def slow_loss(queries, negatives, temperature):
    """The formula of the paper, one query at a time."""
    losses = []
    for i, query in enumerate(queries):
        others = [float(query @ other) / temperature for j, other in enumerate(queries) if j != i]
        positive = sum(others) / len(others)
        logits = [positive, *(float(query @ negative) / temperature for negative in negatives)]
        losses.append(math.log(sum(math.exp(logit) for logit in logits)) - positive)
    return sum(losses) / len(losses)


def unit(*shape, generator):
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=1)


def test_contrast_equals_the_published_formula(generator):
    queries, negatives = unit(7, 5, generator=generator), unit(4, 5, generator=generator)
    assert float(contrast(queries, negatives, 0.1)) == pytest.approx(slow_loss(queries, negatives, 0.1), rel=1e-9)


def test_loss_is_the_mean_over_images_that_hold_both_classes(generator):
    embedding = F.normalize(torch.randn(3, 4, 3, 3, generator=generator), dim=1)
    target = torch.zeros(3, 3, 3, dtype=torch.bool)
    target[0, 0], target[1, 1, 1] = True, True  # the third image is clean
    head = Focal(channels=(2,))
    expected = [
        slow_loss(embedding[i][:, ~target[i]].T.double(), embedding[i][:, target[i]].T.double(), 0.1) for i in (0, 1)
    ]
    assert float(head.loss(HeadOutput(embedding), target, generator)) == pytest.approx(sum(expected) / 2, rel=1e-5)


def test_symmetric_also_pulls_anomalous_pixels_together(generator):
    embedding = F.normalize(torch.randn(1, 4, 3, 3, generator=generator), dim=1)
    target = torch.zeros(1, 3, 3, dtype=torch.bool)
    target[0, :2] = True
    normal, forged = embedding[0][:, ~target[0]].T.double(), embedding[0][:, target[0]].T.double()
    loss = Focal(channels=(2,), symmetric=True).loss(HeadOutput(embedding), target, generator)
    expected = (slow_loss(normal, forged, 0.1) + slow_loss(forged, normal, 0.1)) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("value", [False, True])
def test_batch_of_one_class_gives_zero_with_a_graph(value, generator):
    head = Focal(channels=(3,), width=4, dimension=4)
    output = head((torch.randn(2, 3, 5, 6, generator=generator),))
    loss = head.loss(output, torch.full((2, 5, 6), value), generator)
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad is not None for parameter in head.parameters())


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("features", [(2, 3, 8, 10), (2, 5, 4, 5)]),
        ("relation", [(2, 4, 8, 10)]),
        ("both", [(2, 3, 8, 10), (2, 5, 4, 5), (2, 4, 4, 5)]),
    ],
)
def test_every_declared_input_is_embedded_on_the_grid(kind, inputs, generator):
    head = Focal(channels=(3, 5), relations=4, input=kind, grid=10, width=6, dimension=7)
    embedding = head(tuple(torch.randn(*shape, generator=generator) for shape in inputs)).embedding
    assert embedding.shape == (2, 7, 8, 10)
    assert torch.allclose(embedding.norm(dim=1), torch.ones(2, 8, 10), atol=1e-5)


def test_training_tells_a_planted_defect_from_the_rest(generator):
    features = torch.randn(4, 3, 8, 8, generator=generator)
    target = torch.zeros(4, 8, 8, dtype=torch.bool)
    target[:, 2:4, 3:6] = True
    features += 3 * target[:, None]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = Focal(channels=(3,), width=16, dimension=8)
    optimizer = torch.optim.Adam(head.parameters(), 3e-3)
    for _ in range(60):
        loss = head.loss(head((features,)), target, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    embedding = head((features,)).embedding.detach()
    centre = F.normalize(embedding.permute(0, 2, 3, 1)[~target].mean(0), dim=0)
    distance = 1 - torch.einsum("bdhw,d->bhw", embedding, centre)
    assert distance[target].mean() > 3 * distance[~target].mean()
