import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adcore_plugins.anomalygpt import FALL, KEPT, PLACED, AnomalyGPT

from adcore.augmentation import rotate
from adcore.errors import UserError
from adcore.whitening import whitening


def pyramid(count, generator, size=8):
    return (
        torch.randn(count, 3, size, size, generator=generator),
        torch.randn(count, 5, size // 2, size // 2, generator=generator),
    )


def matcher(**settings):
    return AnomalyGPT(**{"channels": (3, 5), "grid": 8, "neighbourhood": 1, **settings})


def test_match_is_one_minus_the_mean_over_levels_of_the_best_cosine(generator):
    references, queries = pyramid(2, generator), pyramid(1, generator)
    expected = torch.zeros(8, 8)
    for reference, query in zip(references, queries, strict=True):
        bank = reference.permute(0, 2, 3, 1).flatten(0, 2)
        size = query.shape[-1]
        heat = torch.zeros(size, size)
        for y in range(size):
            for x in range(size):
                heat[y, x] = 1 - max(float(F.cosine_similarity(query[0, :, y, x], patch, dim=0)) for patch in bank)
        expected += F.interpolate(heat[None, None], (8, 8), mode="bilinear")[0, 0] / 2
    assert torch.allclose(matcher().match(queries, matcher().fit(references).state)[0], expected, atol=1e-5)


def test_a_reference_scores_lowest_against_itself(generator):
    references, others = pyramid(3, generator), pyramid(3, generator)
    state = matcher().fit(references).state
    assert matcher().match(references, state).max() < 1e-5 < matcher().match(others, state).mean()


def test_order_and_chunk_of_references_change_nothing(generator):
    references, queries = pyramid(3, generator), pyramid(2, generator)
    expected = matcher().match(queries, matcher().fit(references).state)
    turned = matcher(chunk=7).fit(tuple(level.flip(0) for level in references)).state
    assert torch.allclose(matcher(chunk=7).match(queries, turned), expected, atol=1e-6)


def test_batch_changes_no_bit(generator):
    state, queries = matcher().fit(pyramid(2, generator)).state, pyramid(4, generator)
    whole = matcher().match(queries, state)
    single = [matcher().match(tuple(level[i : i + 1] for level in queries), state) for i in range(4)]
    assert torch.equal(whole, torch.cat(single))


def test_among_matches_each_reference_with_all_others(generator):
    references = pyramid(3, generator)
    among = matcher().fit(references).among
    for j in range(3):
        others = matcher().fit(tuple(level[[i for i in range(3) if i != j]] for level in references)).state
        assert torch.allclose(among[j], matcher().match(tuple(level[j : j + 1] for level in references), others)[0])


def test_views_of_a_reference_do_not_match_itself(generator):
    references = pyramid(2, generator)
    doubled = tuple(level.repeat_interleave(2, 0) for level in references)
    assert torch.allclose(matcher().fit(doubled, views=2).among, matcher().fit(references).among, atol=1e-6)


def test_one_reference_is_judged_by_its_own_distant_patches(generator):
    among = matcher().fit(pyramid(1, generator)).among
    assert among.shape == (1, 8, 8)
    assert among.min() > 1e-3  # not itself
    assert matcher().fit(pyramid(1, generator, size=2)).among.shape == (1, 2, 2)


def test_relation_of_the_references_among_themselves_is_standard(generator):
    references = tuple(level.abs() for level in pyramid(3, generator))
    relation = matcher().fit(references).relation
    assert relation.shape == (3, matcher().relations, 8, 8)
    assert torch.allclose(relation.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(relation.std((0, 2, 3)), torch.ones(3), atol=1e-2)
    defect = tuple(level.clone() for level in references)
    for level in defect:
        level[..., : level.shape[-1] // 2] *= -1  # a direction that no reference patch has
    away = matcher().relate(defect, matcher().fit(references).state)
    assert away[..., :3].min() > 3 > away[..., 5:].mean()


@pytest.mark.parametrize("shape", [(8, 8), (6, 10)])
def test_quarter_turns_keep_every_pixel_of_a_square_and_the_middle_of_any(shape):
    image = torch.arange(3 * shape[0] * shape[1]).view(1, 3, *shape).float()
    turned = rotate(image, 90)
    if shape[0] == shape[1]:
        assert torch.allclose(turned, image.rot90(1, (-2, -1)), atol=1e-3)
    y, x = shape[0] // 2, shape[1] // 2
    assert torch.allclose(
        turned[..., y - 1 : y + 1, x - 1 : x + 1],
        image[..., y - 1 : y + 1, x - 1 : x + 1].rot90(1, (-2, -1)),
        atol=1e-3,
    )


def test_position_counts_as_far_as_references_keep_their_parts_in_place(generator):
    part = torch.randn(1, 6, 16, 16, generator=generator)
    noise = 0.1 * torch.randn(3, 6, 16, 16, generator=generator)
    matcher = AnomalyGPT(channels=(6,), grid=16, neighbourhood=1, window=0.1)
    moved = torch.cat([part.roll((5 * i, 7 * i), (2, 3)) for i in range(3)])
    weights = [float(matcher.fit((given + noise,)).state["placed"]) for given in (part.expand(3, -1, -1, -1), moved)]
    assert weights[0] == pytest.approx(PLACED, rel=0.1) and weights[1] < 0.1
    assert float(matcher.fit((part,)).state["placed"]) == 1.0


def test_references_that_are_all_the_same_keep_their_parts_in_place():
    same = torch.zeros(3, 6, 16, 16)
    same[:, 0] = 1.0
    fit = AnomalyGPT(channels=(6,), grid=16, neighbourhood=1, window=0.1).fit((same,))
    assert float(fit.state["placed"]) == pytest.approx(PLACED / (1 + KEPT**FALL)) and fit.among.isfinite().all()


def test_the_map_is_the_weighted_mean_of_both_distances_in_units_of_their_spread(generator):
    given, query = torch.randn(3, 6, 16, 16, generator=generator), torch.randn(1, 6, 16, 16, generator=generator)
    matcher = AnomalyGPT(channels=(6,), grid=16, neighbourhood=1, window=0.1)
    state = matcher.fit((given,)).state
    weight = float(state["placed"])
    _, anywhere, near = matcher.relate((query,), state)[0] * state["std"][:, None, None]  # less what they usually are
    usual = state["mean"][1] + weight * state["mean"][2] * state["std"][1] / state["std"][2]
    expected = (anywhere + weight * near * state["std"][1] / state["std"][2] + usual) / (1 + weight)
    assert torch.allclose(matcher.match((query,), state)[0], expected, atol=1e-5)


def test_window_sees_what_is_normal_only_elsewhere(generator):
    """A patch copied from another place: anywhere it has its match, at its own place it has none."""
    base = torch.randn(1, 6, 16, 16, generator=generator)
    references = base + 0.1 * torch.randn(3, 6, 16, 16, generator=generator)
    query = base + 0.1 * torch.randn(1, 6, 16, 16, generator=generator)
    query[..., :4, :4] = query[..., 10:14, 10:14]
    chosen = AnomalyGPT(channels=(6,), grid=16, neighbourhood=1, window=0.1)
    fit = chosen.fit((references,))
    anywhere, _, near = chosen.relate((query,), fit.state)[0]
    assert near[:4, :4].min() > 5 > near[5:, 5:].mean()
    assert anywhere[:4, :4].mean() < 2
    plain = AnomalyGPT(channels=(6,), grid=16, neighbourhood=1)
    maps = chosen.match((query,), fit.state)[0], plain.match((query,), plain.fit((references,)).state)[0]
    with_place, without = (m[:4, :4].mean() / m[5:, 5:].mean() for m in maps)
    assert with_place > 3 > without


def test_rotations_and_flips_are_views_next_to_each_other():
    images = torch.rand(2, 3, 8, 8)
    views = matcher(rotations=4, flips=True).augment(images)
    assert views.shape == (16, 3, 8, 8)
    assert torch.equal(views[8], images[1])
    assert torch.equal(views[4], images[0].flip(-1))


def test_rotated_references_make_a_rotated_part_normal(generator):
    image = torch.rand(1, 3, 16, 16, generator=generator)
    part = image.rot90(1, (-2, -1))
    plain, turning = (AnomalyGPT(channels=(5,), grid=16, rotations=r) for r in (1, 4))
    asymmetric = torch.randn(5, 3, 3, 3, generator=generator)

    def features(images):
        return (F.conv2d(images, asymmetric, padding=1),)

    fitted = [m.fit(features(m.augment(image)), m.rotations).state for m in (plain, turning)]
    scores = [m.match(features(part), state).mean() for m, state in zip((plain, turning), fitted, strict=True)]
    assert scores[1] < 0.1 * scores[0]


def test_whitening_makes_the_covariance_the_identity(generator):
    mixing = torch.randn(4, 4, generator=generator)
    patches = torch.randn(500, 4, generator=generator) @ mixing + 3
    centre, root = whitening(patches, 0.0)
    white = (patches - centre) @ root
    assert torch.allclose(white.T @ white / len(white), torch.eye(4), atol=1e-3)


def test_whitened_match_is_the_cosine_of_whitened_patches(generator):
    """Against a slow computation, on features that vary mostly in one direction, as an untrained net's do."""
    brightness = 2 + 2 * torch.randn(3, 1, 6, 6, generator=generator)
    images = (brightness + 0.1 * torch.randn(3, 8, 6, 6, generator=generator)).double()
    rows = images.permute(0, 2, 3, 1).reshape(3, 36, 8).numpy()
    bank, query = rows[:2].reshape(72, 8), rows[2]
    covariance = np.cov(bank, rowvar=False, bias=True)
    covariance += 0.05 * covariance.trace() / 8 * np.eye(8)
    root = np.linalg.cholesky(np.linalg.inv(covariance))

    def unit(patch):
        white = root.T @ (patch - bank.mean(0))
        return white / np.sqrt(white @ white)

    expected = [1 - max(unit(patch) @ unit(other) for other in bank) for patch in query]
    chosen = AnomalyGPT(channels=(8,), grid=6, neighbourhood=1, whiten=0.05)
    heat = chosen.match((images[2:].float(),), chosen.fit((images[:2].float(),)).state)[0]
    assert np.allclose(heat.flatten(), expected, atol=1e-4)


@pytest.mark.parametrize("wrong", [{"whiten": -1.0}, {"neighbourhood": 2}, {"rotations": 0}, {"chunk": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError):
        AnomalyGPT(**wrong)


def test_more_references_than_can_be_kept_are_refused(generator, monkeypatch):
    references = [pyramid(1, generator) for _ in range(3)]
    size = sum(level.nbytes for level in matcher().pooled(references[0]))
    monkeypatch.setattr("adcore_plugins.anomalygpt.MOST_BYTES", 2 * size)
    matcher().fit_stream(references[:2])
    with pytest.raises(UserError, match=r"context\.shots to 2 at most, or take a matcher that keeps less"):
        matcher().fit_stream(references)
