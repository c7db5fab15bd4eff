import math

import pytest
import torch
import torch.nn.functional as F
from adcore_plugins.focal import Focal, contrast, memberships
from tiny import recipe, run

from adcore.errors import UserError
from adcore.interfaces import HeadOutput


def slow_loss(queries, negatives, temperature, query_weights=None, negative_weights=None):
    """The formula of the paper, one query at a time; with weights, those of the docs."""
    w = [1.0] * len(queries) if query_weights is None else query_weights.tolist()
    v = [1.0] * len(negatives) if negative_weights is None else negative_weights.tolist()
    losses = []
    for i, query in enumerate(queries):
        others = [(w[j], float(query @ other) / temperature) for j, other in enumerate(queries) if j != i]
        positive = sum(weight * cosine for weight, cosine in others) / sum(weight for weight, _ in others)
        pushed = sum(weight * math.exp(float(query @ n) / temperature) for weight, n in zip(v, negatives, strict=True))
        losses.append(w[i] * (math.log(math.exp(positive) + pushed) - positive))
    return sum(losses) / sum(w)


def slow_memberships(own, other, temperature):
    """Softmax over the two centres, one pixel at a time."""
    centres = []
    for points in (own, other):
        mean = [sum(float(point[d]) for point in points) / len(points) for d in range(points.shape[1])]
        length = math.sqrt(sum(x * x for x in mean))
        centres.append([x / length for x in mean])
    weights = []
    for point in own:
        near, far = (
            math.exp(sum(float(x) * c for x, c in zip(point, centre, strict=True)) / temperature) for centre in centres
        )
        weights.append(near / (near + far))
    return torch.tensor(weights, dtype=torch.float64)


def unit(*shape, generator):
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=1)


def test_contrast_equals_the_published_formula(generator):
    queries, negatives = unit(7, 5, generator=generator), unit(4, 5, generator=generator)
    assert float(contrast(queries, negatives, 0.1)) == pytest.approx(slow_loss(queries, negatives, 0.1), rel=1e-9)


def test_soft_weights_equal_their_formula(generator):
    queries, negatives = unit(7, 5, generator=generator), unit(4, 5, generator=generator)
    w, v = memberships(queries, negatives, 0.5)
    assert torch.allclose(w, slow_memberships(queries, negatives, 0.5)) and not w.requires_grad
    assert torch.allclose(v, slow_memberships(negatives, queries, 0.5))
    assert float(contrast(queries, negatives, 0.1, w, v)) == pytest.approx(
        slow_loss(queries, negatives, 0.1, w, v), rel=1e-9
    )


def test_a_pixel_on_the_wrong_side_counts_for_less(generator):
    """A cell that is half defect: its label says one class, its embedding the other."""
    normal, forged = torch.eye(4).repeat_interleave(3, 0)[:6], torch.eye(4)[3].repeat(5, 1)
    normal[0] = torch.eye(4)[3]
    w, _ = memberships(normal, forged, 0.1)
    assert w[0] < 0.05 and (w[1:] > 0.9).all()


@pytest.mark.parametrize("symmetric", [False, True])
def test_soft_loss_of_a_batch(generator, symmetric):
    embedding = F.normalize(torch.randn(2, 4, 3, 3, generator=generator), dim=1)
    target = torch.zeros(2, 3, 3, dtype=torch.bool)
    target[:, 0] = True
    head = Focal(channels=(2,), contrast="soft", symmetric=symmetric)
    expected = []
    for image, truth in zip(embedding, target, strict=True):
        normal, forged = image[:, ~truth].T.double(), image[:, truth].T.double()
        w, v = slow_memberships(normal, forged, 0.1), slow_memberships(forged, normal, 0.1)
        expected.append(slow_loss(normal, forged, 0.1, w, v))
        expected += [slow_loss(forged, normal, 0.1, v, w)] if symmetric else []
    loss = head.loss(HeadOutput(embedding), target, generator)
    assert float(loss) == pytest.approx(sum(expected) / len(expected), rel=1e-4)


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
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_batch_of_one_class_gives_zero_with_a_graph(value, kind, generator):
    head = Focal(channels=(3,), width=4, dimension=4, contrast=kind)
    output = head((torch.randn(2, 3, 5, 6, generator=generator),))
    loss = head.loss(output, torch.full((2, 5, 6), value), generator)
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad is not None for parameter in head.parameters())


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("features", [(2, 3, 8, 10), (2, 5, 4, 5)]),
        ("raw", [(2, 3, 8, 10), (2, 5, 4, 5)]),
        ("relation", [(2, 4, 8, 10)]),
        ("both", [(2, 3, 8, 10), (2, 5, 4, 5), (2, 4, 4, 5)]),
        ("residual", [(2, 6, 8, 10)]),
    ],
)
def test_every_declared_input_is_embedded_on_the_grid(kind, inputs, generator):
    head = Focal(channels=(3, 5), relations=4, residuals=6, input=kind, grid=10, width=6, dimension=7)
    embedding = head(tuple(torch.randn(*shape, generator=generator) for shape in inputs)).embedding
    assert embedding.shape == (2, 7, 8, 10)
    assert torch.allclose(embedding.norm(dim=1), torch.ones(2, 8, 10), atol=1e-5)


@pytest.mark.parametrize("kind", ["relation", "both", "residual"])
def test_what_no_matcher_offers_is_refused(kind):
    with pytest.raises(UserError, match=rf"head\.input: {kind} needs a matcher"):
        Focal(channels=(3, 5), input=kind)


def test_a_head_learns_from_what_the_nearest_reference_leaves_of_the_features(tmp_path):
    changes = {"training": {"epochs": 1, "steps": 2, "batch_size": 4}, "matcher": {"name": "relation"}}
    content = recipe(head={"name": "focal", "input": "residual", "width": 8, "dimension": 4}, **changes)
    assert "contrastive" in run(tmp_path, content)["branches"]


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
