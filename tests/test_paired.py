import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from tiny import BACKBONE, UNIFIED, recipe, rows, run, save, write_recipe

import adcore
from adcore.cli import main
from adcore.data.samples import Sample
from adcore.errors import UserError
from adcore.paired import PairFitter, lay
from adcore.recipe import parse
from adcore.store import load_json

SIZE = 96
PAIRED = {
    "backbone": BACKBONE,
    "matcher": {"name": "anomalygpt", "whiten": 0.05, "window": 0.1},
    "head": None,
    "reference": "paired",
    "image_size": SIZE,
    "context": {"shots": 1, "false_alarm_rate": 0.2},
}


def board(number, wrong=False, shift=(0, 0)):
    """A drawn circuit board of a kind of its own; a wrong one has a part at another place."""
    draws = np.random.default_rng(number)
    image = Image.new("RGB", (SIZE, SIZE), (20, 90, 50))
    pen = ImageDraw.Draw(image)
    for x, y in draws.integers(8, SIZE - 20, (14, 2)).tolist():
        colour = tuple(draws.integers(60, 255, 3).tolist())
        pen.rectangle((x + shift[0], y + shift[1], x + 9 + shift[0], y + 6 + shift[1]), fill=colour)
    if wrong:
        pen.rectangle((30, 40, 52, 58), fill=(230, 230, 235))
    return image


def write_boards(root, normals=6, tests=4):
    """Each image shows another board; its golden sample lies in reference/, two pixels beside."""
    for i in range(normals):
        save(board(100 + i), root / f"train/good/{i}.png")
        save(board(100 + i, shift=(2, 1)), root / f"reference/train/good/{i}.png")
    wrong = np.zeros((SIZE, SIZE), np.uint8)
    wrong[40:58, 30:52] = 1
    for i in range(tests):
        save(board(i), root / f"test/good/{i}_a.png")
        save(board(i, wrong=True), root / f"test/open/{i}_b.png")
        save(board(i, shift=(2, 1)), root / f"reference/{i}.png")
        save(Image.fromarray(wrong * 255), root / f"ground_truth/open/{i}_b.png")
    return root


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paired")
    root = write_boards(folder / "board")
    return folder / "run", run(folder / "run", recipe(root, **PAIRED)), root


def test_each_image_is_judged_beside_its_own_golden_sample(finished):
    out, metrics, root = finished
    assert metrics["mean"]["image.auroc"] == 1
    lines = rows(out)
    assert {line["path"]: line["golden_sample"] for line in lines} == {
        str(root / f"test/{kind}/{i}_{end}.png"): str(root / f"reference/{i}.png")
        for kind, end in (("good", "a"), ("open", "b"))
        for i in range(4)
    }
    context = metrics["contexts"]["board"]
    assert context["calibration_method"] == "held-out" and context["calibration"] == 3
    assert len(context["references"]) == 4 + 3 and metrics["settings"]["reference"] == "paired"


def test_registration_takes_out_the_shift(finished, tmp_path):
    *_, root = finished
    still = run(tmp_path / "still", recipe(root, **PAIRED, registration=False))
    moved = rows(tmp_path / "still")
    registered = rows(finished[0])
    good = [(float(a["score"]), float(b["score"])) for a, b in zip(registered, moved, strict=True) if a["label"] == "0"]
    assert all(with_it < without / 2 for with_it, without in good)
    assert still["mean"]["pixel.ap"] < finished[1]["mean"]["pixel.ap"]


def test_the_model_judges_as_the_run_did(finished, tmp_path, capfd):
    out = finished[0]
    line = rows(out)[-1]
    prediction = adcore.load(out).predict(line["path"], reference=line["golden_sample"])
    assert repr(prediction.score) == line["score"] and prediction.decision == line["decision"]
    assert prediction.reference == line["golden_sample"]
    command = ["predict", str(out), line["path"], "--out"]
    assert main([*command, str(tmp_path / "a"), "--reference", line["golden_sample"]]) == 0
    assert rows(tmp_path / "a")[0]["score"] == line["score"]
    capfd.readouterr()
    assert main([*command, str(tmp_path / "b")]) == 2
    assert "context 'board' judges each image beside its own golden sample" in capfd.readouterr().err
    with pytest.raises(UserError, match="its own golden sample; add a new context"):
        adcore.load(out).extend_context("board", [line["path"]])


