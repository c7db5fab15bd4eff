import os
import stat

import pytest
import torch

from adcore.errors import UserError
from adcore.store import check_writable, folder_name, load_json, load_tensors, save_json, save_tensors, write_bytes


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    save_json(file, {"x": 1})

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        save_json(file, {"x": 2})
    assert load_json(file) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_tensors_come_back_also_views_and_scalars(tmp_path):
    whole = torch.arange(12.0).view(3, 4)
    given = {"view": whole[:, 1:3], "same": whole, "scalar": torch.tensor(2), "flags": torch.tensor([True, False])}
    save_tensors(tmp_path / "t.safetensors", given)
    found = load_tensors(tmp_path / "t.safetensors")
    assert all(torch.equal(found[key], given[key]) for key in given)


def test_no_tensors_come_back_as_none(tmp_path):
    save_tensors(tmp_path / "t.safetensors", {})  # the state of a context whose components keep nothing
    assert load_tensors(tmp_path / "t.safetensors") == {}


@pytest.mark.parametrize("load", [load_json, load_tensors])
def test_missing_and_damaged_files_are_named(load, tmp_path):
    with pytest.raises(UserError, match="absent"):
        load(tmp_path / "absent")
    (tmp_path / "broken").write_bytes(b"{")
    with pytest.raises(UserError, match="broken"):
        load(tmp_path / "broken")


def test_folder_names_are_safe_and_distinct():
    labels = ["a/b", "a b", "a%2Fb", "..", ".", "ä", "", "line_a", "A:b"]
    folders = [folder_name(label) for label in labels]
    assert len(set(folders)) == len(labels)
    assert not {"..", ".", ""} & set(folders)
    assert all("/" not in folder and ":" not in folder for folder in folders)


def test_a_folder_that_cannot_be_written_to_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        check_writable(tmp_path / "file" / "run")


def test_files_get_ordinary_permissions(tmp_path):
    write_bytes(tmp_path / "x", b"")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o666 & ~_umask()


def _umask():
    current = os.umask(0)
    os.umask(current)
    return current
