"""Episodes: what a step looks at depends on the seed and the step alone, and holds whatever number of categories."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from adcore.background import prefetched
from adcore.data.samples import Sample
from adcore.episodes import Episodes, keyed
from adcore.errors import UserError
from adcore.images import Images
from adcore.interfaces import Dataset, Synthesizer
from adcore.settings import TrainingSettings
from adcore.training_set import TrainingSet, hold_out

SIDE = 8


class Ramps(Dataset):
    """Every image a ramp from the upper left corner, so that one can see how it was turned."""

    def __init__(self):
        self.asked = Counter()

    def samples(self):
        return []

    def image(self, sample):
        self.asked[sample.category] += 1
        row = np.arange(SIDE, dtype=np.float32)
        return np.repeat((row[:, None] * 2 + row)[:, :, None] / (3 * SIDE), 3, axis=2)

    def mask(self, sample):
        if sample.defect == "unmarked":
            return None
        mask = np.zeros((SIDE, SIDE), bool)
        mask[:2, :2] = sample.label
        return mask


class White(Synthesizer):
    """The upper left corner white."""

    def synthesize(self, image, source, generator):
        mask = torch.zeros(image.shape[1:])
        mask[:2, :2] = 1
        return torch.where(mask > 0, torch.ones(()), image), mask


def part(category, normals=6, references=3, real=(), unmarked=0):
    named = [Sample(f"{category}/{i}", category, "train") for i in range(normals + references)]
    anomalies = [Sample(f"{category}/bad{i}", category, "train", "dent") for i in range(len(real))]
    anomalies += [Sample(f"{category}/no{i}", category, "train", "unmarked") for i in range(unmarked)]
    return TrainingSet(named[:normals], anomalies, [], named[normals:])


WHITE = (White(),)


def episodes(sets=3, relational=True, synthesizers=WHITE, seed=0, **settings):
    parts = {name: part(name) for name in "abcdefgh"[:sets]} if isinstance(sets, int) else sets
    images = Images(Ramps(), (SIDE, SIDE))
    return Episodes(parts, images, synthesizers, TrainingSettings(batch_size=4, **settings), seed, relational)


def same(one, other):
    given = [(one.images, other.images), (one.masks, other.masks)]
    given += [(one.references, other.references)] if one.references is not None else []
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in given)


@pytest.mark.parametrize("relational", [True, False])
def test_a_turn_is_the_same_whatever_came_before_and_who_asks(relational):
    in_order = [episodes(relational=relational)(turn) for turn in range(8)]
    backwards = episodes(relational=relational)
    assert all(same(backwards(turn), in_order[turn]) for turn in reversed(range(8)))
    ahead = prefetched(episodes(relational=relational), range(8), threads=3)
    assert all(same(one, other) for one, other in zip(ahead, in_order, strict=True))
    assert not same(in_order[0], in_order[1])
    assert not any(same(episodes(relational=relational, seed=1)(turn), in_order[turn]) for turn in range(8))


def test_categories_are_balanced_in_an_order_that_changes():
    drawn = episodes(5)
    rounds = [[drawn.category(5 * turn + place) for place in range(5)] for turn in range(6)]
    assert all(sorted(one) == list("abcde") for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1


def test_a_batch_of_features_mixes_categories():
    drawn = episodes(4, relational=False)
    assert all({query.normal.category for query in drawn.queries(turn)} == set("abcd") for turn in range(4))
    assert drawn(0).references is None


def test_an_episode_is_of_one_category_and_asks_about_none_of_its_references():
    drawn, counts = episodes(3), set()
    for turn in range(60):
        references, queries = drawn.episode(turn)
        category = drawn.category(turn)
        assert {sample.category for sample in (*references, *(query.normal for query in queries))} == {category}
        assert len(set(references)) == len(references)
        asked = {sample for query in queries for sample in (query.normal, query.source)}
        assert not asked & set(references) and asked <= set(drawn.sets[category].normal)
        counts.add(len(references))
    assert counts == {1, 2, 4, 8}  # of 9 normals one is left to ask about


def test_shots_are_bounded_by_what_a_category_has():
    few = {"a": part("a", normals=2, references=1)}
    assert {len(episodes(few).episode(turn)[0]) for turn in range(20)} == {1, 2}
    references, queries = episodes({"a": part("a", normals=1, references=0)}).episode(0)
    assert references == [queries[0].normal]  # its only image has to serve as both


def corner(image):
    """Which corner of [H, W] is darkest, and whether columns rise more slowly than rows: how it was turned."""
    grey = image[:3].mean(0) if image.ndim == 3 else image
    ends = torch.stack([grey[0, 0], grey[0, -1], grey[-1, 0], grey[-1, -1]])
    return int(ends.argmin()), bool((grey[0, 0] - grey[0, -1]).abs() < (grey[0, 0] - grey[-1, 0]).abs())


def test_all_that_belongs_together_is_turned_alike():
    drawn, seen = episodes(2, synthesizers=(), anomalous=0.0), set()
    for turn in range(40):
        episode = drawn(turn)
        sides = {corner(image) for image in (*episode.references, *episode.images)}
        assert len(sides) == 1
        seen |= sides
    assert len(seen) == 8


def test_masks_are_turned_with_their_images():
    drawn = episodes(2, anomalous=1.0)
    for turn in range(20):
        episode = drawn(turn)
        for image, mask in zip(episode.images, episode.masks, strict=True):
            assert int(mask.sum()) == 4 and image.mean(0)[mask > 0].min() > 0.8


def test_real_anomalies_take_turns_with_simulated_ones():
    sets = {"a": part("a", real=range(3))}
    queries = [query for turn in range(50) for query in episodes(sets, anomalous=0.8).episode(turn)[1]]
    real = sum(query.real is not None for query in queries)
    simulated = sum(query.real is None and query.synthesizer is not None for query in queries)
    assert 50 < real < 110 and 50 < simulated < 110  # 80 each expected
    alone = episodes(sets, synthesizers=(), anomalous=1.0)
    assert alone(0).masks.flatten(1).sum(1).tolist() == [4.0] * 4


def test_a_real_anomaly_without_a_mask_is_not_trained_on_as_normal():
    """Its place is taken by a simulated one."""
    drawn = episodes({"a": part("a", unmarked=2)}, anomalous=1.0)
    assert any(query.real for query in drawn.episode(0)[1])
    assert drawn(0).masks.flatten(1).sum(1).tolist() == [4.0] * 4


def test_any_number_of_categories_and_nothing_held_for_each():
    sets = {str(i): part(str(i)) for i in range(3000)}
    drawn = episodes(sets)
    before = set(vars(drawn))
    for turn in range(30):
        drawn(turn)
    assert set(vars(drawn)) == before
    asked = drawn.images.data.asked
    assert len(asked) == 30 and max(asked.values()) <= 9  # only what the steps looked at was read


def test_keys_tell_draws_apart():
    words = {keyed(*key).initial_seed() for key in [(0, 1), (1, 0), (0, 1, 1), (0, 1, 2), (-1, 1), (0, 2**40)]}
    assert len(words) == 6
    assert keyed(3, 4).initial_seed() == keyed(3, 4).initial_seed()


# ---- held-out categories ----------------------------------------------------------------------------------------


def test_held_out_categories_are_drawn_by_the_seed():
    sets = {name: part(name) for name in "abcdefgh"}
    trained, held = hold_out(sets, 0.25, 0)
    assert len(held) == 2 and trained.keys() | held.keys() == sets.keys() and not trained.keys() & held.keys()
    assert hold_out(dict(reversed(sets.items())), 0.25, 0)[1].keys() == held.keys()
    assert len({tuple(hold_out(sets, 2, seed)[1]) for seed in range(10)}) > 1
    assert hold_out(sets, 0, 0) == (sets, sets)


def test_no_category_left_to_train_on_is_refused():
    with pytest.raises(UserError, match=r"training\.held_out: 3 holds out 3 of 3 categories"):
        hold_out({name: part(name) for name in "abc"}, 3, 0)
