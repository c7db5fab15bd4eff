"""`adcore predict`: the run's own verdicts, image by image, and one line for each mistake."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from adcore_plugins.demo import Demo
from PIL import Image
from tiny import UNIFIED, recipe, rows, run, save, snapshot, write_set

import adcore
from adcore.background import MOST_WAITING
from adcore.cli import main


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Every fourth test image of the shared run as a PNG, by the path that the run knows it by."""
    folder = tmp_path_factory.mktemp("png")
    data = Demo(**{key: value for key, value in UNIFIED["data"].items() if key != "name"})
    samples = [s for s in data.samples() if s.split == "test" and s.category == "plate_line_b"][::4]
    return {
        sample.path: save(Image.fromarray(data.image(sample)), folder / f"{number:02}.png")
        for number, sample in enumerate(samples)
    }


@pytest.fixture(scope="module")
def predicted(finished, written, tmp_path_factory):
    """The images of `written` judged on line b."""
    out = tmp_path_factory.mktemp("predicted") / "out"
    files = map(str, written.values())
    assert main(["predict", str(finished), *files, "--context", "plate_line_b", "--out", str(out)]) == 0
    return out


@pytest.fixture
def fails(capfd, tmp_path, monkeypatch):
    """Run a command that has to fail; returns its one line on stderr. Nothing is written."""

    def run(*arguments, out="out"):
        monkeypatch.chdir(tmp_path)
        before = snapshot(tmp_path)
        capfd.readouterr()
        code = main(["predict", *map(str, arguments), "--out", out])
        error = capfd.readouterr().err
        assert code == 2, error
        assert error.count("\n") == 1 and error.startswith("adcore: error: ")
        assert snapshot(tmp_path) == before
        return error

    return run


# ---- what it writes ---------------------------------------------------------------------------------------------


def test_every_verdict_is_the_runs(finished, written, predicted):
    expected = {
        line["path"]: (line["score"], line["p_value"], line["decision"])
        for line in rows(finished)
        if line["context"] == "plate_line_b"
    }
    lines = rows(predicted)
    assert list(lines[0]) == ["path", "context", "score", "p_value", "decision", "route", "margin"]
    assert [line["path"] for line in lines] == [str(file) for file in written.values()]
    assert [(line["score"], line["p_value"], line["decision"]) for line in lines] == [expected[p] for p in written]
    assert {line["decision"] for line in lines} == {"normal", "anomalous"}


def test_every_image_has_its_overlay_and_mask(finished, written, predicted):
    files = {file.relative_to(predicted).as_posix() for file in predicted.rglob("*") if file.is_file()}
    pictures = {f"{kind}/{file.name}" for kind in ("overlays", "masks") for file in written.values()}
    assert files == {"predictions.csv"} | pictures
    model, marked = adcore.load(finished), 0
    for file in written.values():
        expected = model.predict(file, "plate_line_b").mask
        mask = np.asarray(Image.open(predicted / "masks" / file.name))
        assert np.array_equal(mask > 127, expected) and set(np.unique(mask)) <= {0, 255}
        marked += expected.any()
    assert 0 < marked < len(written)


