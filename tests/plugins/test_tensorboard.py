"""TensorBoard finds curves, final metrics and pictures, also after a run was resumed."""

import sys

import numpy as np
import pytest
from adcore_plugins.tensorboard import TensorBoard

from adcore.data.samples import Sample
from adcore.errors import UserError
from adcore.hooks import Example, RunInfo
from adcore.observing import Observers
from adcore.prediction import Prediction, TestResult

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def result(defect, index, size=(24, 32), mask=True):
    map_ = np.zeros(size, dtype=np.float32)
    map_[4:8, 4:8] = 0.9
    truth = map_ > 0.5 if mask else None
    return TestResult(
        Sample(f"nut/test/{defect}/{index}.png", "magnetic nut", "test", defect),
        np.full((*size, 3), 90, dtype=np.uint8),
        truth,
        Prediction("magnetic nut", 0.9, 0.1, "anomalous", 0.5, map_, map_ > 0.5),
    )


def read(out):
    events = accumulator.EventAccumulator(str(out / "tensorboard"), size_guidance={"images": 0})
    return events.Reload()


def watch(out, epochs, report=False):
    observers = Observers([TensorBoard(images=2)])
    observers.on_run_start(run=RunInfo(out, {}, ["magnetic nut"], resumed=epochs[0] > 1))
    for epoch in epochs:
        observers.on_epoch_end(epoch=epoch, epochs=4, metrics={"train.loss": 1 / epoch, "val.pixel.f1": epoch / 10})
    if report:
        for index, defect in enumerate(["good", "dent", "dent", "crack"]):
            observers.on_scores(category="magnetic nut", results=[result(defect, index, mask=defect == "dent")])
        metrics = {"mean": {"image.auroc": 0.9}, "categories": {"magnetic nut": {"image.auroc": 0.9, "pixel.ap": None}}}
        observers.on_report(out=out, metrics=metrics)
    observers.on_run_end(seconds=1.0)


def test_curves_metrics_and_pictures(tmp_path):
    watch(tmp_path, [1, 2], report=True)
    events = read(tmp_path)
    assert [(e.step, round(e.value, 3)) for e in events.Scalars("train/loss")] == [(1, 1.0), (2, 0.5)]
    assert events.Scalars("val/pixel.f1")[1].value == pytest.approx(0.2)
    tags = events.Tags()
    assert "test.mean/image.auroc" in tags["scalars"] and not any("pixel.ap" in tag for tag in tags["scalars"])
    assert len(tags["images"]) == 2  # of three anomalous images, two were asked for
    picture = events.Images(tags["images"][0])[0]
    assert (picture.width, picture.height) == (32, 3 * 24)  # wide images are stacked


def test_a_resumed_run_appends(tmp_path):
    watch(tmp_path, [1, 2])
    watch(tmp_path, [3, 4])
    assert [event.step for event in read(tmp_path).Scalars("train/loss")] == [1, 2, 3, 4]


def test_an_error_before_the_start_is_no_problem_at_the_end():
    observers = Observers([TensorBoard()])
    observers.on_error(error=UserError("no data"))
    observers.on_run_end(seconds=0.1)


def test_a_missing_package_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match="pip install tensorboard"):
        Observers([TensorBoard()]).on_run_start(run=RunInfo(tmp_path, {}, []))


def example(category="nut", anomalous=4, dimension=3):
    truth = np.zeros((6, 8), dtype=bool)
    truth.ravel()[:anomalous] = True
    embedding = np.zeros((dimension, 6, 8), dtype=np.float32) if dimension else None
    if dimension:
        embedding[0], embedding[1] = ~truth, truth
    return Example(category, np.full((24, 32, 3), 90, np.uint8), truth, truth.astype(np.float32), embedding)


def train(out, examples, **settings):
    observers = Observers([TensorBoard(**settings)])
    observers.on_run_start(run=RunInfo(out, {}, ["nut"]))
    for epoch in (1, 2):
        observers.on_examples(epoch=epoch, examples=examples)
    observers.on_stage_end(stage="fit", seconds=1.0)
    observers.on_run_end(seconds=1.0)


def projected(out):
    (folder,) = (out / "tensorboard").glob("*/pixels")
    labels = [line.split("\t") for line in (folder / "metadata.tsv").read_text().splitlines()]
    return labels, np.loadtxt(folder / "tensors.tsv", ndmin=2)


def test_validation_images_of_every_epoch(tmp_path):
    train(tmp_path, [example("nut"), example("bolt"), example("screw")], images=2)
    events = read(tmp_path)
    assert sorted(events.Tags()["images"]) == ["validation/bolt 1", "validation/nut 0"]
    pictures = events.Images("validation/nut 0")
    assert [picture.step for picture in pictures] == [1, 2]
    assert (pictures[0].width, pictures[0].height) == (32, 3 * 24)


def test_the_projector_gets_pixels_with_their_labels(tmp_path):
    train(tmp_path, [example("nut"), example("bolt")])
    (header, *labels), points = projected(tmp_path)
    assert header == ["label", "category"] and len(labels) == len(points) == 2 * 48
    assert sum(label == "anomalous" for label, _ in labels) == 8
    assert {category for _, category in labels} == {"nut", "bolt"}
    assert [label for label, _ in labels] == ["anomalous" if point[1] else "normal" for point in points]


@pytest.mark.parametrize(("anomalous", "expected"), [(4, (8, 12)), (40, (10, 10)), (48, (20, 0)), (0, (0, 20))])
def test_the_projector_gets_half_of_each_class_where_there_are_as_many(tmp_path, anomalous, expected):
    train(tmp_path, [example("nut", anomalous), example("bolt", anomalous)], points=20)
    (_, *labels), _ = projected(tmp_path)
    assert tuple(sum(label == name for label, _ in labels) for name in ("anomalous", "normal")) == expected


@pytest.mark.parametrize(("dimension", "points"), [(0, 100), (3, 0)])
def test_no_projector_without_embeddings_or_where_none_is_wanted(tmp_path, dimension, points):
    train(tmp_path, [example(dimension=dimension)], points=points)
    assert not list((tmp_path / "tensorboard").glob("*/pixels"))
