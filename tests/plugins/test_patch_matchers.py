"""What users rely on in the matchers that join levels: patchcore, subspace, mahalanobis."""

import pytest
import torch
import torch.nn.functional as F
from adcore_plugins.mahalanobis import Mahalanobis
from adcore_plugins.patchcore import PatchCore
from adcore_plugins.subspace import Subspace

from adcore.errors import UserError
from adcore.folds import evenly_chosen

PLAIN = {"grid": 8, "neighbourhood": 1, "unit": False}


def pyramid(count, generator, size=8):
    """References whose 12 channels vary along three directions only, with a little noise."""
    mixing = torch.randn(12, 3, generator=torch.Generator().manual_seed(5))
    fine = torch.einsum("cd,ndhw->nchw", mixing, torch.randn(count, 3, size, size, generator=generator))
    return (fine + 0.01 * torch.randn(fine.shape, generator=generator),)


def rows(features):
    return features[0].permute(0, 2, 3, 1).flatten(0, 2)


def with_defect(features):
    changed = features[0].clone()
    changed[:, :, 2, 3] = torch.linspace(-15, 15, 12)
    return (changed,)


@pytest.mark.parametrize("kind", [PatchCore, Subspace, Mahalanobis])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_a_defect_stands_out(kind, k, generator):
    matcher = kind(**PLAIN)
    state = matcher.fit(pyramid(k, generator)).state
    heat = matcher.match(with_defect(pyramid(2, generator)), state)
    assert (heat.flatten(1).argmax(1) == 2 * 8 + 3).all()


def test_patchcore_is_the_distance_to_the_nearest_patch(generator):
    references, queries = pyramid(2, generator), pyramid(2, generator)
    matcher = PatchCore(**PLAIN)
    expected = torch.cdist(rows(queries), rows(references)).amin(1).view(2, 8, 8)
    assert torch.allclose(matcher.match(queries, matcher.fit(references).state), expected, atol=1e-4)


def test_patchcore_weights_by_the_density_of_the_bank(generator):
    references, queries = pyramid(2, generator), pyramid(1, generator)
    bank, points = rows(references), rows(queries)
    expected = []
    for point in points:  # equation 7, spelled out
        far = (bank - point).norm(dim=1)
        nearest = int(far.argmin())
        around = (bank - bank[nearest]).norm(dim=1).topk(4, largest=False).indices
        expected.append(far[nearest] * (1 - far[nearest].exp() / far[around].exp().sum()))
    matcher = PatchCore(neighbours=4, **PLAIN)
    found = matcher.match(queries, matcher.fit(references).state).flatten()
    assert torch.allclose(found, torch.stack(expected), atol=1e-4)


def test_a_coreset_keeps_its_share_and_covers_the_patches(generator):
    references = pyramid(4, generator)
    fit = PatchCore(ratio=0.25, **PLAIN).fit(references)
    assert len(fit.state["bank"]) == 64
    assert len(PatchCore(most=10, **PLAIN).fit(references).state["bank"]) == 10
    some = rows(references)[torch.randperm(256, generator=generator)[:64]]
    assert (
        torch.cdist(rows(references), fit.state["bank"]).amin(1).max()
        < torch.cdist(rows(references), some).amin(1).max()
    )


def test_subspace_keeps_as_many_axes_as_the_variance_asks_for(generator):
    references = pyramid(3, generator)
    state = Subspace(variance=0.99, **PLAIN).fit(references).state
    assert state["axes"].shape == (12, 3)
    inside = references[0][:1] * 2 - references[0][1:2]
    assert Subspace(**PLAIN).match((inside,), state).max() < 0.05 * inside.norm(dim=1).mean()


def test_mahalanobis_is_the_distance_in_units_of_the_covariance(generator):
    references, queries = pyramid(3, generator), pyramid(1, generator)
    bank, points = rows(references).double(), rows(queries).double()
    covariance = torch.cov(bank.T, correction=0)
    covariance += 0.1 * covariance.diagonal().mean() * torch.eye(12)
    off = points - bank.mean(0)
    expected = (off @ torch.linalg.inv(covariance) * off).sum(1).sqrt()
    matcher = Mahalanobis(shrinkage=0.1, **PLAIN)
    found = matcher.match(queries, matcher.fit(references).state).flatten()
    assert torch.allclose(found.double(), expected, rtol=1e-3)


def test_mahalanobis_by_position_finds_what_is_normal_elsewhere(generator):
    left = torch.zeros(6, 4, 8, 8)
    left[:, 0, :, :4] = 3.0  # the left half differs from the right one in every reference
    left += 0.1 * torch.randn(left.shape, generator=generator)
    swapped = (left[:1].flip(-1),)
    free, placed = Mahalanobis(**PLAIN), Mahalanobis(position=True, **PLAIN)
    ratio = [m.match(swapped, m.fit((left,)).state).mean() / m.fit((left,)).among.mean() for m in (free, placed)]
    assert ratio[0] < 1.3 and ratio[1] > 2 * ratio[0]


@pytest.mark.parametrize("kind", [PatchCore, Subspace, Mahalanobis])
def test_levels_are_brought_to_unit_norm_and_one_grid(kind, generator):
    fine, coarse = torch.randn(2, 3, 8, 8, generator=generator), torch.randn(2, 5, 4, 4, generator=generator)
    patches, size = kind(grid=8, neighbourhood=1).patches((fine, 1000 * coarse))
    assert size == (8, 8) and patches.shape == (2, 64, 8)
    assert torch.allclose(patches[..., :3].norm(dim=2), torch.ones(2, 64))
    same, _ = kind(grid=8, neighbourhood=1).patches((fine, coarse))
    assert torch.allclose(patches, same, atol=1e-5)
    only, _ = kind(grid=8, neighbourhood=1, levels=[0]).patches((fine, coarse))
    assert torch.allclose(only, F.normalize(fine, dim=1).flatten(2).transpose(1, 2))


