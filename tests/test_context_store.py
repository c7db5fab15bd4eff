"""Contexts on disk: whole or not there, whatever happens while they are written."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from tiny import snapshot

from adcore import context_store
from adcore.calibration import Calibration
from adcore.context import Context
from adcore.context_store import ContextStore
from adcore.errors import UserError

NAME = "line/ä: 1"


@pytest.fixture
def context(generator):
    return Context(
        name=NAME,
        references=("a.png", "b.png"),
        matcher={"level0": torch.rand(3, 2, generator=generator), "mean": torch.tensor(0.5)},
        prototypes=torch.rand(4, 2, generator=generator),
        fuser={"reference.knots": torch.rand(5, generator=generator)},
        descriptors=torch.rand(2, 3, generator=generator),
        reach=0.3,
        calibration=Calibration.of([0.1, 0.2, 0.3], [0.4, 0.5, 0.6], 0.2),
        calibration_images=("c.png",),
        hashes={"a.png": "x"},
        notes=("few normals",),
        thumbnails=(b"one", b"two"),
    )


@pytest.fixture
def store(tmp_path):
    return ContextStore(tmp_path / "model" / "contexts")


def equal(one, other):
    plain = [context.with_tensors({}) for context in (one, other)]
    tensors = [dict(sorted(context.tensors().items())) for context in (one, other)]
    same = tensors[0].keys() == tensors[1].keys() and all(map(torch.equal, *(part.values() for part in tensors)))
    return same and plain[0] == plain[1]


def test_a_context_survives_its_folder(store, context):
    store.save(context)
    assert store.names() == [NAME]
    assert equal(store.load(NAME), context)
    assert equal(store.read(NAME), replace(context.with_tensors({}), thumbnails=()))
    assert torch.equal(store.tensor(NAME, "descriptors"), context.descriptors)
    assert store.tensor(NAME, "nothing") is None


def test_an_unfinished_context_does_not_exist_and_a_damaged_one_is_named(store):
    store.place("half").mkdir(parents=True)
    (store.place("half") / "state.safetensors").write_bytes(b"")
    assert store.names() == []
    (store.place("half") / "context.json").write_text("{")
    with pytest.raises(UserError, match=r"half.context\.json"):
        store.read("half")


def test_a_writer_that_fails_leaves_the_old_context_and_the_next_one_clears_up(store, context, monkeypatch):
    store.save(context)
    changed = replace(context, prototypes=context.prototypes + 1)
    with monkeypatch.context() as broken:
        broken.setattr(context_store, "save_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.save(changed)
    assert equal(store.load(NAME), context)
    assert len(list(store.place(NAME).iterdir())) == 3  # the record, and both versions
    store.save(context)
    assert len(list(store.place(NAME).iterdir())) == 2


def test_a_reader_gets_the_new_context_if_it_is_replaced_meanwhile(store, context, monkeypatch):
    store.save(context)
    changed, read = replace(context, reach=0.7, prototypes=context.prototypes + 1), context_store.load_tensors
    calls = itertools.count()

    def slow(*arguments):
        if not next(calls):
            store.save(changed)
        return read(*arguments)

    monkeypatch.setattr(context_store, "load_tensors", slow)
    assert equal(store.load(NAME), changed)


def test_damaged_tensors_stay_an_error(store, context):
    store.save(context)
    (state,) = store.place(NAME).rglob("*.safetensors")
    state.write_bytes(state.read_bytes()[:20])
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        store.load(NAME)


def test_renaming_and_removing(store, context):
    store.save(context)
    store.place("b").mkdir()  # left by a crash
    store.rename(NAME, "b")
    assert store.names() == ["b"] and equal(store.load("b"), replace(context, name="b"))
    store.remove("b")
    assert store.names() == [] and set(snapshot(store.folder)) <= {".lock"}
    for act in (lambda: store.remove("b"), lambda: store.rename("b", "c"), lambda: store.load("b")):
        with pytest.raises(UserError, match="no context 'b'; it has none"):
            act()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is not empty"),
        (" ", "is not empty"),
        (".a", "does not start with a dot"),
        ("a" * 201, "too long"),
        ("ä" * 40, "too long"),
        ("Line", "has a context 'Line' already"),
        ("LINE", "not every file system can tell it from 'Line'"),
    ],
)
def test_names_that_cannot_be_used(store, context, name, message):
    store.save(replace(context, name="Line"))
    with pytest.raises(UserError, match=message):
        store.check_free(name)
    with pytest.raises(UserError, match=message):
        store.rename("Line", name)


def test_a_store_that_cannot_be_written(tmp_path, context):
    (tmp_path / "contexts").write_text("")
    with pytest.raises(UserError, match="cannot write there"):
        ContextStore(tmp_path / "contexts").save(context)
