"""`adcore spot`: two pictures and a verdict, nothing else needed."""

from __future__ import annotations

import csv
import os
import subprocess
import sys

import pytest
from PIL import Image
from test_paired import SIZE, board
from tiny import BACKBONE, save, write_recipe

from adcore.cli import main

NETWORK = ["--image-size", str(SIZE), "--backbone", str(BACKBONE), "--weights", "none"]
DISTANCES = ["--head", "null", "--fuser", "mean", "--matcher", "{name: anomalygpt, window: 0.06, whiten: 0.05}"]
OPTIONS = [*NETWORK, *DISTANCES]


@pytest.fixture
def pictures(tmp_path):
    """A golden sample, the same board moved, and one with a wrong part."""
    return [
        str(save(board(0), tmp_path / "golden.png")),
        str(save(board(0, shift=(3, -2)), tmp_path / "good.png")),
        str(save(board(0, wrong=True), tmp_path / "bad.png")),
    ]


def spot(*arguments):
    return main(["spot", *arguments, *OPTIONS])


def test_a_line_for_each_image_and_what_the_verdict_is_worth(pictures, tmp_path, capfd):
    golden, good, bad = pictures
    assert spot("--reference", golden, good, bad, "--out", str(tmp_path / "out")) == 0
    first, second, closing, note = capfd.readouterr().out.splitlines()
    assert first.startswith("normal ") and first.endswith(good)
    assert second.split()[0] in ("normal", "anomalous") and second.endswith(bad)  # the weights are random
    assert "2 images judged beside 1 reference; results in" in closing
    assert "rule of thumb" in note
    with (tmp_path / "out/predictions.csv").open(newline="") as stream:
        moved, wrong = csv.DictReader(stream)
    assert moved["registration"].startswith("shift (3.") and moved["reference"] == golden
    assert 30 <= int(wrong["x"]) <= 52 and 40 <= int(wrong["y"]) <= 58
    assert float(wrong["score"]) > 2 * float(moved["score"]) and float(wrong["peak"]) > 0.95 * float(wrong["score"])
    assert (wrong["decision"] == "anomalous") == (float(wrong["score"]) >= float(wrong["limit"]))
    for kind in ("overlays", "masks"):
        assert {file.name for file in (tmp_path / "out" / kind).iterdir()} == {"good.png", "bad.png"}


def test_the_bundled_head_tells_a_wrong_part_from_a_moved_board(pictures, capfd):
    golden, good, bad = pictures
    assert main(["spot", "--reference", golden, good, bad, *NETWORK]) == 0
    first, second = capfd.readouterr().out.splitlines()[:2]
    scores = [float(line.split("score")[1].split()[0]) for line in (first, second)]
    limits = [float(line.split("limit")[1].split()[0]) for line in (first, second)]
    assert scores[1] > scores[0] and first.startswith("normal ") and abs(limits[0]) < 1e-6


def test_places_are_told_in_the_pixels_of_the_image(pictures, capfd):
    golden, _, bad = pictures
    large = Image.open(bad).resize((3 * SIZE, 2 * SIZE))
    large.save(bad)
    assert spot("--reference", golden, bad) == 0
    line = capfd.readouterr().out.splitlines()[0]
    x, y = (int(line.split(f" {axis} ")[1].split()[0]) for axis in "xy")
    assert 3 * 30 <= x <= 3 * 52 and 2 * 40 <= y <= 2 * 58


def test_without_registration_a_shift_is_a_difference(pictures, capfd):
    golden, good, _ = pictures
    scores = []
    for option in ("--registration", "--no-registration"):
        assert spot("--reference", golden, good, option) == 0
        scores.append(float(capfd.readouterr().out.split("score")[1].split()[0]))
    assert scores[0] < scores[1] / 2


def test_several_references_and_folders(pictures, tmp_path, capfd):
    golden, good, bad = pictures
    save(board(0), tmp_path / "references/a.png")
    save(board(0, shift=(0, 2)), tmp_path / "references/b.png")
    assert spot("--reference", golden, "--reference", str(tmp_path / "references"), good, bad) == 0
    assert "2 images judged beside 3 references" in capfd.readouterr().out


def test_a_picture_beside_itself_is_normal(pictures, capfd):
    assert spot("--reference", pictures[0], pictures[0]) == 0
    assert capfd.readouterr().out.startswith("normal ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["GOOD"], "the following arguments are required: --reference"),
        (["--reference", "GOLDEN"], "the following arguments are required: TEST"),
        (["--reference", "nowhere.png", "GOOD"], "nowhere.png: no such file or folder"),
        (["--reference", "GOLDEN", "GOOD", "--image-size", "4", "--weights", "none"], "image_size: 4 is too small"),
        (["--reference", "GOLDEN", "GOOD", "--weights", "w.safetensors"], "w.safetensors is no file"),
        (["--reference", "GOLDEN", "GOOD", "--recipe", "focal"], "recipe focal has a head, and here nothing"),
        (["--reference", "GOLDEN", "GOOD", "--refrence", "x"], "did you mean '--reference'?"),
        (["--reference", "TEXT", "GOOD", *OPTIONS], "notes.png: unreadable image"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(pictures, tmp_path, capfd, arguments, message):
    (tmp_path / "notes.png").write_text("no image")
    files = dict(zip(("GOLDEN", "GOOD"), pictures, strict=False)) | {"TEXT": str(tmp_path / "notes.png")}
    assert main(["spot", *(files.get(argument, argument) for argument in arguments)]) == 2
    error = capfd.readouterr().err
    assert message in error and error.count("\n") == 1


def test_without_a_hub_weights_are_asked_for_and_never_drawn(pictures, monkeypatch, capfd):
    def refuse(*_, **__):
        raise OSError("no network here")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", refuse)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    assert main(["spot", "--reference", *pictures]) == 2
    error = capfd.readouterr().err
    assert "the hub cannot give the weights" in error and "weights: PATH" in error


def test_nothing_of_a_run_is_imported(pictures):
    """What only a run needs, or is slow to import, is not waited for."""
    slow = ["lightning_fabric", "sklearn", "scipy", "tensorboard", "rich", "jinja2"]
    code = (
        "import sys; from adcore.cli import main\n"
        f"assert main({['spot', '--reference', *pictures[:2], *OPTIONS]!r}) == 0\n"
        f"print([name for name in {slow} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0 and done.stderr.strip() == "[]", done.stderr


def test_a_recipe_of_ones_own(pictures, tmp_path, capfd):
    own = {"data": "demo", "backbone": BACKBONE, "matcher": {"name": "patchcore"}, "fuser": "mean"}
    path = write_recipe(tmp_path / "own.yaml", own)
    arguments = ["--reference", *pictures[:2], "--recipe", path, "--weights", "none", "--image-size", str(SIZE)]
    assert main(["spot", *arguments]) == 0
    assert "judged beside 1 reference" in capfd.readouterr().out
