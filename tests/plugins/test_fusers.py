import pytest
import torch
from adcore_plugins.max import Max
from adcore_plugins.mean import Mean
from adcore_plugins.rank import Rank

FUSERS = [Mean(), Mean(weights={"reference": 3.0}), Max(), Rank(), Rank(join="max")]


def maps(generator, **scale):
    return {branch: scale[branch] * torch.rand(4, 16, 16, generator=generator) for branch in scale}


def fitted(fuser, generator):
    return fuser.fit(maps(generator, reference=1.0, contrastive=100.0))


@pytest.mark.parametrize("fuser", FUSERS)
def test_raising_one_map_never_lowers_the_result(fuser, generator):
    state, given = fitted(fuser, generator), maps(generator, reference=2.0, contrastive=200.0)
    before = fuser.fuse(given, state)
    for branch in given:
        raised = {**given, branch: given[branch] * 1.1}
        assert (fuser.fuse(raised, state) >= before - 1e-6).all()


@pytest.mark.parametrize("fuser", FUSERS)
def test_one_map_keeps_its_ranking(fuser, generator):
    state = fuser.fit(maps(generator, reference=1.0))
    given = torch.linspace(-1, 3, 256, dtype=torch.float32).view(1, 16, 16)
    assert (fuser.fuse({"reference": given}, state).flatten().diff() > 0).all()


@pytest.mark.parametrize("fuser", FUSERS)
def test_nan_is_refused_by_branch(fuser, generator):
    given = maps(generator, reference=1.0, contrastive=1.0)
    given["contrastive"][0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="'contrastive'"):
        fuser.fuse(given, fitted(fuser, generator))


def test_mean_and_max_are_what_they_say():
    given = {"reference": torch.full((1, 2, 2), 1.0), "contrastive": torch.full((1, 2, 2), 4.0)}
    assert Mean().fuse(given, {}).unique().tolist() == [2.5]
    assert Mean(weights={"reference": 3.0}).fuse(given, {}).unique().tolist() == [1.75]
    assert Max().fuse(given, {}).unique().tolist() == [4.0]


def test_rank_puts_maps_of_any_scale_on_one(generator):
    """Uniform normals: the surprise of the value that a share p of them reaches is -log p, whatever the unit.

    It is fused on a logarithmic scale.
    """
    state = Rank(tail=0.01).fit(maps(generator, reference=1.0, contrastive=100.0))
    given = {"reference": torch.tensor([[[0.5, 0.9, 0.98]]]), "contrastive": torch.tensor([[[50.0, 90.0, 98.0]]])}
    surprise = [Rank().fuse({branch: values}, state).flatten() for branch, values in given.items()]
    expected = (-torch.log(torch.tensor([0.5, 0.1, 0.02]))).log1p()
    assert torch.allclose(surprise[0], expected, rtol=0.25)
    assert torch.allclose(surprise[0], surprise[1], rtol=0.2)


def test_rank_trusts_the_map_that_is_quiet_on_normals(generator):
    normals = maps(generator, loud=10.0, quiet=0.1)
    state = Rank().fit(normals)
    blank = {branch: values.mean() * torch.ones(1, 2, 2) for branch, values in normals.items()}
    loud, quiet = ({**blank, branch: blank[branch] + 2.0} for branch in ("loud", "quiet"))
    assert Rank().fuse(quiet, state).mean() > 3 * Rank().fuse(loud, state).mean()


def test_rank_does_not_let_the_longer_tail_drown_the_other_branch(generator):
    """Both far beyond the normals: a defect that both see counts for more than one that a single branch exaggerates."""
    normals = maps(generator, reference=1.0, contrastive=1.0)
    state = Rank().fit(normals)
    blank = {branch: values.mean() * torch.ones(1, 2, 2) for branch, values in normals.items()}
    both = {branch: values + 2.0 for branch, values in blank.items()}
    one = {**blank, "contrastive": blank["contrastive"] + 4.0}
    assert Rank().fuse(both, state).mean() > 1.2 * Rank().fuse(one, state).mean()


def test_rank_survives_constant_normals():
    state = Rank().fit({"reference": torch.zeros(2, 4, 4)})
    fused = Rank().fuse({"reference": torch.tensor([[[0.0, 1.0]]])}, state)
    assert torch.isfinite(fused).all()
    assert fused[0, 0, 1] > fused[0, 0, 0]


def test_rank_tells_images_by_the_branch_it_is_asked_to(generator):
    given = maps(generator, reference=1.0, contrastive=100.0)
    fuser = Rank(telling="reference")
    state = fuser.fit(given)
    alone = Rank().fuse({"reference": given["reference"]}, state)
    assert torch.equal(fuser.telling(given, state), alone)
    assert not torch.equal(fuser.fuse(given, state), alone)
    assert Rank().telling(given, state) is None
    assert fuser.telling({"contrastive": given["contrastive"]}, state) is None