def test_many_references_are_judged_in_groups_whatever_their_order(generator):
    references = pyramid(11, generator)
    order = torch.randperm(11, generator=generator)
    matcher = Subspace(**PLAIN)
    one, two = matcher.fit(references), matcher.fit((references[0][order],))
    assert one.among.shape == (11, 8, 8)
    assert torch.allclose(one.among[order], two.among, atol=1e-4)


def singles(features):
    return [(row[None],) for row in features[0]]


@pytest.mark.parametrize(
    "matcher",
    [PatchCore(**PLAIN), PatchCore(ratio=0.3, **PLAIN), Subspace(**PLAIN), Mahalanobis(position=True, **PLAIN)],
    ids=["patchcore", "coreset", "subspace", "mahalanobis"],
)
def test_fitting_one_reference_after_another_is_fitting_all_at_once(matcher, generator):
    references, queries = pyramid(20, generator), pyramid(1, generator)
    streamed = matcher.fit_stream(singles(references)).state
    at_once = matcher.learn(matcher.patches(references)[0])
    assert torch.allclose(matcher.match(queries, streamed), matcher.match(queries, at_once), rtol=1e-3)


@pytest.mark.parametrize("position", [False, True])
def test_mahalanobis_accumulates_the_moments_about_its_centres(position, generator):
    references = (pyramid(20, generator)[0] + 3 * torch.randn(12, 8, 8, generator=generator),)
    x = Mahalanobis(**PLAIN).patches(references)[0].double()
    centre = x.mean((0, 1))[None]
    if position:
        centre = (x.sum(0) + centre) / (len(x) + 1)
    covariance = torch.cov((x - centre).flatten(0, 1).T, correction=0)
    covariance += 0.05 * covariance.diagonal().mean() * torch.eye(12)
    state = Mahalanobis(position=position, **PLAIN).fit_stream(singles(references)).state
    assert torch.allclose(state["centre"].double(), centre, atol=1e-5)
    found = state["whitening"].double() @ state["whitening"].double().T
    assert torch.allclose(found, torch.linalg.inv(covariance), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", [PatchCore, Subspace, Mahalanobis])
def test_of_very_many_references_an_even_choice_is_judged_by_the_others(kind, generator, monkeypatch):
    monkeypatch.setattr("adcore.patch_matcher.evenly_chosen", lambda contents: evenly_chosen(contents, 5))
    references, order = pyramid(40, generator), torch.randperm(40, generator=generator)
    matcher = kind(**PLAIN)
    one, two = matcher.fit(references), matcher.fit((references[0][order],))
    assert len(one.judged) == 5 and one.among.shape == (5, 8, 8) and one.relation.shape == (5, 1, 8, 8)
    back = {int(order[place]): row for row, place in enumerate(two.judged)}
    assert sorted(back) == list(one.judged)
    assert torch.allclose(one.among, two.among[[back[place] for place in one.judged]], rtol=1e-3)
    own = matcher.match(references, one.state)[list(one.judged)]
    assert one.among.mean() >= own.mean()


def test_equal_references_are_judged_each_alone(generator):
    references = pyramid(1, generator)[0].expand(12, -1, -1, -1)
    among = Subspace(**PLAIN).fit((references,)).among
    assert among.shape == (12, 8, 8) and among.isfinite().all()


def test_patchcore_covers_every_reference_also_where_memory_bounds_what_is_kept(generator):
    references = pyramid(200, generator, size=32)  # 200 * 1024 patches of 48 bytes: 9 MiB
    matcher = PatchCore(ratio=0.01, memory=1, **PLAIN | {"grid": 32})
    order = torch.randperm(200, generator=generator)
    one, two = (matcher.fit_stream(singles(each)) for each in (references, (references[0][order],)))
    bank = one.state["bank"]
    assert len(bank) == round(0.01 * 200 * 1024)
    assert torch.equal(bank.sort(0).values, two.state["bank"].sort(0).values)
    patches = rows(references)[::97]
    random = rows(references)[torch.randperm(200 * 1024, generator=generator)[: len(bank)]]
    assert torch.cdist(patches, bank).amin(1).max() < torch.cdist(patches, random).amin(1).max()


def test_what_a_reference_gives_up_is_not_the_same_place_in_all(generator):
    """Aligned parts: a place that no reference kept would look anomalous in every image."""
    place = torch.arange(64.0).view(1, 1, 8, 8)
    references = (100 * place + torch.randn(300, 109, 8, 8, generator=generator)) / 109**0.5
    matcher = PatchCore(memory=1, **PLAIN)  # 8 of 64 patches each
    state = matcher.fit_stream(singles((references,))).state
    assert len(state["bank"]) <= 8 * 300
    assert matcher.match((references[:1],), state).max() < 5


@pytest.mark.parametrize(
    ("kind", "settings", "what"),
    [
        (PatchCore, {"ratio": 0.0}, "ratio"),
        (Subspace, {"variance": 1.0}, "variance"),
        (Mahalanobis, {"shrinkage": 0.0}, "shrinkage"),
        (Subspace, {"neighbourhood": 2}, "neighbourhood"),
    ],
)
def test_settings_out_of_range_are_refused(kind, settings, what):
    with pytest.raises(UserError, match=what):
        kind(**settings)


def test_a_level_that_is_not_there_is_named(generator):
    with pytest.raises(UserError, match="levels 0 to 0"):
        PatchCore(levels=[1], **PLAIN).fit(pyramid(2, generator))
