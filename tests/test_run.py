"""A run from end to end: what it leaves behind, that it repeats, resumes, and takes whatever images there are."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from adcore_plugins.demo import Demo
from adcore_plugins.folder import Folder
from sklearn.metrics import average_precision_score, roc_auc_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import TRAINING, UNIFIED, recipe, rows, run, snapshot, write_recipe, write_set

import adcore
from adcore.cli import main
from adcore.context_store import ContextStore
from adcore.errors import UserError
from adcore.interfaces import Observer
from adcore.maps import write_array
from adcore.precision import resolved
from adcore.recipe import parse
from adcore.store import load_json, load_tensors

STAGES = ("fit", "reference", "calibrate", "test", "report")
LEFT = ("metrics.json", "predictions.csv", "model/weights.safetensors")
"""What has to be the same, byte for byte, however a run came about."""


class At(Observer):
    """Acts when a stage starts, or when an epoch ends."""

    def __init__(self, when, act):
        self.when, self.act = when, act

    def on_stage_start(self, stage):
        if stage == self.when:
            self.act()

    def on_epoch_end(self, epoch):
        if epoch == self.when:
            self.act()


def interrupt():
    raise KeyboardInterrupt


def run_watched(out, content, observer, resume=False):
    parsed = parse(content)
    runner = parsed.build()
    runner.observers.append(observer)
    return runner.run(out, parsed.dump(), resume)


def same(one, other):
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in LEFT)


# ---- what a run leaves behind -----------------------------------------------------------------------------------


def test_a_run_leaves_every_file(finished):
    found = {file.relative_to(finished).as_posix() for file in finished.rglob("*") if file.is_file()}
    events = {name for name in found if name.startswith("tensorboard/events.out.tfevents")}
    maps = {name for name in found if name.startswith("maps/")}
    store = ContextStore(finished / "model" / "contexts")
    contexts = {"model/contexts/.lock"}
    for name in ("plate_line_a", "plate_line_b"):
        pictures = store.thumbnails(name)
        kept = [*(pictures / f"{number:03}.jpg" for number in range(3)), pictures.parent / "state.safetensors"]
        kept.append(store.place(name) / "context.json")
        contexts |= {file.relative_to(finished).as_posix() for file in kept}
    files = {"recipe.yaml", "metrics.json", "predictions.csv", "report.html", "log.txt"}
    files |= {"fit/best.safetensors", "fit/last.safetensors", "fit/training.json"}
    projector = {name for name in found if name.startswith("tensorboard/")} - events
    assert {Path(name).suffix for name in projector} == {".tsv", ".pbtxt"}
    assert found - events - maps - projector == files | contexts | {"model/recipe.yaml", "model/weights.safetensors"}
    assert events and {Path(name).suffix for name in maps} == {".npy", ".png"}


def test_nothing_is_pickled(finished):
    for file in finished.rglob("*"):
        if not file.is_file() or "tfevents" in file.name:
            continue
        start = file.read_bytes()[:4]
        assert start[:1] != b"\x80" and start != b"PK\x03\x04", f"{file} is a pickle or an archive of torch"
        if file.suffix == ".npy":
            assert np.load(file, allow_pickle=False).shape == (32, 32)
        elif file.suffix == ".safetensors":
            assert load_tensors(file)


def test_predictions_are_one_line_for_each_test_image(finished):
    listed = [
        (s.path, s.category, s.category, str(s.label), s.defect)
        for s in Demo(**{key: value for key, value in UNIFIED["data"].items() if key != "name"}).samples()
        if s.split == "test"
    ]
    lines = rows(finished)
    columns = ["path", "category", "context", "label", "score", "p_value", "decision", "defect"]
    assert list(lines[0]) == [*columns, "reference", "contrastive"]
    assert [tuple(line[key] for key in ("path", "category", "context", "label", "defect")) for line in lines] == listed


def test_every_test_image_has_its_map(finished):
    expected = Counter(line["category"] for line in rows(finished))
    for kind in ("npy", "png"):
        assert Counter(file.parts[-3] for file in (finished / "maps").rglob(f"*.{kind}")) == expected


def test_decisions_follow_from_scores_and_calibration(finished):
    store = ContextStore(finished / "model" / "contexts")
    contexts = {name: store.read(name) for name in store.names()}
    for line in rows(finished):
        calibration = contexts[line["context"]].calibration
        higher = sum(score >= float(line["score"]) for score in calibration.scores)
        p_value = (1 + higher) / (1 + len(calibration.scores))
        assert float(line["p_value"]) == p_value
        assert (line["decision"] == "anomalous") == (p_value <= 0.2 + 1e-12)


def test_metrics_are_those_of_the_predictions(finished):
    metrics, lines = load_json(finished / "metrics.json"), rows(finished)
    assert set(metrics) == {"mean", "worst", "categories", "branches", "baseline", "contexts", "settings"}
    assert set(metrics["branches"]) == {"reference", "contrastive"}
    aurocs = {}
    for category, found in metrics["categories"].items():
        of = [line for line in lines if line["category"] == category]
        y = np.array([int(line["label"]) for line in of])
        called = np.array([line["decision"] == "anomalous" for line in of])
        for branch, got in [("score", found)] + [
            (b, m["categories"][category]) for b, m in metrics["branches"].items()
        ]:
            scores = [float(line[branch]) for line in of]
            assert got["image.auroc"] == pytest.approx(roc_auc_score(y, scores), abs=1e-6)
            assert got["image.ap"] == pytest.approx(average_precision_score(y, scores), abs=1e-6)
        assert found["decision.recall"] == pytest.approx(called[y == 1].mean(), abs=1e-6)
        assert found["decision.false_alarm_rate"] == pytest.approx(called[y == 0].mean(), abs=1e-6)
        assert {f"pixel.{key}" for key in ("auroc", "ap", "f1max", "aupro30", "aupro05")} < set(found)
        assert "image.f1max" in found and all(value is not None for value in found.values())
        aurocs[category] = found["image.auroc"]
    assert metrics["mean"]["image.auroc"] == pytest.approx(np.mean(list(aurocs.values())), abs=1e-6)
    worst = min(aurocs, key=aurocs.get)
    assert metrics["worst"]["image.auroc"] == {"category": worst, "value": aurocs[worst]}


def test_precision_and_threads_are_recorded(finished):
    settings = load_json(finished / "metrics.json")["settings"]
    precision = resolved("auto", torch.device(settings["device"]))
    assert settings["precision"] == precision and settings["threads"] == torch.get_num_threads()
    assert f"in {precision} with {settings['threads']} threads" in (finished / "log.txt").read_text()


def test_threads_are_those_of_the_recipe(tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    content = recipe(write_set(tmp_path / "part"), head=None, threads=3, precision="32-true")
    assert run(tmp_path / "out", content)["settings"]["precision"] == "32-true" and used[0] == 3
    with pytest.raises(UserError, match="threads: 0 must be at least 1"):
        run(tmp_path / "none", {**content, "threads": 0})


def test_flip_accuracy_is_the_share_judged_right_on_both_lines(finished):
    right = {}
    for line in rows(finished):
        right.setdefault(line["path"], []).append(
            line["decision"] == ("anomalous" if line["label"] == "1" else "normal")
        )
    assert len(right) == 65 and all(len(both) == 2 for both in right.values())
    expected = sum(map(all, right.values())) / len(right)
    assert load_json(finished / "metrics.json")["mean"]["context.flip_accuracy"] == pytest.approx(expected, abs=1e-6)


def test_report_tensorboard_and_log_tell_of_the_run(finished):
    metrics = load_json(finished / "metrics.json")
    page, log = (finished / "report.html").read_text(), (finished / "log.txt").read_text()
    assert f"{metrics['mean']['image.auroc']:.3f}" in page and "plate_line_b" in page
    assert not re.search(r"(?:src|href)=[\"'](?!#|data:)", page)  # one file that needs no other
    for line in ["epoch 1/2: train.loss", "epoch 2/2: train.loss", *(f"{stage}: done" for stage in STAGES)]:
        assert line in log
    events = EventAccumulator(str(finished / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2]
    assert events.Scalars("test.mean/image.auroc")[0].value == pytest.approx(metrics["mean"]["image.auroc"], abs=1e-5)


def test_the_runs_own_recipe_gives_the_same_bytes(finished, tmp_path):
    assert main(["run", str(finished), "--out", str(tmp_path / "again")]) == 0
    assert same(finished, tmp_path / "again")
    assert (finished / "recipe.yaml").read_bytes() == (tmp_path / "again" / "recipe.yaml").read_bytes()
    files = [file.relative_to(finished) for file in (finished / "maps").rglob("*.npy")]
    assert all((finished / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)


def test_high_maps_stay_finite(tmp_path):
    """Rank fusers give such values where the normals hardly vary."""
    values = np.array([[0.25, 70000.0]], np.float32)
    write_array(tmp_path / "map.npy", values)
    np.testing.assert_allclose(np.load(tmp_path / "map.npy"), values, rtol=1e-3)


def test_the_demo_on_disk_gives_the_same_results(finished, tmp_path):
    """Files, links between the lines and masks tell the same as the images in memory."""
    demo = ["--categories", "plate_line_a", "plate_line_b", "--normals", "12", "--size", "32"]
    assert main(["demo", str(tmp_path / "demo"), *demo]) == 0
    metrics, expected = run(tmp_path / "run", recipe(tmp_path / "demo")), load_json(finished / "metrics.json")
    for part in ("mean", "worst", "categories", "branches", "baseline"):
        assert metrics[part] == expected[part]
    assert "context.flip_accuracy_differing" in metrics["mean"]


def test_check_says_what_would_run_and_writes_nothing(parts, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = write_recipe(tmp_path / "tiny.yaml", recipe(parts))
    assert main(["check", file]) == 0
    said = capsys.readouterr().out
    metrics = run(tmp_path / "run", recipe(parts))
    calibration = metrics["contexts"]["part"]["calibration"]
    counts = next(line.split() for line in said.splitlines() if line.startswith("part"))
    assert counts[1:2] + counts[4:] == ["3", str(calibration), "3", "3"] and sum(map(int, counts[1:5])) == 8
    assert "tiny: ready to run" in said and all(f"note: {line}" in said for line in warnings_of(tmp_path / "run"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "tiny.yaml"]


# ---- which images are used for what -----------------------------------------------------------------------------


def test_each_image_is_used_for_one_thing(tmp_path, monkeypatch):
    """What is calibrated and tested on was seen by no earlier stage, and no reference is trained on."""
    read = {stage: set() for stage in (None, *STAGES)}
    stage = [None]
    plain = Demo.image

    def image(data, sample):
        read[stage[0]].add(sample)
        return plain(data, sample)

    class Watch(Observer):
        def on_stage_start(self, stage):
            now[0] = stage

        def on_stage_end(self):
            now[0] = None

    now = stage
    monkeypatch.setattr(Demo, "image", image)
    content = recipe(data={"name": "demo", "categories": ["fabric", "gear"], "normals": 16, "size": 32})
    metrics = run_watched(tmp_path / "run", content, Watch())

    assert all(sample.split == "train" for earlier in STAGES[:3] for sample in read[earlier])
    assert read["calibrate"] and not read["calibrate"] & (read["fit"] | read["reference"])
    assert {sample.split for sample in read["test"]} == {"train", "test"}  # training images: for the baseline
    references = {path for context in metrics["contexts"].values() for path in context["references"]}
    assert len(references) == 6
    assert not references & {sample.path for sample in read["calibrate"]}
    counts = Counter(sample.category for sample in read["calibrate"])
    assert counts == {name: context["calibration"] for name, context in metrics["contexts"].items()}


def test_references_depend_on_the_seed_of_the_context_alone(parts, tmp_path):
    def references(name, **changes):
        return run(tmp_path / name, recipe(parts, head=None, **changes))["contexts"]["part"]["references"]

    first = references("a", context={"shots": 3, "seed": 0}, seed=7, fuser="mean")
    assert len(first) == 3
    assert references("b", context={"shots": 5, "seed": 0, "calibration": 1})[:3] == first
    assert references("c", context={"shots": 3, "seed": 1}, seed=7) != first


def test_a_context_without_a_seed_takes_the_one_of_the_recipe(parts, tmp_path):
    def references(name, seed, context):
        content = recipe(parts, head=None, seed=seed, context=context)
        return run(tmp_path / name, content)["contexts"]["part"]["references"]

    seventh = references("a", 7, {"shots": 3})
    assert seventh == references("b", 0, {"shots": 3, "seed": 7})
    assert seventh != references("c", 0, {"shots": 3})


# ---- interrupted, finished, refused -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(parts):
    """Fast enough to be run many times; the backbone is trained, so that all of it is in the checkpoints."""
    return recipe(parts, head={"name": "focal", "width": 8, "dimension": 4})


@pytest.fixture(scope="module")
def uninterrupted(small, tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    run(out, small)
    return out


@pytest.mark.parametrize("when", [1, 2, *STAGES])
def test_a_resumed_run_equals_an_uninterrupted_one(small, uninterrupted, tmp_path, when):
    with pytest.raises(KeyboardInterrupt):
        run_watched(tmp_path / "run", small, At(when, interrupt))
    assert (tmp_path / "run" / "recipe.yaml").exists() and not (tmp_path / "run" / "metrics.json").exists()
    run(tmp_path / "run", small, resume=True)
    assert same(tmp_path / "run", uninterrupted)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "ended by KeyboardInterrupt" in log and "resumed: part" in log
    assert log.count("epoch 1/2:") == log.count("epoch 2/2:") == 1  # what was done is not done again


def test_checkpoints_are_kept_with_the_run(uninterrupted):
    assert sorted(path.name for path in (uninterrupted / "fit").iterdir()) == [
        "best.safetensors",
        "last.safetensors",
        "training.json",
    ]
    assert sorted(path.name for path in uninterrupted.iterdir()) == [
        "fit",
        "log.txt",
        "maps",
        "metrics.json",
        "model",
        "predictions.csv",
        "recipe.yaml",
    ]


def test_ctrl_c_gives_130_and_a_folder_to_resume(tmp_path):
    content = UNIFIED | {"training": TRAINING | {"epochs": 500}}
    command = [sys.executable, "-m", "adcore", "run", write_recipe(tmp_path / "r.yaml", content), "--out", "mine"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    log = tmp_path / "mine" / "log.txt"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (log.exists() and "epoch 1/500" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "adcore: interrupted; continue with: adcore run mine --resume" in errors and "Traceback" not in errors
    done = load_json(tmp_path / "mine" / "fit" / "training.json")["epochs_done"]
    assert done >= 1
    own = yaml.safe_load((tmp_path / "mine" / "recipe.yaml").read_text())
    with pytest.raises(KeyboardInterrupt):  # it goes on with the very next epoch
        run_watched(tmp_path / "mine", own, At(done + 1, interrupt), resume=True)
    assert load_json(tmp_path / "mine" / "fit" / "training.json")["epochs_done"] == done + 1


def test_resume_refuses_another_recipe(uninterrupted, small, tmp_path):
    before = snapshot(uninterrupted)
    with pytest.raises(UserError, match=r"made from another recipe; use its .*recipe\.yaml, or another --out"):
        run(uninterrupted, small | {"seed": 1}, resume=True)
    assert snapshot(uninterrupted) == before


def test_a_finished_run_is_not_run_again(uninterrupted, small, monkeypatch):
    monkeypatch.setattr("adcore.stages.Stages", None)
    before = snapshot(uninterrupted)
    assert run(uninterrupted, small, resume=True) == load_json(uninterrupted / "metrics.json")
    assert snapshot(uninterrupted) == before


@pytest.mark.parametrize("state", ["a finished", "an unfinished"])
def test_an_existing_run_is_refused_and_left_alone(small, uninterrupted, tmp_path, capsys, state):
    out = uninterrupted
    if state == "an unfinished":
        out = tmp_path / "run"
        with pytest.raises(KeyboardInterrupt):
            run_watched(out, small, At("reference", interrupt))
    before = snapshot(out)
    assert main(["run", write_recipe(tmp_path / "r.yaml", small), "--out", str(out)]) == 2
    assert f"holds {state} run; add --resume to continue it" in capsys.readouterr().err
    assert snapshot(out) == before


def test_without_out_the_next_free_folder_is_taken(parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = write_recipe(tmp_path / "mine.yaml", recipe(parts, head=None))
    assert main(["run", file]) == main(["run", file]) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["mine", "mine-2"]
    assert same_metrics(tmp_path / "runs" / "mine", tmp_path / "runs" / "mine-2")


def same_metrics(one, other):
    return (one / "metrics.json").read_bytes() == (other / "metrics.json").read_bytes()


# ---- whatever images there are ----------------------------------------------------------------------------------


def warnings_of(out):
    return [line.split("warning: ")[1] for line in (out / "log.txt").read_text().splitlines() if "warning: " in line]


def test_one_reference_is_enough(parts, tmp_path):
    metrics = run(tmp_path / "run", recipe(parts, context={"shots": 1}))
    assert len(metrics["contexts"]["part"]["references"]) == 1
    assert metrics["mean"]["image.auroc"] is not None


def test_one_reference_and_nothing_else(tmp_path):
    """Calibrated by its own patches; every decision is a guess, and the run says so."""
    root = write_set(tmp_path / "part", normals=1)
    metrics = run(tmp_path / "run", recipe(root, head=None, context={"shots": 1}))
    context = metrics["contexts"]["part"]
    assert context["calibration_method"] == "leave-one-out" and context["supported_rate"] == 0.5
    assert any("no normals left for calibration" in line for line in warnings_of(tmp_path / "run"))


def test_a_category_without_masks_is_judged_without_pixel_metrics(tmp_path):
    bare = write_set(tmp_path / "set" / "bare", masks=False)
    write_set(tmp_path / "set" / "masked")
    metrics = run(tmp_path / "run", recipe(bare.parent))
    with_masks, without = (metrics["categories"][name] for name in ("masked", "bare"))
    assert without["image.auroc"] == with_masks["image.auroc"]  # the same images
    assert without["pixel.auroc"] is None and with_masks["pixel.auroc"] is not None
    assert metrics["mean"]["pixel.auroc"] == with_masks["pixel.auroc"]


@pytest.mark.parametrize(
    "image_size",
    [
        32,
        [20, 900],
    ],
)
def test_long_narrow_images(tmp_path, image_size):
    root = write_set(tmp_path / "strip", sizes=[(900, 20)])
    run(tmp_path / "run", recipe(root, image_size=image_size))
    maps = [np.load(file) for file in (tmp_path / "run" / "maps").rglob("*.npy")]
    assert len(maps) == 6
    assert all(m.shape == tuple(np.broadcast_to(image_size, 2)) and np.isfinite(m).all() for m in maps)


def test_mixed_sizes_and_modes_in_one_set(tmp_path):
    modes = ["RGB", "L", "P", "RGBA", "CMYK", "I;16", "1", "LA"]
    root = write_set(tmp_path / "mixed", normals=9, good=8, bad=8, sizes=[(32, 32), (900, 20), (7, 50)], modes=modes)
    assert {Path(sample.path).suffix for sample in Folder(str(root)).samples()} == {".png", ".jpg"}
    metrics = run(tmp_path / "run", recipe(root, head=None, observers=["tensorboard", "report"]))
    assert metrics["categories"]["mixed"]["image.count"] == 16
    assert metrics["mean"]["pixel.auroc"] is not None


@pytest.mark.parametrize(("good", "bad"), [(3, 0), (0, 3), (0, 0)])
def test_test_sets_that_lack_a_class(tmp_path, good, bad):
    """Metrics that are not defined are null; the run goes through to its report."""
    root = write_set(tmp_path / "part", good=good, bad=bad)
    metrics = run(tmp_path / "run", recipe(root, observers=["progress", "tensorboard", "report"]))
    assert metrics == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["mean"].get("image.auroc") is None
    assert (metrics["mean"].get("pixel.ap") is None) == (bad == 0)
    if good:
        assert 0 <= metrics["mean"]["decision.false_alarm_rate"] <= 1
        assert metrics["mean"]["decision.recall"] is None
    assert len(rows(tmp_path / "run")) == good + bad
    assert (tmp_path / "run" / "report.html").exists()
    noted = any("no test images" in line for line in warnings_of(tmp_path / "run"))
    assert noted == (good + bad == 0)


@pytest.mark.parametrize("head", [UNIFIED["head"], None])
def test_no_normals_for_calibration_leaves_one_reference_out(parts, tmp_path, capsys, head):
    content = recipe(parts, head=head, context={"shots": 4, "calibration": 0, "false_alarm_rate": 0.2})
    content["observers"] = ["progress", "report"]
    metrics = run(tmp_path / "run", content)
    assert "no normals left for calibration" in capsys.readouterr().err
    assert "no normals left for calibration" in (tmp_path / "run" / "report.html").read_text()
    context = metrics["contexts"]["part"]
    assert context["calibration_method"] == "leave-one-out" and context["calibration"] == 4
    assert context["supported_rate"] == pytest.approx(0.2)
    told = [line for line in warnings_of(tmp_path / "run") if "leave-one-out" in line]
    assert told == [f"part: {warning}" for warning in context["warnings"]]


def test_fewer_calibration_normals_than_the_promise_needs(parts, tmp_path):
    metrics = run(tmp_path / "run", recipe(parts, head=None, context={"shots": 3, "false_alarm_rate": 0.01}))
    context = metrics["contexts"]["part"]
    assert context["calibration"] == 3 and context["supported_rate"] == 0.25
    assert "needs 99 calibration normals, there are 3" in warnings_of(tmp_path / "run")[0]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_batches_of_one_class_are_trained_through(parts, tmp_path, share):
    head = {"name": "focal", "width": 8, "dimension": 4, "symmetric": True}
    run(tmp_path / "run", recipe(parts, head=head, training=TRAINING | {"anomalous": share, "batch_size": 1}))
    weights = load_tensors(tmp_path / "run" / "model" / "weights.safetensors")
    assert all(np.isfinite(tensor.numpy()).all() for tensor in weights.values())


@pytest.mark.parametrize("category", ["Größe 1.5", "a%2Fb"])
def test_categories_of_any_name(tmp_path, category):
    write_set(tmp_path / "set" / category)
    metrics = run(tmp_path / "run", recipe(tmp_path / "set", head=None))
    assert list(metrics["categories"]) == [category]
    assert set(adcore.load(tmp_path / "run").contexts) == {category}
    assert {line["context"] for line in rows(tmp_path / "run")} == {category}


def test_real_anomalies_join_the_simulated_ones(tmp_path, monkeypatch):
    root = write_set(tmp_path / "part", trained=4)
    read, plain = set(), Folder.image
    monkeypatch.setattr(Folder, "image", lambda data, sample: read.add(sample) or plain(data, sample))
    with pytest.raises(KeyboardInterrupt):
        run_watched(tmp_path / "run", recipe(root, training=TRAINING | {"batch_size": 16}), At("reference", interrupt))
    assert {(sample.split, sample.defect) for sample in read} == {("train", "good"), ("train", "scratch")}


def test_real_anomalies_alone_are_trained_on(tmp_path):
    root = write_set(tmp_path / "part", trained=4)
    metrics = run(tmp_path / "run", recipe(root, synthesizers=[]))
    assert metrics["mean"]["image.auroc"] is not None


def test_anomalies_without_masks_are_none_to_train_on(tmp_path):
    root = write_set(tmp_path / "part", trained=4, masks=False)
    with pytest.raises(UserError, match="the training set has none with masks; name synthesizers"):
        run(tmp_path / "run", recipe(root, synthesizers=[]))
    assert not (tmp_path / "run").exists()
