"""Normal images that are like no other are told, and in sets without any nothing is said."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import recipe, run, write_set

import adcore
from adcore.unlike_others import JUDGED, far_above, in_company, notes_on_calibration, notes_on_references


@pytest.fixture
def cloud(generator):
    return torch.randn(60, 5, generator=generator, dtype=torch.float64)


def test_points_far_from_all_others_are_left_out(cloud):
    cloud[[7, 30]] = torch.tensor([[40.0] * 5, [-40.0] * 5], dtype=torch.float64)
    assert in_company(cloud, 1).tolist() == [place for place in range(60) if place not in (7, 30)]


def test_two_that_are_alike_keep_each_other_company(cloud):
    cloud[[7, 30]] = torch.tensor([[40.0] * 5, [40.1] * 5], dtype=torch.float64)
    assert {7, 30} <= {*in_company(cloud, 1).tolist()}


def test_as_many_are_kept_as_are_needed(cloud):
    cloud[::4] = 100 * torch.arange(15, dtype=torch.float64)[:, None] + 1000
    assert len(in_company(cloud, 1)) == 45
    kept = in_company(cloud, 50).tolist()
    assert len(kept) == 50 and {*range(60)} - {*range(0, 60, 4)} <= {*kept}


@pytest.mark.parametrize(
    "points", [torch.zeros(40, 2), torch.arange(40.0)[:, None], torch.ones(JUDGED - 1, 3).cumsum(0)]
)
def test_where_none_stands_out_all_are_kept(points):
    assert in_company(points.double(), 1).tolist() == [*range(len(points))]


def test_of_few_or_repeating_images_all_are_kept(cloud):
    few = cloud[: JUDGED - 1].clone()
    few[3] = 1000
    assert len(in_company(few, 1)) == len(few)
    repeating = torch.cat([cloud[:1].expand(30, -1), 1000 * cloud[:5]])
    assert len(in_company(repeating, 1)) == 35


def test_scores_far_above_the_others_are_told_highest_first():
    scores = [*np.linspace(1, 2, 30), 9.0, 12.0]
    assert far_above(scores) == [31, 30]
    assert far_above(scores[:30]) == [] and far_above([1.0] * 30 + [5.0]) == [] and far_above(scores[-10:]) == []
    assert far_above([-9.0, *scores[:30]]) == []  # low ones do no harm


def test_notes_name_up_to_five_images():
    (note,) = notes_on_references(list("abcdefg"), 90)
    assert note.startswith("7 of 90 normal images are like no other")
    assert note.endswith("see whether they are normal: a, b, c, d, e and 2 more")
    assert not notes_on_references([], 90)
    paths = [f"{i}.png" for i in range(31)]
    (note,) = notes_on_calibration(paths, [*np.linspace(1, 2, 30), 9.0])
    assert note.startswith("1 of 31 calibration images scores far above the others (median 1.52)")
    assert note.endswith("see whether it is normal: 30.png (9)")
    assert not notes_on_calibration(paths[:30], np.linspace(1, 2, 30))


def test_a_calibration_image_far_above_the_others_is_told(tmp_path):
    """In the run's log and report, and with its context: a fault there raises the threshold unseen."""
    root, draws = write_set(tmp_path / "part", normals=60), np.random.default_rng(0)
    for file in (root / "train" / "good").iterdir():
        Image.fromarray(draws.integers(100, 120, (32, 32, 3), np.uint8)).save(file)
    context = {"shots": 4, "calibration": 50, "false_alarm_rate": 0.05}
    content = recipe(root, head=None, matcher="mahalanobis", context=context)
    clean = run(tmp_path / "clean", content)["contexts"]["part"]
    assert not any("far above" in note for note in clean["warnings"])
    odd = adcore.load(tmp_path / "clean").contexts["part"].calibration_images[3]
    Image.fromarray(draws.integers(0, 255, (32, 32, 3), np.uint8)).save(odd)
    metrics = run(tmp_path / "run", content)["contexts"]["part"]
    (note,) = (note for note in metrics["warnings"] if "far above" in note)
    assert note.startswith("1 of 50 calibration images scores far above") and f"normal: {odd} (" in note
    assert f"part: {note}" in (tmp_path / "run" / "log.txt").read_text()
    assert adcore.load(tmp_path / "run").contexts["part"].notes == (note,)
    (tmp_path / "run" / "metrics.json").unlink()  # stopped before the report
    assert run(tmp_path / "run", content, resume=True)["contexts"]["part"]["warnings"] == metrics["warnings"]
