"""The report observer: what happened in the run is what the page says."""

import json
from pathlib import Path

import numpy as np
from adcore_plugins.report import REFERENCES_SHOWN, Report

from adcore.context import Context
from adcore.data.samples import Sample
from adcore.hooks import RunInfo
from adcore.observing import Observers
from adcore.prediction import Prediction, TestResult


def result(score, defect, index):
    map_ = np.full((12, 12), score, dtype=np.float32)
    verdict = "anomalous" if score >= 0.5 else "normal"
    return TestResult(
        Sample(f"bolt/test/{defect}/{index}.png", "bolt", "test", defect),
        np.zeros((12, 12, 3), dtype=np.uint8),
        None,
        Prediction("bolt", score, 0.1, verdict, 0.5, map_, map_ > 0.8),
    )


def watch(observers, out, scores, references=()):
    observers.on_message(level="warning", text="said before the start")
    observers.on_run_start(run=RunInfo(out, {"backbone": "resnet"}, ["bolt"]))
    images = [np.full((12, 18, 3), 90, dtype=np.uint8) for _ in references]
    observers.on_context_ready(context=Context("bolt", tuple(references)), references=images)
    observers.on_stage_end(stage="test", seconds=41.0)
    for index, score in enumerate(scores):
        observers.on_scores(category="bolt", results=[result(score, "dent" if score > 0.5 else "good", index)])
    metrics = {
        "mean": {"image.auroc": 0.875},
        "categories": {"bolt": {"image.auroc": 0.875}},
        "contexts": {"bolt": {"references": list(references), "calibration": 0}},
    }
    observers.on_report(out=out, metrics=json.loads(json.dumps(metrics)))
    observers.on_run_end(seconds=42.0)
    return (out / "report.html").read_text(encoding="utf-8")


def test_a_run_leaves_its_report(tmp_path):
    (tmp_path / "recipe.yaml").write_text("# adcore 0.1\nbackbone: swin\n")
    html = watch(Observers([Report(gallery=2)]), tmp_path, [0.1, 0.2, 0.7, 0.9])
    assert "said before the start" in html and "test 41 s" in html and "0.875" in html
    assert "backbone: swin" in html  # the recipe as it was saved, with its header
    assert html.count("<figure class=") == 2
    assert tmp_path.name in html
    assert [path.name for path in Path(tmp_path).iterdir() if path.suffix != ".yaml"] == ["report.html"]


def test_references_are_shown_also_where_they_are_no_files(tmp_path):
    references = [f"demo/bolt/train/good/{index:03}.png" for index in range(3)]
    html = watch(Observers([Report()]), tmp_path, [0.1, 0.9], references)
    assert html.count('alt="Reference image') == 3 and "the first" not in html
    assert all(path in html for path in references)


def test_of_many_references_the_first_are_shown_and_all_are_named(tmp_path):
    references = [f"demo/bolt/train/good/{index:03}.png" for index in range(REFERENCES_SHOWN + 2)]
    html = watch(Observers([Report()]), tmp_path, [0.1, 0.9], references)
    assert html.count('alt="Reference image') == REFERENCES_SHOWN
    assert f"the first {REFERENCES_SHOWN} of {len(references)}" in html
    assert all(path in html for path in references)


def test_a_second_run_starts_from_nothing(tmp_path):
    observers = Observers([Report()])
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    watch(observers, tmp_path / "a", [0.1, 0.9])
    html = watch(observers, tmp_path / "b", [0.3])
    assert "1 test images" in html and html.count("said before the start") == 1