def test_without_normals_in_pairs_the_golden_samples_calibrate(finished, tmp_path):
    root = write_boards(tmp_path / "board", normals=2)
    for file in (root / "reference/train/good").iterdir():
        file.unlink()
    metrics = run(tmp_path / "run", recipe(root, **PAIRED))
    context = metrics["contexts"]["board"]
    assert context["calibration_method"] == "leave-one-out" and context["calibration"] == 4
    assert "no normals left for calibration" in context["warnings"][0]


def test_a_head_reads_the_relation_to_the_golden_sample(tmp_path):
    """Both branches and a fuser that needs a scale."""
    root = write_boards(tmp_path / "board", normals=8)
    both = {key: UNIFIED[key] for key in ("head", "clusterer", "synthesizers", "fuser")}
    metrics = run(tmp_path / "run", recipe(root, **PAIRED | both))
    assert set(metrics["branches"]) == {"reference", "contrastive"}
    assert metrics["branches"]["reference"]["mean"]["image.auroc"] == 1
    line = rows(tmp_path / "run")[0]
    assert (
        repr(adcore.load(tmp_path / "run").predict(line["path"], reference=line["golden_sample"]).score)
        == line["score"]
    )


def test_images_without_a_golden_sample_are_found_by_check(tmp_path, capfd):
    root = write_boards(tmp_path / "board")
    (root / "reference/2.png").unlink()
    assert main(["check", write_recipe(tmp_path / "r.yaml", recipe(root, **PAIRED))]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "reference: paired needs a golden sample of each test image; 2 of 8 in category 'board' have none" in error
    with pytest.raises(UserError, match="needs a matcher"):
        parse(recipe(root, **PAIRED | {"head": UNIFIED["head"], "matcher": None})).build().detector()


def test_what_no_reference_shows_is_no_anomaly():
    detector = parse(recipe(**{key: PAIRED[key] for key in ("backbone", "matcher", "head", "image_size")})).build()
    detector = detector.detector().eval()
    reference, image = np.asarray(board(0)), np.asarray(board(0, shift=(0, 14))).copy()
    image[:10] = 255  # came in from outside, where the reference shows nothing
    fitter = PairFitter(detector, lambda path: reference)
    pair = fitter.pair("x", image, ["golden"])
    assert abs(pair.transforms[0].dy - 14) < 1 and not pair.shown[:10].any() and pair.shown[20:].all()
    prediction, _ = fitter.spot(pair, 0.05)
    plain, _ = PairFitter(detector, lambda path: reference, registration=False).spot(
        PairFitter(detector, lambda path: reference, registration=False).pair("x", image, ["golden"]), 0.05
    )
    assert plain.map[:10].max() > 0.9 * plain.map.max()
    assert prediction.map[:4].max() < 0.5 * plain.map[:4].max()


def test_several_references_fill_what_one_does_not_show():
    image = torch.from_numpy(np.asarray(board(3), np.float32) / 255).permute(2, 0, 1)
    left, right = (torch.roll(image, shift, 2) for shift in (-12, 12))
    laid = lay([left, right], image, (SIZE, SIZE))
    assert [round(transform.dx) for transform in laid.transforms] == [12, -12]
    assert laid.shown.all()
    assert (laid.references - image).abs().mean() < 0.02


def test_the_demo_has_a_golden_sample_of_each_image():
    data = parse({**UNIFIED, "data": {"name": "demo", "categories": ["board"], "normals": 1, "size": 48}}).build().data
    for sample in data.samples():
        assert sample.golden == Sample(sample.reference, "board", sample.split)
        golden, image, mask = data.image(sample.golden), data.image(sample), data.mask(sample)
        difference = np.abs(golden.astype(int) - image).mean(2)
        assert 0 < difference[~mask].mean() < 40
        if sample.label:
            assert difference[mask].mean() > difference[~mask].mean()


def test_what_was_recorded_of_a_paired_context(finished):
    record = next((finished[0] / "model/contexts").glob("*/context.json"))
    assert load_json(record)["paired"] is True