def test_pictures_have_the_size_of_the_image(finished, tmp_path):
    sizes = {"wide": (90, 20), "tall": (20, 900), "dot": (1, 1)}
    for stem, size in sizes.items():
        save(Image.new("L", size, 128), tmp_path / "images" / f"{stem}.png")
    command = ["predict", str(finished), str(tmp_path / "images"), "--context", "plate_line_a"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    for stem, size in sizes.items():
        for kind in ("overlays", "masks"):
            assert Image.open(tmp_path / "out" / kind / f"{stem}.png").size == size


def test_folders_are_searched_and_equal_names_kept_apart(finished, written, tmp_path):
    file = next(iter(written.values()))
    for name in ("a/one.png", "b/one.PNG", "b/deep/two.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    (tmp_path / "in" / ".hidden.png").write_text("no image")
    command = ["predict", str(finished / "model"), str(tmp_path / "in"), "--context", "plate_line_b"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert len(rows(tmp_path / "out")) == 3
    assert sorted(path.name for path in (tmp_path / "out" / "masks").iterdir()) == [
        "a_one.png",
        "b_one.png",
        "deep_two.png",
    ]


def test_a_model_of_one_context_needs_no_name(tmp_path, capsys):
    root = write_set(tmp_path / "part")
    run(tmp_path / "run", recipe(root, head=None))
    assert main(["predict", str(tmp_path / "run"), str(root / "test"), "--out", str(tmp_path / "out")]) == 0
    judged = {line["path"]: line["score"] for line in rows(tmp_path / "out")}
    assert judged == {line["path"]: line["score"] for line in rows(tmp_path / "run")}
    assert "6 images judged in context 'part'" in capsys.readouterr().out


def test_without_a_context_each_image_goes_to_the_nearest(finished, written, tmp_path, capsys):
    files = [str(file) for file in written.values()][:2]
    assert main(["predict", str(finished), *files, "--out", str(tmp_path / "out")]) == 0
    model = adcore.load(finished)
    for line in rows(tmp_path / "out"):
        assert line["context"] == line["route"] and 0 <= float(line["margin"]) < 0.9  # two lines of one part
        assert float(line["score"]) == model.predict(line["path"], line["context"]).score
    assert "2 images judged in the nearest of 2 contexts" in capsys.readouterr().out


def test_an_image_near_no_context_is_unknown(finished, written, tmp_path, capsys):
    model = shutil.copytree(finished / "model", tmp_path / "model")
    for record in model.glob("contexts/*/context.json"):
        record.write_text(json.dumps(json.loads(record.read_text()) | {"reach": 0.0}))
    image = str(next(iter(written.values())))
    assert main(["predict", str(model), image, "--out", str(tmp_path / "out")]) == 0
    (line,) = rows(tmp_path / "out")
    assert [line[key] for key in ("context", "score", "p_value", "decision")] == ["", "", "", "unknown"]
    assert line["route"].startswith("plate_line_") and float(line["margin"]) >= 0
    assert not list((tmp_path / "out").rglob("*.png"))
    assert f"unknown    near no context, nearest {line['route']}" in capsys.readouterr().out


# ---- what it cannot do ------------------------------------------------------------------------------------------


def test_an_unreadable_image_does_not_stop_the_others(finished, written, tmp_path, capfd):
    good = list(written.values())[:3]
    bad = tmp_path / "bad.png"
    bad.write_bytes(good[0].read_bytes()[:60])
    files = [str(file) for file in (good[0], bad, *good[1:])]
    out = tmp_path / "out"
    assert main(["predict", str(finished), *files, "--context", "plate_line_b", "--out", str(out)]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert f"1 of 4 images left out: {bad}: unreadable image, replace or remove it" in error
    assert [line["path"] for line in rows(out)] == [str(file) for file in good]
    expected = dict(zip(written, good, strict=False))
    scores = {line["path"]: line["score"] for line in rows(finished) if line["context"] == "plate_line_b"}
    assert [line["score"] for line in rows(out)] == [scores[path] for path in expected]
    assert sorted(path.stem for path in (out / "masks").iterdir()) == sorted(file.stem for file in good)


def test_no_model(fails, written, tmp_path):
    image = next(iter(written.values()))
    assert "nowhere: not a model folder" in fails("nowhere", image)
    (tmp_path / "empty").mkdir()
    assert "empty: not a model folder (no recipe.yaml)" in fails("empty", image)


def test_no_such_context(fails, finished, written):
    image = next(iter(written.values()))
    assert "did you mean 'plate_line_" in fails(finished, image, "--context", "plate_line")


def test_no_such_device(fails, finished, written):
    arguments = (finished, next(iter(written.values())), "--context", "plate_line_a", "--device", "gpu")
    assert "device: 'gpu' is no device" in fails(*arguments)


@pytest.mark.parametrize("arguments", [["--context", "plate_line"], ["--context", "plate_line_a", "--device", "gpu"]])
def test_no_folder_is_left_behind(fails, finished, written, tmp_path, arguments):
    fails(finished, next(iter(written.values())), *arguments)
    assert not (tmp_path / "out").exists()


def test_no_such_image(fails, finished, tmp_path):
    assert "nowhere.png: no such file or folder" in fails(finished, "nowhere.png", "--context", "plate_line_a")
    (tmp_path / "empty").mkdir()
    assert "empty: no image found there" in fails(finished, "empty", "--context", "plate_line_a")


def test_nothing_is_overwritten(fails, finished, written, predicted, tmp_path):
    shutil.copytree(predicted, tmp_path / "out")
    error = fails(finished, next(iter(written.values())), "--context", "plate_line_b")
    assert "--out out: holds predictions already; name another folder, or remove it" in error


def test_a_folder_that_cannot_be_written(fails, finished, written, tmp_path):
    (tmp_path / "file").write_text("")
    image = next(iter(written.values()))
    assert "--out file/out: cannot write there" in fails(finished, image, "--context", "plate_line_b", out="file/out")


def test_arguments_are_checked_first(fails, finished, capfd, monkeypatch):
    monkeypatch.setattr("adcore.model.load", None)
    assert "unexpected --contxt=a; did you mean '--context'?" in fails(finished, "a.png", "--contxt=a")
    assert main(["predict", str(finished), "a.png"]) == 2
    assert "the following arguments are required: --out" in capfd.readouterr().err


def test_only_a_few_images_are_read_ahead_and_what_is_done_is_on_disk(finished, written, tmp_path, monkeypatch):
    from adcore.data import decoding

    done, read = [], decoding.read_image
    files = [*map(str, written.values())][:4] * 5

    def watched(path):
        done.append(len(rows(tmp_path / "out")))
        return read(path)

    monkeypatch.setattr("adcore.data.decoding.read_image", watched)
    command = ["predict", str(finished), *files, "--context", "plate_line_b", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert len(rows(tmp_path / "out")) == len(done) == 20
    assert all(place - judged <= MOST_WAITING + 1 for place, judged in enumerate(done))
    assert Path(tmp_path / "out" / "overlays").is_dir()
