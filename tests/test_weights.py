"""Weights files: read safely, matched by name and shape, fetched from the hub without long waits."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save_file

from adcore.errors import UserError
from adcore.weights import hub_file, load_state, match_state


def tensors(**shapes: tuple[int, ...]) -> dict[str, torch.Tensor]:
    return {name.replace("__", "."): torch.rand(shape) for name, shape in shapes.items()}


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """An empty local cache and a hub that refuses every connection."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    address = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
    return tmp_path


class CreatesFile:
    """Unpickling it creates a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_both_formats_read_the_same(tmp_path):
    state = tensors(conv1__weight=(4, 3, 3, 3), fc__bias=(2,))
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pth")
    for suffix in ("safetensors", "pth"):
        read = load_state(tmp_path / f"a.{suffix}")
        assert read.keys() == state.keys()
        assert all(torch.equal(read[name], state[name]) for name in state)


def test_nested_checkpoint_comes_out_flat_without_its_settings(tmp_path):
    torch.save({"state_dict": tensors(conv__weight=(2, 2)), "epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "a.pt")
    assert list(load_state(str(tmp_path / "a.pt"))) == ["state_dict.conv.weight"]


BAD = ["absent.pth", "folder.pth", "cut.safetensors", "noise.pth", "cut.pth", "empty.pth", "a.json"]


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_weights_file_is_named(tmp_path, name):
    state = tensors(weight=(64, 64))
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "noise.pth").write_bytes(b"\x13\x37" * 50)
    (tmp_path / "a.json").write_text("{}")
    torch.save({}, tmp_path / "empty.pth")
    torch.save(state, tmp_path / "cut.pth")
    save_file(state, tmp_path / "cut.safetensors")
    for cut in ("cut.pth", "cut.safetensors"):
        (tmp_path / cut).write_bytes((tmp_path / cut).read_bytes()[:5000])
    with pytest.raises(UserError, match=name) as error:
        load_state(tmp_path / name)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_code_in_a_checkpoint_never_runs(tmp_path):
    torch.save({"weight": torch.rand(2), "hook": CreatesFile(tmp_path / "created")}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match=r"evil\.pth.*never unpickled"):
        load_state(tmp_path / "evil.pth")
    assert not (tmp_path / "created").exists()


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.model.backbone."])
def test_match_looks_through_wrappers(prefix):
    wanted = tensors(conv1__weight=(4, 3), layers_0__norm__bias=(4,))
    state = {prefix + name.replace("layers_0", "layers.0"): torch.rand(tensor.shape) for name, tensor in wanted.items()}
    match = match_state(state | tensors(head__weight=(5, 5)), wanted)
    assert match.complete and match.prefix == prefix
    assert torch.equal(match.tensors["layers_0.norm.bias"], state[f"{prefix}layers.0.norm.bias"])


def test_match_tells_missing_from_misfit():
    wanted = tensors(a__weight=(2,), b__weight=(2,), c__weight=(2,))
    match = match_state(tensors(a__weight=(2,), b__weight=(3,), d__weight=(1,)), wanted)
    assert (list(match.tensors), match.missing, match.misfits) == (["a.weight"], ["c.weight"], {"b.weight": ([3], [2])})
    assert list(match.spare) == ["d.weight"] and not match.complete


def test_match_does_not_choose_between_equals():
    wanted = tensors(conv__weight=(2,))
    with pytest.raises(ValueError, match="student and teacher"):
        match_state(tensors(teacher__conv__weight=(2,), student__conv__weight=(2,)), wanted)


def test_unreachable_hub_names_the_way_out(hub):
    with pytest.raises(UserError, match=r"timm/resnet18\.tv_in1k.*write weights: PATH"):
        hub_file("timm/resnet18.tv_in1k")


@pytest.mark.parametrize("filename", ["model.safetensors", "pytorch_model.bin"])
def test_cache_serves_without_the_hub(hub, filename):
    repo = hub / "models--timm--some_net"
    file = repo / "snapshots" / ("0" * 40) / filename
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    assert hub_file("timm/some_net").read_bytes() == b"weights"
