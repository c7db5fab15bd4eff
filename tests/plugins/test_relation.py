"""What heads rely on in the relation: channels that mean what they say, on the scale of the references."""

import pytest
import torch
import torch.nn.functional as F
from adcore_plugins.relation import CHANNELS, Relation

from adcore.errors import UserError
from adcore.folds import content, evenly_chosen
from adcore.interfaces import Features


def pyramid(count: int, generator: torch.Generator) -> Features:
    """Three levels of images that hold the same few patches in changing places, with a little noise."""
    kinds = torch.randn(6, 12, generator=torch.Generator().manual_seed(5))
    which = torch.randint(6, (count, 4, 4), generator=generator)
    images = kinds[which].permute(0, 3, 1, 2).repeat_interleave(4, 2).repeat_interleave(4, 3)  # [count, 12, 16, 16]
    images = images + 0.1 * torch.randn(images.shape, generator=generator)
    return images, F.avg_pool2d(images, 2), F.avg_pool2d(images, 4)


def spoilt(features: Features) -> Features:
    """With a patch of no known kind in the cells (4..7, 8..11) of the finest level."""
    changed = [level.clone() for level in features]
    for level, size in zip(changed, (4, 2, 1), strict=True):
        level[:, :, size : 2 * size, 2 * size : 3 * size] = torch.linspace(-3, 3, 12)[:, None, None]
    return tuple(changed)


def naive_cosine(query: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
    return torch.stack([1 - F.cosine_similarity(row[None], bank, dim=1).max() for row in query])


@pytest.mark.parametrize("k", [1, 2, 5])
def test_every_channel_but_the_last_two_sees_an_unknown_patch(k, generator):
    matcher = Relation(grid=16)
    state = matcher.fit(pyramid(k, generator)).state
    relation = matcher.relate(spoilt(pyramid(1, generator)), state)[0]
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[5:7, 9:11] = True
    for channel, values in zip(CHANNELS[:-2], relation, strict=False):
        assert values[inside].mean() > values[~inside].mean() + 1, channel


def test_nearest_is_the_cosine_distance_to_the_most_similar_reference_patch(generator):
    matcher = Relation(grid=16)
    references, query = pyramid(3, generator), pyramid(1, generator)
    state = matcher.fit(references).state
    channel = matcher.relate(query, state)[0, 0] * state["std"][0] + state["mean"][0]
    bank, rows = (level[0].permute(0, 2, 3, 1).flatten(0, 2) for level in (references, query))
    assert torch.allclose(channel.flatten(), naive_cosine(rows, bank), atol=1e-5)


def test_the_references_among_themselves_are_the_scale(generator):
    fit = Relation(grid=16).fit(pyramid(4, generator))
    assert torch.allclose(fit.relation[:, :-2].mean((0, 2, 3)), torch.zeros(len(CHANNELS) - 2), atol=1e-4)
    assert torch.allclose(fit.relation[:, :-2].std((0, 2, 3), correction=0), torch.ones(len(CHANNELS) - 2), atol=1e-3)


def test_what_recurs_in_the_image_is_near_itself_though_no_reference_shows_it(generator):
    matcher = Relation(grid=16)
    state = matcher.fit(pyramid(3, generator)).state
    known = pyramid(1, generator)
    twice = [level.clone() for level in spoilt(known)]
    for level, size in zip(twice, (4, 2, 1), strict=True):
        level[:, :, 3 * size :, :size] = torch.linspace(-3, 3, 12)[:, None, None]
    once, again = (
        matcher.relate(image, state)[0, :, 5:7, 9:11].mean((1, 2)) for image in (spoilt(known), tuple(twice))
    )
    itself, nearest = CHANNELS.index("itself"), CHANNELS.index("nearest")
    assert again[itself] < once[itself] - 1 and again[nearest] == pytest.approx(once[nearest])


def test_matched_says_how_usual_the_matched_patch_is(generator):
    matcher = Relation(grid=16)
    references = pyramid(3, generator)
    odd = torch.cat([spoilt(tuple(level[:1] for level in references))[0], references[0][1:]])
    references = (odd, F.avg_pool2d(odd, 2), F.avg_pool2d(odd, 4))
    state = matcher.fit(references).state
    relation = matcher.relate(tuple(level[:1] for level in references), state)[0]
    matched, nearest = relation[CHANNELS.index("matched")], relation[CHANNELS.index("nearest")]
    assert nearest[5, 9] == pytest.approx(float(nearest[13, 1]), abs=1e-3)  # the reference is found again everywhere
    assert matched[5, 9] > matched[13, 1] + 1  # but in one place with a patch that no other reference knows


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_any_number_of_levels_gives_the_same_channels(levels, generator):
    features = tuple(F.avg_pool2d(pyramid(2, generator)[0], 2**i) for i in range(levels))
    matcher = Relation(grid=16)
    assert matcher.relate(features, matcher.fit(features).state).shape == (2, len(CHANNELS), 16, 16)


def test_rotated_references_are_judged_as_they_are_turned(generator):
    images = torch.rand(2, 3, 16, 16, generator=generator)
    matcher = Relation(grid=16, rotations=4)
    turned = matcher.augment(images)
    state = matcher.fit((turned, F.avg_pool2d(turned, 2), F.avg_pool2d(turned, 4)), views=4).state
    usual = state["among"].unflatten(0, (2, 4))
    assert torch.allclose(torch.rot90(usual[:, 0], 2, (1, 2)), usual[:, 2], atol=1e-4)


@pytest.mark.parametrize("settings", [{"shrinkage": 0}, {"window": 1}, {"most": 0}])
def test_settings_that_cannot_be(settings):
    with pytest.raises(UserError, match=next(iter(settings))):
        Relation(**settings)


def test_of_many_references_those_kept_are_among_those_that_other_matchers_judge():
    draws = torch.Generator().manual_seed(0)
    references = [(torch.rand(1, 4, 4, 4, generator=draws),) for _ in range(300)]
    judged = Relation(grid=4).fit_stream(references).judged
    others = evenly_chosen([content(reference) for reference in references])
    assert len(judged) == 16 and set(judged) <= set(others)


def test_the_residual_is_what_no_reference_patch_explains(generator):
    matcher = Relation(channels=(12, 12, 12), grid=16)
    fit = matcher.fit(pyramid(3, generator))
    known, odd = pyramid(1, generator), spoilt(pyramid(1, generator))
    left = matcher.residual(odd, fit.state)
    assert left.shape == (1, matcher.residuals, 16, 16) and fit.residual.shape == (3, matcher.residuals, 16, 16)
    length = left.norm(dim=1)[0]
    assert length[5:7, 9:11].mean() > 3 * length[:, :8].mean()
    assert matcher.residual(known, fit.state).norm(dim=1).mean() < 0.7


def test_the_residual_of_a_reference_beside_itself_is_nothing(generator):
    matcher, references = Relation(channels=(12, 12, 12), grid=16), pyramid(2, generator)
    state = matcher.fit(references).state
    assert matcher.residual(references, state).abs().max() < 1e-5
