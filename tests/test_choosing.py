"""Settings left open are chosen by the references alone, and kept with the context."""

import pytest
import torch
from adcore_plugins.cutpaste import CutPaste
from adcore_plugins.ensemble import Ensemble
from adcore_plugins.mahalanobis import Mahalanobis
from adcore_plugins.patchcore import PatchCore
from tiny import recipe, run, write_set

from adcore.augmentation import rotate
from adcore.choosing import CHOSEN, as_chosen, choose, encode
from adcore.context_store import ContextStore
from adcore.errors import UserError
from adcore.evidence import Evidence
from adcore.patch_matcher import PatchMatcher
from adcore.recipe import parse
from adcore.scoring import Reduction

TOP = Reduction.parse("top1%")


def cells(images):
    """A pyramid of one level: the mean colours of 4 x 4 pixels, and their spread."""
    fine = torch.nn.functional.avg_pool2d(images, 4)
    spread = torch.nn.functional.avg_pool2d(images.square(), 4) - fine.square()
    return (torch.cat([fine, spread * 10], 1),)


def evidence(images):
    return Evidence(images, [CutPaste()], cells, ((32, 32), 0.5))


def striped(generator, turn=0):
    """A bright bar at the left edge, on noise."""
    image = 0.3 + 0.02 * torch.randn(3, 32, 32, generator=generator)
    image[:, :, :10] += 0.5
    return image.rot90(turn, (-2, -1)).clamp(0, 1)


def taken(choice):
    return {trial.setting: trial.value for trial in choice.trials if trial.taken}


def test_references_that_all_stand_upright_are_not_rotated(generator):
    upright = [striped(generator) for _ in range(4)]
    choice = choose(Mahalanobis(position=True, grid=8, rotations="auto"), evidence(upright), TOP)
    assert choice.values == taken(choice) == {"rotations": 1}


def test_references_that_lie_any_way_are_rotated(generator):
    lying = [striped(generator, turn) for turn in (0, 1, 2, 3, 0, 1)]
    choice = choose(PatchCore(window=0.3, grid=8, rotations="auto"), evidence(lying), TOP)
    assert choice.values == {"rotations": 4}
    assert "turned" in choice.trials[0].evidence


class Blind(PatchMatcher):
    """Finds defects only with its open setting on."""

    candidates = {**PatchMatcher.candidates, "window": (0.0, 0.5)}  # noqa: RUF012

    def learn(self, patches):
        return {"mean_patch": patches.mean((0, 1))}

    def distance(self, patches, state):
        rows = patches if not self.window else patches[:, :-2]
        mean = state["mean_patch"] if not self.window else state["mean_patch"][:-2]
        return (rows - mean).norm(dim=1) if self.window else torch.ones(len(patches))


def test_a_setting_that_finds_defects_is_chosen_for_its_merit(generator):
    images = [0.5 + 0.02 * torch.randn(3, 32, 32, generator=generator) for _ in range(3)]
    choice = choose(Blind(window="auto", grid=8), evidence(images), TOP)
    assert choice.values == {"window": 0.5}
    plain, better = choice.trials
    assert better.taken and not plain.taken and better.merit > plain.merit + 0.03


def test_the_order_of_the_references_does_not_matter(generator):
    images = [striped(generator, turn) for turn in (0, 1, 0)]
    matcher = PatchCore(grid=8, rotations="auto", levels="auto", window="auto", foreground="auto")
    one = choose(matcher, evidence(images), None)
    two = choose(matcher, evidence(images[::-1]), None)
    assert one.values == two.values and one.score == two.score
    assert [t.merit for t in one.trials] == pytest.approx([t.merit for t in two.trials], abs=1e-5)


def test_one_reference_leaves_the_plain_values(generator):
    choice = choose(PatchCore(grid=8, rotations="auto"), evidence([striped(generator)]), None)
    assert (choice.values, choice.score, choice.trials) == ({"rotations": 1}, "top1%", ())


def test_what_was_chosen_is_kept_in_the_state():
    matcher = PatchCore(rotations="auto", levels="auto")
    state = encode(matcher, {"rotations": 4})
    assert state[CHOSEN].tolist() == [1, 0]
    again = as_chosen(matcher, state)
    assert (again.rotations, again.levels, matcher.rotations) == (4, None, 1)
    assert as_chosen(matcher, {}) is matcher


def test_an_ensemble_decides_for_all_its_matchers_alike():
    ensemble = Ensemble([PatchCore(window="auto"), Mahalanobis(window="auto", foreground="auto")], rotations="auto")
    assert set(ensemble.choices()) == {"rotations", "window", "foreground"}
    chosen = ensemble.chosen({"rotations": 4, "window": 0.3, "foreground": True})
    assert chosen.rotations == 4
    assert [matcher.window for matcher in chosen.matchers] == [0.3, 0.3]
    assert [matcher.foreground for matcher in chosen.matchers] == [False, True]
    assert [matcher.window for matcher in ensemble.matchers] == [0.0, 0.0]


def test_a_run_keeps_the_choice_with_the_context_and_tells_why(tmp_path):
    root = write_set(tmp_path / "bolt")
    matcher = {"name": "patchcore", "rotations": "auto", "grid": 8}
    content = recipe(root, head=None, matcher=matcher, score="auto") | {"synthesizers": ["cutpaste"]}
    metrics = run(tmp_path / "out", content)
    told = metrics["contexts"]["bolt"]["choices"]
    assert {trial["setting"] for trial in told} == {"rotations", "score"}
    assert sum(trial["taken"] for trial in told) == 2
    assert "turned references" in (tmp_path / "out" / "report.html").read_text() if "report" in str(content) else True
    context = ContextStore(tmp_path / "out" / "model" / "contexts").load("bolt")
    assert context.score in ("top1%", "max", "top5%")
    assert CHOSEN in context.matcher


def test_what_is_open_needs_simulated_defects_but_rotations():
    for changes in ({"score": "auto"}, {"matcher": {"name": "patchcore", "foreground": "auto"}}):
        with pytest.raises(UserError, match="synthesizers"):
            parse(recipe(head=None, **changes)).build().detector()
    parse(recipe(head=None, matcher={"name": "patchcore", "rotations": "auto"})).build().detector()


def test_rotations_alone_are_chosen_without_simulated_defects(generator):
    for images, expected in (([striped(generator)] * 4, 1), ([striped(generator, turn) for turn in range(4)], 4)):
        matcher = PatchCore(window=0.3, grid=8, rotations="auto")
        seen = Evidence(images, [], cells, ((32, 32), 0.5))
        assert seen.defects == 0
        assert choose(matcher, seen, TOP) == choose(matcher, evidence(images), TOP)
        assert choose(matcher, seen, TOP).values == {"rotations": expected}


def test_any_number_of_threads_chooses_alike(generator):
    images = [striped(generator, turn) for turn in (0, 1, 0)]
    matcher = PatchCore(grid=8, rotations="auto", window="auto")
    one, two = (choose(matcher, Evidence(images, [CutPaste()], cells, ((32, 32), 0.5), n), None) for n in (1, 2))
    assert one == two


def test_quarter_turns_are_exact_and_as_smooth_turns_are(generator):
    image = torch.nn.functional.avg_pool2d(torch.rand(1, 3, 34, 34, generator=generator), 3, 1)
    assert torch.allclose(rotate(image, 90.0), rotate(image, 90.0 + 1e-4), atol=1e-4)
    assert torch.equal(rotate(rotate(image, 90.0), 270.0), image)
    assert rotate(image[..., :20], 90.0).shape == (1, 3, 32, 20)
