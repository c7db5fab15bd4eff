"""References that differ most, chosen among many normal images."""

from __future__ import annotations

import shutil

import pytest
import torch
from tiny import BACKBONE, recipe, rows, run, write_set

from adcore.recipe import parse
from adcore.representatives import representatives


@pytest.fixture(scope="module")
def extract():
    return parse(recipe(backbone=BACKBONE)).build().backbone.eval()


def looks(count, generator):
    """Images of four looks in turn: dark, bright, upright stripes, lying stripes; with noise."""
    stripes = torch.arange(32).div(4, rounding_mode="floor").remainder(2).float()
    kinds = (torch.full((32, 32), 0.2), torch.full((32, 32), 0.9), stripes.expand(32, 32), stripes.expand(32, 32).T)
    return [
        (kinds[i % 4].expand(3, 32, 32) + 0.02 * torch.randn(3, 32, 32, generator=generator)).clamp(0, 1)
        for i in range(count)
    ]


def picked(images, count, extract):
    """Places of the representatives of images."""
    return representatives(range(len(images)), count, images.__getitem__, extract)[0]


def test_each_look_is_picked_before_any_comes_twice(extract, generator):
    picks = picked(looks(24, generator), 4, extract)
    assert {pick % 4 for pick in picks} == {0, 1, 2, 3}


def test_the_first_pick_is_usual_and_a_rare_look_follows(extract, generator):
    images = [torch.full((3, 32, 32), 0.4 + 0.01 * i) for i in range(9)]
    images[7] = looks(3, generator)[2]
    picks = picked(images, 2, extract)
    assert picks[0] != 7 and picks[1] == 7


def test_more_picks_begin_with_the_fewer(extract, generator):
    images = looks(12, generator)
    assert picked(images, 9, extract)[:5] == picked(images, 5, extract)


@pytest.mark.parametrize("strange", [0, 1, 3])
def test_images_like_no_other_are_not_picked(extract, generator, strange):
    """As defects among the normals are; two that are alike may be a rare look."""
    images = looks(40, generator)
    odd = [5, 17, 30][:strange]
    for place, at in enumerate(odd):
        images[at] = images[at].clone()
        images[at][:, 8 * place : 8 * place + 8, 4:20] = torch.tensor([1.0, 0.0, 0.5]).roll(place).view(3, 1, 1)
    picks = picked(images, 12, extract)
    assert len(set(picks)) == 12 and not set(picks) & set(odd)
    assert {pick % 4 for pick in picks[:4]} == {0, 1, 2, 3}


def test_so_many_as_are_asked_for_are_picked_however_far_apart(extract, generator):
    images = looks(20, generator)
    images[3] = torch.rand(3, 32, 32, generator=generator)
    assert sorted(picked(images, 20, extract)) == list(range(20))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_images_that_repeat_are_picked_once_each(extract, count):
    images = [torch.full((3, 32, 32), 0.5)] * 3
    picks = picked(images, count, extract)
    assert sorted(picks) == list(range(min(count, 3)))


@pytest.fixture
def striped(tmp_path):
    """A set whose normals are noise, but for two that are black."""
    from PIL import Image

    root = write_set(tmp_path / "part", normals=16)
    for name in ("03", "11"):
        Image.new("RGB", (32, 32)).save(root / "train" / "good" / f"{name}.png")
    return root


@pytest.mark.parametrize("head", [None, recipe()["head"]])
def test_a_run_takes_representative_references(striped, tmp_path, head):
    """Whatever is drawn, and trained on: one of those black ones that are not held out is a reference."""
    context = {"shots": 2, "calibration": 0.2, "validation": 0.1, "false_alarm_rate": 0.2}
    content = recipe(striped, head=head, context=context, reference="representative")
    metrics = run(tmp_path / "run", content)
    references = metrics["contexts"]["part"]["references"]
    assert len(references) == 2 and any(path.endswith(("03.png", "11.png")) for path in references)
    assert len(rows(tmp_path / "run")) == 6
    drawn = run(tmp_path / "drawn", content | {"reference": "drawn"})["contexts"]["part"]
    assert drawn["calibration"] == metrics["contexts"]["part"]["calibration"]
    assert run(tmp_path / "again", content)["contexts"]["part"]["references"] == references

    (tmp_path / "again" / "metrics.json").unlink()  # as if stopped behind training
    shutil.rmtree(tmp_path / "again" / "model" / "contexts")
    assert run(tmp_path / "again", content, resume=True) == metrics


def test_a_run_tells_what_is_like_no_other(tmp_path):
    from PIL import Image

    root = write_set(tmp_path / "part", normals=30)
    Image.new("RGB", (32, 32)).save(root / "train" / "good" / "03.png")
    context = {"shots": 4, "calibration": 0.0, "false_alarm_rate": 0.2}
    content = recipe(root, head=None, context=context, reference="representative")
    references = run(tmp_path / "run", content)["contexts"]["part"]["references"]
    assert not any(path.endswith("03.png") for path in references)
    said = (tmp_path / "run" / "log.txt").read_text()
    assert "part: 1 of 30 normal images is like no other" in said and "03.png" in said


def test_of_very_many_images_an_even_choice_is_looked_at(extract, generator, monkeypatch):
    monkeypatch.setattr("adcore.representatives.MOST_CANDIDATES", 4)
    seen = []

    def counted(image):
        seen.append(image)
        return extract(image)

    images = looks(12, generator)
    assert set(picked(images, 2, counted)) <= {0, 3, 6, 9} and len(seen) == 4
    assert len(picked(images, 6, counted)) == 6
