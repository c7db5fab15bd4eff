import pytest
import torch
from adcore_plugins.anomalygpt import AnomalyGPT
from adcore_plugins.ensemble import Ensemble
from adcore_plugins.mahalanobis import Mahalanobis
from adcore_plugins.patchcore import PatchCore
from adcore_plugins.relation import Relation
from tiny import recipe
from torch.nn.functional import avg_pool2d

from adcore.errors import UserError
from adcore.recipe import parse


def pyramid(count, generator):
    return (torch.randn(count, 3, 8, 8, generator=generator), torch.randn(count, 5, 4, 4, generator=generator))


def parts():
    return [PatchCore(grid=8), Mahalanobis(grid=8), AnomalyGPT(channels=(3, 5), grid=8)]


def test_the_map_is_the_mean_of_maps_in_units_of_their_spread(generator):
    references, queries = pyramid(3, generator), pyramid(2, generator)
    expected = 0
    for matcher in parts():
        fit = matcher.fit(references)
        expected = expected + matcher.match(queries, fit.state) / fit.among.std(correction=0) / 3
    ensemble = Ensemble(parts())
    assert torch.allclose(ensemble.match(queries, ensemble.fit(references).state), expected, atol=1e-5)


def test_a_matcher_counts_as_much_as_its_weight(generator):
    references, queries = pyramid(3, generator), pyramid(2, generator)
    one, other = (
        matcher.match(queries, fit.state) / fit.among.std(correction=0)
        for matcher in parts()[:2]
        for fit in [matcher.fit(references)]
    )
    ensemble = Ensemble(parts()[:2], weights=[3, 1])
    fit = ensemble.fit(references)
    assert torch.allclose(ensemble.match(queries, fit.state), 0.75 * one + 0.25 * other, atol=1e-5)


@pytest.mark.parametrize("weights", [[], [1.0], [1.0, 0.0], [1.0, float("inf")], [1.0, float("nan")], [1.0, 1.0, 1.0]])
def test_a_weight_is_a_number_above_0_for_each_matcher(weights):
    with pytest.raises(UserError, match=r"matcher\.weights.*2 matchers"):
        Ensemble(parts()[:2], weights=weights)


def test_the_relations_stand_beside_each_other(generator):
    references, queries = pyramid(3, generator), pyramid(2, generator)
    ensemble = Ensemble(parts())
    assert ensemble.relations == 1 + 1 + 3
    fit = ensemble.fit(references)
    assert fit.relation.shape == (3, 5, 8, 8)
    alone = AnomalyGPT(channels=(3, 5), grid=8)
    theirs = alone.relate(queries, alone.fit(references).state)
    assert torch.allclose(ensemble.relate(queries, fit.state)[:, 2:], theirs, atol=1e-5)


def test_its_relation_compares_with_references_as_they_are(generator):
    views, queries = pyramid(3 * 2, generator), pyramid(2, generator)
    upright, related = tuple(level[::2] for level in views), Relation(channels=(3, 5), grid=8)
    expected = related.relate(queries, related.fit(upright).state)
    ensemble = Ensemble(parts(), relation=related, flips=True)
    streamed = [tuple(level[2 * i : 2 * i + 2] for level in views) for i in range(3)]
    for fit in (ensemble.fit(views, 2), ensemble.fit_stream(streamed)):
        assert torch.allclose(ensemble.relate(queries, fit.state), expected, atol=1e-5)
        assert not torch.allclose(
            ensemble.match(queries, fit.state), ensemble.match(queries, ensemble.fit(upright).state)
        )


def test_what_its_relation_leaves_open_is_chosen_too_but_by_the_map_alone(generator):
    related = Relation(channels=(3, 5), grid=8, foreground="auto")
    ensemble = Ensemble(parts(), relation=related)
    assert ensemble.choices() == {"foreground": (False, True)}
    chosen = ensemble.chosen({"foreground": True})
    assert chosen.relation.foreground and not related.foreground
    judging = chosen.without_relation()
    references, queries = pyramid(3, generator), pyramid(2, generator)
    fit, whole = judging.fit(references), chosen.fit(references)
    assert len(fit.state) < len(whole.state)
    assert torch.equal(judging.match(queries, fit.state), chosen.match(queries, whole.state))


def test_half_the_resolution_is_half_of_every_matchers_grid(generator):
    ensemble = Ensemble(parts(), relation=Relation(channels=(3, 5), grid=8))
    half = ensemble.at_half_resolution()
    assert [matcher.grid for matcher in [*half.matchers, half.relation]] == [4] * 4
    assert [matcher.grid for matcher in [*ensemble.matchers, ensemble.relation]] == [8] * 4
    references = pyramid(2, generator)
    coarse = tuple(avg_pool2d(level, 2) for level in references)
    assert half.match(coarse, half.fit(coarse).state).shape == (2, 4, 4)


def test_maps_of_coarser_grids_are_enlarged(generator):
    references = pyramid(2, generator)
    ensemble = Ensemble([PatchCore(grid=8), PatchCore(grid=4)])
    assert ensemble.match(references, ensemble.fit(references).state).shape == (2, 8, 8)


def test_a_recipe_names_the_matchers_and_links_their_dimensions():
    content = recipe(matcher={"name": "ensemble", "matchers": ["anomalygpt", {"name": "patchcore", "ratio": 0.5}]})
    runner = parse(content).build()
    assert [type(matcher).__name__ for matcher in runner.matcher.matchers] == ["AnomalyGPT", "PatchCore"]
    assert runner.matcher.relations == len(runner.backbone.channels) + 1 + 1


@pytest.mark.parametrize("matchers", [[], [PatchCore(rotations=4)]])
def test_what_does_not_go_together_is_refused(matchers):
    with pytest.raises(UserError, match=r"matcher\.matchers"):
        Ensemble(matchers)
