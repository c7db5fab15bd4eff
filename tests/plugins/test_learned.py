"""Fuser `learned`: whom it trusts, and what it says where it cannot tell."""

from __future__ import annotations

import warnings

import pytest
import torch
from adcore_plugins.learned import Learned
from adcore_plugins.rank import Rank
from tiny import recipe

from adcore.data.resizing import to_tensor
from adcore.errors import AdcoreWarning, UserError
from adcore.fitting import ContextFitter
from adcore.recipe import parse


def planted(generator, count=12, **strength):
    """Normals, simulated anomalies and their masks; how far each branch raises an anomaly, in units of its noise."""
    masks = torch.zeros(count, 12, 12, dtype=torch.bool)
    masks[:, 3:6, 4:8] = True
    normals = {branch: torch.rand(6, 12, 12, generator=generator) for branch in strength}
    simulated = {
        branch: torch.rand(count, 12, 12, generator=generator) + rise * masks for branch, rise in strength.items()
    }
    return normals, simulated, masks


def shares(state):
    return {key.removesuffix(".weight"): float(value) for key, value in state.items() if key.endswith(".weight")}


@pytest.mark.parametrize(("good", "useless"), [("reference", "contrastive"), ("contrastive", "reference")])
@pytest.mark.parametrize("rise", [0.0, -0.5])
def test_a_branch_that_does_not_separate_gets_no_weight(generator, good, useless, rise):
    normals, simulated, masks = planted(generator, **{good: 1.0, useless: rise})
    state = Learned().learn(normals, simulated, masks)
    assert shares(state)[useless] < 0.05 and shares(state)[good] > 0.95
    fused, equal = Learned().fuse(simulated, state), Rank().fuse(simulated, Rank().fit(normals))
    assert gap(fused, masks) > 1.3 * gap(equal, masks)


def gap(maps, masks):
    """By how many standard deviations of the normal pixels the anomalous ones stand out."""
    return float((maps[masks].mean() - maps[~masks].mean()) / maps[~masks].std())


def test_branches_that_are_alike_share_the_weight(generator):
    state = Learned().learn(*planted(generator, reference=1.0, contrastive=1.0))
    assert min(shares(state).values()) > 0.35


def test_the_unit_of_a_map_does_not_matter(generator):
    normals, simulated, masks = planted(generator, reference=1.0, contrastive=0.4)
    scaled = [{**maps, "contrastive": 100 * maps["contrastive"]} for maps in (normals, simulated)]
    expected = shares(Learned().learn(normals, simulated, masks))
    assert shares(Learned().learn(*scaled, masks)) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("anomalies", "normal"), [(7, 6), (0, 6), (12, 3)])
def test_with_too_little_it_joins_as_rank_and_says_so(generator, anomalies, normal):
    normals, simulated, masks = planted(generator, reference=1.0, contrastive=0.0)
    normals = {branch: maps[:normal] for branch, maps in normals.items()}
    simulated = {branch: maps[:anomalies] for branch, maps in simulated.items()}
    with pytest.warns(AdcoreWarning, match=f"{anomalies} simulated anomalies and {normal} normal images are too few"):
        state = Learned().learn(normals, simulated, masks[:anomalies])
    given = planted(generator, reference=1.0, contrastive=1.0)[1]
    torch.testing.assert_close(Learned().fuse(given, state), Rank().fuse(given, Rank().fit(normals)))


def test_anomalies_that_are_nowhere_do_not_count(generator):
    normals, simulated, masks = planted(generator, reference=1.0, contrastive=0.0)
    masks[5:] = False
    with pytest.warns(AdcoreWarning, match="5 simulated"):
        Learned().learn(normals, simulated, masks)


def test_where_no_branch_separates_it_joins_as_rank_and_says_so(generator):
    with pytest.warns(AdcoreWarning, match="no branch"):
        state = Learned().learn(*planted(generator, reference=-0.5, contrastive=-0.5))
    assert shares(state) == {"reference": 1.0, "contrastive": 1.0}


def test_one_branch_needs_nothing_to_weigh_and_keeps_its_ranking_without_weight(generator):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        normals, simulated, masks = planted(generator, reference=1.0)
        state = Learned().learn(normals, {"reference": simulated["reference"][:0]}, masks[:0])
    ramp = torch.linspace(-1, 3, 256).view(1, 16, 16)
    assert (Learned().fuse({"reference": ramp}, state).flatten().diff() > 0).all()
    useless = Learned().learn(*planted(generator, reference=0.0, contrastive=1.0))
    assert (Learned().fuse({"reference": ramp}, useless).flatten().diff() > 0).all()


def test_nan_is_refused_by_branch(generator):
    normals, simulated, masks = planted(generator, reference=1.0, contrastive=1.0)
    simulated["contrastive"][2, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="'contrastive'"):
        Learned().learn(normals, simulated, masks)


@pytest.mark.parametrize("wrong", [{"tail": 0.0}, {"least_anomalies": 0}, {"least_normals": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError):
        Learned(**wrong)


# ---- in a context -----------------------------------------------------------------------------------------------


@pytest.fixture
def fitter():
    runner = parse(recipe(fuser="learned")).build()
    detector = runner.detector().eval()
    samples = [sample for sample in runner.data.samples() if sample.category == "plate_line_a"]
    images = {sample.path: to_tensor(runner.data.image(sample), detector.image_size) for sample in samples[:8]}
    return ContextFitter(detector, images.__getitem__, 0.2), list(images)


@pytest.mark.parametrize("held_out", [0, 5])
def test_a_context_learns_from_anomalies_on_its_held_out_normals_or_its_references(fitter, held_out):
    made, paths = fitter
    asked = []
    learn = made.detector.fuser.learn
    made.detector.fuser.learn = lambda *given: asked.append(given) or learn(*given)
    references, scale = (paths[:3], paths[3:8]) if held_out else (paths[:5], [])
    context = made.draft("a", references, scale).context
    normals, simulated, masks = asked[0]
    assert len(normals["reference"]) == 5
    assert len(masks) >= 8 and masks.flatten(1).any(1).sum() >= 8 and not masks.all()
    assert simulated["reference"].shape == simulated["contrastive"].shape == masks.shape
    assert float(simulated["reference"][masks].mean()) > float(simulated["reference"][~masks].mean())
    again = made.draft("a", references[::-1], scale[::-1]).context
    assert shares(again.fuser) == pytest.approx(shares(context.fuser), abs=1e-3)


def test_without_synthesizers_or_others_to_judge_by_the_user_is_told(fitter):
    made, paths = fitter
    with pytest.warns(AdcoreWarning, match="0 simulated anomalies"):
        made.draft("a", paths[:1])
    made.detector.synthesizers = ()
    with pytest.warns(AdcoreWarning, match="name synthesizers"):
        made.draft("a", paths[:3], paths[3:8])
