"""`adcore group`: what it writes, where it gets the true kinds from, and one line for each mistake."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from adcore_plugins.demo import Demo
from PIL import Image
from tiny import UNIFIED, save

import adcore
from adcore.cli import main
from adcore.group_images import group_images


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two kinds of image, in MVTec layout."""
    root = tmp_path_factory.mktemp("data") / "part" / "test"
    draws = np.random.default_rng(0)
    for kind, colour in (("dent", (250, 20, 20)), ("scratch", (20, 20, 250))):
        for index in range(5):
            pixels = draws.integers(90, 110, (48, 64, 3), dtype=np.uint8)
            pixels[10:30, 12 + index : 40 + index] = colour
            save(Image.fromarray(pixels), root / kind / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def grouped(finished, images, tmp_path_factory):
    out = tmp_path_factory.mktemp("grouped") / "out"
    given = ["group", str(finished), str(images), "--context", "plate_line_a", "--per", "image", "--number", "2"]
    assert main([*given, "--out", str(out)]) == 0
    return out


def table(out):
    with (out / "regions.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_csv_has_a_line_for_each_region(grouped, images):
    lines = table(grouped)
    assert [line["path"] for line in lines] == [str(path) for path in sorted(images.rglob("*.png"))]
    assert {line["kind"] for line in lines} == {"0", "1"}
    assert all(float(line["right"]) == 1 and float(line["area"]) == 1 and float(line["score"]) > 0 for line in lines)


def test_the_sheet_has_a_row_for_each_kind(grouped):
    with Image.open(grouped / "kinds.png") as sheet:
        assert sheet.format == "PNG" and sheet.height > 2 * 112


def test_kinds_known_by_their_folders_are_compared(grouped):
    metrics = json.loads((grouped / "metrics.json").read_text())
    assert set(metrics) == {"nmi", "ari", "f1", "noise"}
    assert metrics["f1"] > 0.5 and metrics["noise"] == 0


def test_images_are_grouped_in_full_whatever_the_precision(finished, images, monkeypatch):
    embeddings = []
    monkeypatch.setattr("adcore.group_images.kinds_of", lambda points, *_: embeddings.append(points) or [0] * 10)
    for precision in ("32-true", "bf16-mixed"):
        model = adcore.load(finished)
        model.detector.precision = precision
        assert len(group_images(model, sorted(images.rglob("*.png")), None, 1, "image", "plate_line_a")) == 10
    assert np.array_equal(*embeddings)


def test_kinds_may_be_named_in_a_table(finished, images, tmp_path, capsys):
    known = tmp_path / "known.csv"
    lines = [f"{path},{path.parent.name}" for path in sorted(images.rglob("*.png"))]
    known.write_text("\n".join(["path,kind", *lines]))
    out, context = str(tmp_path / "out"), ["--context", "plate_line_a", "--per", "image"]
    files = [str(path) for path in images.glob("dent/*.png")]
    assert main(["group", str(finished), *files, *context, "--kinds", str(known), "--out", out]) == 0
    assert "nmi" in capsys.readouterr().out
    known.write_text("\n".join(["path,kind", *lines[1:]]))
    assert main(["group", str(finished), *files, *context, "--kinds", str(known), "--out", out + "2"]) == 2
    assert "has no line for" in capsys.readouterr().err


def test_marked_regions_are_grouped_one_by_one(finished, tmp_path):
    data = Demo(**{key: value for key, value in UNIFIED["data"].items() if key != "name"})
    good = [sample for sample in data.samples() if sample.split == "test" and not sample.label][:5]
    for index, sample in enumerate(good):
        pixels = data.image(sample).copy()
        pixels[1:8, 1:8] = pixels[24:31, 24:31] = 250, 20, 20  # in two corners
        save(Image.fromarray(pixels), tmp_path / "test" / f"{index}.png")
    given = ["group", str(finished), str(tmp_path / "test"), "--context", "plate_line_a"]
    assert main([*given, "--clusterer", "{name: hdbscan}", "--out", str(tmp_path / "out")]) == 0
    lines = table(tmp_path / "out")
    assert len(lines) > len({line["path"] for line in lines})
    assert all(0 < float(line["area"]) < 0.7 for line in lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--number", "0"], "--number 0"),
        (["--clusterer", "kmean"], "kmeans"),
        (["--clusterer", "{name: kmeans, q: 1}"], "lists its settings"),
        (["--clusterer", "hdbscan", "--number", "2"], "finds the number of kinds itself"),
        (["--kinds", "gone.csv"], "columns path and kind"),
        (["--context", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_told_in_one_line(finished, images, tmp_path, capsys, arguments, told):
    given = ["group", str(finished), str(images), "--per", "image", "--out", str(tmp_path / "out"), *arguments]
    if "--context" not in arguments:
        given += ["--context", "plate_line_a"]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "out" / "regions.csv").exists()
