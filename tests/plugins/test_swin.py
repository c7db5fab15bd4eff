"""Swin at any size, against timm's fixed-size network, and from the authors' checkpoints."""

from __future__ import annotations

import pytest
import timm
import torch
from adcore_plugins.swin import Swin

from adcore.errors import UserError

SMALL = {"depths": [2, 2, 2], "width": 32, "weights": "none"}


@torch.inference_mode()
@pytest.mark.parametrize("size", [(131, 97), (20, 900), (3, 5), (64, 64)])
def test_any_size(size):
    backbone = Swin(**SMALL).eval()
    images = torch.rand(2, 3, *size)
    before = images.clone()
    features = backbone(images)
    assert torch.equal(images, before)
    shapes = [(2, c, -(-size[0] // s), -(-size[1] // s)) for c, s in ((32, 4), (64, 8), (128, 16))]
    assert [tuple(feature.shape) for feature in features] == shapes
    assert (backbone.channels, backbone.strides) == ((32, 64, 128), (4, 8, 16)) and not backbone.pretrained
    for feature, alone in zip(features, backbone(images[1:]), strict=True):
        torch.testing.assert_close(feature[1:], alone, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_features_are_those_of_timms_network_of_that_size():
    backbone = Swin(**SMALL).eval()
    options = {"depths": (2, 2, 2), "embed_dim": 32, "num_heads": (1, 2, 4), "img_size": (128, 160)}
    options |= {"features_only": True, "out_indices": (0, 1, 2)}
    fixed = timm.create_model("swin_tiny_patch4_window7_224", **options).eval()
    fixed.load_state_dict(backbone.net.state_dict())
    image = torch.rand(1, 3, 128, 160)
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    for feature, want in zip(backbone(image), fixed((image - mean) / std), strict=True):
        torch.testing.assert_close(feature, want.permute(0, 3, 1, 2), rtol=1e-4, atol=1e-5)


def test_authors_checkpoint_is_translated(tmp_path):
    """The authors count the patch merging to the stage before, and store index buffers."""
    source = Swin(**SMALL, seed=5)
    state = {name.replace("layers_", "layers."): tensor for name, tensor in source.net.state_dict().items()}
    for stage in (1, 2):
        for name in [name for name in state if name.startswith(f"layers.{stage}.downsample.")]:
            state[name.replace(f"layers.{stage}.", f"layers.{stage - 1}.")] = state.pop(name)
    state["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    state["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
    torch.save({"model": state, "epoch": 300}, tmp_path / "authors.pth")
    loaded = Swin(**SMALL | {"weights": str(tmp_path / "authors.pth")})
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in source.state_dict().items())


def test_a_deeper_networks_weights_are_refused(tmp_path):
    torch.save(Swin(**SMALL | {"depths": [2, 4, 2]}).state_dict(), tmp_path / "deeper.pth")
    with pytest.raises(UserError, match=r"deeper\.pth is not for .*more blocks"):
        Swin(**SMALL | {"weights": str(tmp_path / "deeper.pth")})


def test_training_draws_nothing_from_the_global_generator():
    backbone = Swin(**SMALL).train()
    before = torch.get_rng_state()
    sum(feature.mean() for feature in backbone(torch.rand(1, 3, 32, 32, generator=torch.Generator()))).backward()
    assert torch.equal(before, torch.get_rng_state())
    assert all(parameter.grad is not None for parameter in backbone.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 32}, "nothing is pretrained with other depths or width"),
        ({"width": 40, "weights": "none"}, "no multiple of 32"),
        ({"depths": [2, 2], "weights": "none"}, r"\[0, 1, 2\].*1 \(192 channels, stride 8\)"),
        ({"window": 0, "weights": "none"}, "Window sizes must be positive"),
    ],
)
def test_mistakes_are_told_at_construction(arguments, message):
    with pytest.raises(UserError, match=message):
        Swin(**arguments)
