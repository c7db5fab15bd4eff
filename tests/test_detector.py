"""The flow: from images to maps, scores and decisions in a context."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny import MATCHER, recipe

from adcore.calibration import Calibration
from adcore.context import Context
from adcore.errors import UserError
from adcore.interfaces import Backbone, Clusterer, Fit, Head, HeadOutput, ReferenceMatcher
from adcore.prediction import Prediction
from adcore.recipe import parse
from adcore.scoring import enlarge
from adcore.studying import fit_references

FEATURES = {"name": "focal", "width": 8, "dimension": 4}


@pytest.fixture
def images(generator):
    """Six normals: the same stripes, and a little noise."""
    return stripes(6, (32, 32), generator)


def stripes(count, size, generator):
    wave = torch.sin(torch.arange(size[1]) / 2)[None, None, None] * 0.3 + 0.5
    return (wave + 0.05 * torch.randn(count, 3, *size, generator=generator)).clamp(0, 1)


def detector(**changes):
    return parse(recipe(**changes)).build().detector().eval()


def context(made, references, rate=0.3):
    """A context on references, calibrated on themselves."""
    fitted = fit_references(made, references)
    fuser = made.fuser.fit(fitted.among)
    paths = tuple(str(index) for index in range(len(references)))
    draft = Context("c", paths, fitted.matcher, fitted.prototypes, fuser)
    joined = made.joined(fitted.among, fuser)
    scores, peaks = made.scores(joined, draft)["fused"], made.shown(joined)["fused"].flatten(1).amax(1)
    return replace(draft, calibration=Calibration.of(scores.tolist(), peaks.tolist(), rate))


def damaged(image):
    image = image.clone()
    image[:, 8:24, 8:24] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    return image


# ---- one verdict ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fuser", "trust"),
    [({"name": "logodds", "adapt": False}, 1.0), ("rank", 0.1), ({"name": "rank", "image": 0.5}, 0.5), ("mean", 0.0)],
)
def test_what_the_head_tells_of_the_image_is_added_to_the_score_as_far_as_the_fuser_trusts_it(images, fuser, trust):
    parts = {"matcher": {"name": "relation"}, "head": {"name": "relative", "width": 8, "dimension": 0}}
    made = detector(**parts, fuser=fuser, clusterer=None, score="max", smoothing=0)
    fitted = fit_references(made, images[:5])
    fuser, calibration = made.fit_fuser(fitted.among), Calibration.of([0.0], [0.0], 0.5)
    found = made.predict(images[5], Context("c", (), fitted.matcher, fuser=fuser, calibration=calibration))
    assert found.branch_scores["image"] and "image" not in found.branch_maps
    assert found.score == pytest.approx(float(found.map.max()) + trust * found.branch_scores["image"], rel=1e-5)


def test_a_fuser_may_take_scores_from_another_map_than_it_shows(images):
    made = detector(fuser={"name": "rank", "telling": "reference"}, score="max")
    known = context(made, images[:5])
    found = made.predict(damaged(images[5]), known)
    assert set(found.branch_maps) == {"reference", "contrastive"} and set(found.branch_scores) == set(found.branch_maps)
    maps = made.branch_maps(damaged(images[5])[None], known)
    scaled = enlarge(made.fuser.fuse({"reference": maps["reference"]}, known.fuser), made.image_size, 0)
    assert found.score == pytest.approx(float(scaled.max()))
    assert found.score != pytest.approx(float(found.map.max()))


@pytest.mark.parametrize("score", ["max", "top1%", "top10%", "q90"])
def test_score_decision_and_mask_follow_from_the_map(images, score):
    made = detector(score=score, smoothing=0)
    known = context(made, images[:5])
    for image in [images[5], damaged(images[5])]:
        found = made.predict(image, known)
        assert isinstance(found, Prediction) and found.context == "c"
        assert found.map.shape == (32, 32) and found.map.dtype == np.float32 and np.isfinite(found.map).all()
        values = np.sort(found.map.ravel())[::-1].astype(np.float64)
        expected = {
            "max": values[0],
            "top1%": values[:10].mean(),
            "top10%": values[:102].mean(),
            "q90": np.quantile(values, 0.9, method="nearest"),
        }[score]
        assert found.score == pytest.approx(expected, rel=1e-5)
        assert found.p_value == known.calibration.p_value(found.score)
        assert found.threshold == known.calibration.threshold
        assert found.decision == ("anomalous" if found.score >= found.threshold else "normal")
        assert np.array_equal(found.mask, found.map >= known.calibration.pixel_threshold)


def test_maps_are_smoothed_to_look_at_and_not_to_score(images):
    sharp, smooth = detector(smoothing=0), detector(smoothing=2)
    known = context(sharp, images[:5])
    one, other = sharp.predict(damaged(images[5]), known), smooth.predict(damaged(images[5]), known)
    assert one.score == other.score and one.branch_scores == other.branch_scores
    assert detector(score_smoothing=2).predict(damaged(images[5]), known).score < one.score
    assert other.map.max() < one.map.max() and other.map.mean() == pytest.approx(one.map.mean(), rel=0.05)


def test_a_score_at_the_threshold_is_anomalous(images):
    made = detector()
    known = context(made, images[:5])
    score = made.predict(images[5], known).score
    for highest, decision in [(np.nextafter(np.float32(score), np.float32(0)), "anomalous"), (score, "normal")]:
        calibration = Calibration.of([float(highest)], [1.0], 0.5)
        found = made.predict(images[5], replace(known, calibration=calibration))
        assert (found.decision, found.p_value) == (decision, 0.5 if decision == "anomalous" else 1.0)


@pytest.mark.parametrize("fuser", ["mean", "max", "rank"])
@pytest.mark.parametrize("reads", ["features", "relation", "both"])
def test_damage_scores_higher_where_it_is(images, fuser, reads):
    made = detector(head=FEATURES | {"input": reads}, fuser=fuser)
    known = context(made, images[:5])
    normal, anomalous = made.predict(images[5], known), made.predict(damaged(images[5]), known)
    assert anomalous.branch_scores["reference"] > normal.branch_scores["reference"]
    heat = anomalous.branch_maps["reference"]
    assert heat[8:24, 8:24].mean() > heat[:4].mean()
    assert set(anomalous.branch_maps) == set(anomalous.branch_scores) == {"reference", "contrastive"}


def test_a_reference_is_its_own_nearest(images):
    made = detector(head=None, matcher={"name": "anomalygpt"}, fuser="mean")
    known = context(made, images[:5])
    assert made.predict(images[2], known).map.max() < 1e-5
    assert made.predict(images[5], known).map.min() > 1e-5


def test_the_verdict_depends_on_nothing_else_that_is_judged(images):
    made = detector()
    known = context(made, images[:5])
    alone = made.predict(damaged(images[5]), known)
    for image in images:
        made.predict(image, known)
    again = made.predict(damaged(images[5]), known)
    assert again.score == alone.score and np.array_equal(again.map, alone.map)
    torch.manual_seed(5)
    assert made.predict(damaged(images[5]), known).score == alone.score


def test_a_batch_is_judged_like_its_images(images):
    made = detector()
    known = context(made, images[:4])
    together = made.branch_maps(images[4:], known)
    for index, image in enumerate(images[4:]):
        for branch, maps in made.branch_maps(image[None], known).items():
            torch.testing.assert_close(together[branch][index], maps[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(20, 72), (33, 47), (8, 100)])
def test_any_size_of_image(generator, size):
    made = detector(image_size=list(size))
    many = stripes(4, size, generator)
    found = made.predict(many[3], context(made, many[:3]))
    assert found.map.shape == size and np.isfinite(found.map).all()
    assert all(values.shape == size for values in found.branch_maps.values())


# ---- branches ---------------------------------------------------------------------------------------------------


def test_one_branch_alone_is_the_fused_map(images):
    for changes, branch in [
        ({"head": None}, "reference"),
        ({"matcher": None, "head": FEATURES}, "contrastive"),
    ]:
        made = detector(fuser="mean", **changes)
        found = made.predict(images[5], context(made, images[:5]))
        assert list(found.branch_maps) == [branch]
        assert np.array_equal(found.map, found.branch_maps[branch]) and found.score == found.branch_scores[branch]


@pytest.mark.parametrize(("fuser", "join"), [("mean", np.mean), ("max", np.max)])
def test_the_fused_map_joins_the_branches(images, fuser, join):
    made = detector(fuser=fuser, smoothing=0, image_size=8)  # maps are made on a grid of 8 x 8: nothing is enlarged
    small = F.interpolate(images, (8, 8))
    found = made.predict(small[5], context(made, small[:5]))
    np.testing.assert_allclose(found.map, join(list(found.branch_maps.values()), axis=0), atol=1e-6)


class TwoLevels(Backbone):
    channels, strides, pretrained = (3, 3), (2, 4), True

    def forward(self, images):
        return F.avg_pool2d(images, 2), F.avg_pool2d(images, 4)


class Fine(ReferenceMatcher):
    """Maps on the finer level."""

    def fit(self, features, views=1):
        return Fit({"mean": features[0].mean(0)}, (features[0] - features[0].mean(0)).abs().mean(1))

    def match(self, features, state):
        return (features[0] - state["mean"]).abs().mean(1)


class Coarse(Head):
    """Maps on the coarser level."""

    def forward(self, inputs):
        return HeadOutput(logits=inputs[1].mean(1))

    def loss(self, output, target, generator):
        return output.logits.sum() * 0


def test_branches_on_different_grids_are_joined_on_the_finer(images):
    made = detector(fuser="mean")
    made.backbone, made.matcher, made.head, made.clusterer = TwoLevels(), Fine(), Coarse(), None
    known = context(made, images[:5])
    maps = made.branch_maps(images[5:], known)
    assert {branch: tuple(values.shape) for branch, values in maps.items()} == {
        "reference": (1, 16, 16),
        "contrastive": (1, 16, 16),
    }
    assert known.prototypes is None
    assert made.predict(images[5], known).map.shape == (32, 32)


# ---- contexts ---------------------------------------------------------------------------------------------------


def test_the_context_decides_what_is_normal(images):
    """The same images, the same weights: normal is what the references show."""
    made, turned = detector(), images.transpose(2, 3)
    upright, lying = context(made, images[:5]), context(made, turned[:5])

    def strangeness(image, known):
        return made.predict(image, known).branch_maps["reference"].mean()

    assert strangeness(images[5], upright) < strangeness(images[5], lying)
    assert strangeness(turned[5], lying) < strangeness(turned[5], upright)


def test_the_order_of_the_references_does_not_matter(images):
    made = detector(head=None)
    one = made.predict(images[5], context(made, images[:5]))
    other = made.predict(images[5], context(made, images[:5].flip(0)))
    np.testing.assert_allclose(one.map, other.map, rtol=1e-3, atol=1e-3)
    assert one.score == pytest.approx(other.score, rel=1e-3)


@pytest.mark.parametrize("matcher", [MATCHER, {"name": "anomalygpt", "rotations": 4, "flips": True}])
def test_references_among_themselves_make_one_map_each(images, matcher):
    made = detector(matcher=matcher)
    for count in (1, 2, 5):
        among = fit_references(made, images[:count]).among
        assert set(among) == {"reference", "contrastive"}
        assert {len(maps) for maps in among.values()} == {count}
        assert len({maps.shape for maps in among.values()}) == 1
        assert all(torch.isfinite(maps).all() for maps in among.values())


@pytest.mark.parametrize("branch", ["reference", "contrastive"])
def test_a_reference_among_themselves_is_judged_by_the_others_alone(images, branch):
    made = detector(head=FEATURES, fuser="mean")
    three = torch.stack([images[0], images[1], damaged(images[2])])
    among = fit_references(made, three).among[branch]
    by_others = made.branch_maps(three[2:], context(made, three[:2]))[branch]
    torch.testing.assert_close(among[2:], by_others, rtol=1e-4, atol=1e-5)
    assert among[2].mean() > 1.01 * among[0].mean()


class One(Clusterer):
    """Everything is one cluster; counts what it is given."""

    def __init__(self):
        self.shapes = []

    def fit_predict(self, x):
        assert x.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-4)
        self.shapes.append(x.shape)
        return np.zeros(len(x), np.int64)


def test_the_clusterer_sees_the_embeddings_of_one_image_at_a_time(images):
    made = detector(head=FEATURES, matcher=None)
    known = context(made, images[:5])
    made.clusterer = One()
    made.branch_maps(images, known)
    cells = made.head(made.backbone(images[:1])).embedding.shape[2:].numel()
    assert made.clusterer.shapes == [(cells, 4)] * 6


# ---- what does not go together ----------------------------------------------------------------------------------


def test_a_relation_without_a_context_is_an_error_that_says_so(images):
    made = detector()
    features = made.backbone(images)
    with pytest.raises(UserError, match="head Focal reads the relation to references, but there is no context; name"):
        made.embed(features, {})


@pytest.mark.parametrize("matcher", [None, Fine()])
def test_a_relation_needs_a_matcher_that_offers_one(matcher):
    runner = parse(recipe()).build()
    runner.matcher = matcher
    with pytest.raises(UserError, match=r"head\.input: relation needs a matcher that offers a relation; name one"):
        runner.detector()
