"""Networks of every family through one backbone."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
from adcore_plugins.timm import Timm
from safetensors.torch import load_file, save_file

from adcore.errors import UserError

MOBILENET = Path(__file__).parents[3] / "shared/weights/mobilenetv2_100.imagenet_ptq.safetensors"
FAMILIES = {  # timm's smallest of each kind of feature extractor, layout and pruning
    "test_resnet": (1, 2, 3),
    "test_convnext": (0, 1, 2),
    "test_efficientnet": (1, 2, 3),
    "test_mambaout": (0, 1, 2),
    "test_vit": (0, 2, 3, 5),
    "mobilenetv3_small_050": (1, 2, 3),
    "hrnet_w18_small": (1, 2, 3),
    "legacy_xception": (1, 2, 3),
}


def test_default_levels_are_as_listed_and_sizes_free():
    for model, levels in FAMILIES.items():
        if model == "legacy_xception":  # its convolutions are not padded: other sizes, and slow
            continue
        backbone, chosen = Timm(model, weights="none").eval(), Timm(model, [*levels], weights="none").eval()
        for size in ((131, 97), (20, 300), (1, 1)):
            images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
            with torch.inference_mode():
                features, same = backbone(images), chosen(images)
            assert all(torch.equal(a, b) for a, b in zip(features, same, strict=True)), model
            for feature, channels, stride in zip(features, backbone.channels, backbone.strides, strict=True):
                assert feature.shape == (2, channels, -(-size[0] // stride), -(-size[1] // stride)), model


@pytest.mark.parametrize("model", FAMILIES)
def test_whole_checkpoint_fills_every_layer(model, tmp_path):
    torch.manual_seed(7)
    whole = timm.create_model(model).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in whole.items()}, tmp_path / "whole.safetensors")
    backbone = Timm(model, weights=str(tmp_path / "whole.safetensors"))
    flat = {name.replace(".", "_"): tensor for name, tensor in whole.items()}
    assert backbone.pretrained and backbone.net.state_dict()
    for name, tensor in backbone.net.state_dict().items():
        assert torch.equal(tensor, flat[name.removeprefix("model.").removeprefix("body.").replace(".", "_")]), name


def test_levels_of_a_transformer_are_its_blocks():
    backbone = Timm("test_vit", [1, 4], weights="none").eval()
    image = torch.rand(1, 3, 160, 160)
    vit = timm.create_model("test_vit").eval()
    vit.load_state_dict({k.removeprefix("model."): v for k, v in backbone.net.state_dict().items()}, strict=False)
    seen = []
    for block in (1, 4):
        vit.blocks[block].register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.inference_mode():
        vit((image - 0.5) / 0.5)
        features = backbone(image)
    for feature, tokens in zip(features, seen, strict=True):  # tokens [1, 1 + 100, C]
        torch.testing.assert_close(feature.flatten(2).mT, tokens[:, 1:], rtol=1e-4, atol=1e-5)


def test_fixed_size_is_declared_and_enforced():
    backbone = Timm("test_vit", weights="none", options={"img_size": 96, "dynamic_img_size": False}).eval()
    assert backbone.fixed_size == (96, 96) and backbone(torch.rand(1, 3, 96, 96))[0].shape[2:] == (6, 6)
    with pytest.raises(UserError, match=r"image_size: \[96, 96\]"):
        backbone(torch.rand(1, 3, 96, 100))


def test_own_mean_and_std():
    image = torch.rand(1, 3, 32, 32)
    plain = Timm("test_resnet", weights="none", mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0]).eval()
    shifted = Timm("test_resnet", weights="none", mean=[0.5, 0.4, 0.3], std=[0.5, 0.25, 0.5]).eval()
    normalised = (image - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 0.25, 0.5]).view(3, 1, 1)
    torch.testing.assert_close(plain(normalised)[0], shifted(image)[0])


def test_pretrained_comes_from_the_local_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    repo = tmp_path / "models--timm--test_resnet.r160_in1k"
    snapshot = repo / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("a" * 40)
    torch.manual_seed(11)
    whole = timm.create_model("test_resnet").state_dict()
    save_file(whole, snapshot / "model.safetensors")
    backbone = Timm("test_resnet.r160_in1k")
    assert backbone.pretrained and torch.equal(backbone.net.state_dict()["conv1.0.weight"], whole["conv1.0.weight"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "resnt18"}, "no network 'resnt18'; did you mean resnet18"),
        ({"model": "resnet18.nowhere"}, r"it has .*resnet18\.tv_in1k"),
        ({"model": "gcvit_xxtiny"}, r"hub has no weights for gcvit_xxtiny; download http.* weights: PATH"),
        ({"model": "test_resnet", "weights": "none", "levels": [9]}, r"\[9\] are not among.* stride 2\)"),
        ({"model": "test_resnet", "weights": "none", "options": {"pad_typ": "same"}}, "pad_typ"),
        ({"model": "test_resnet", "weights": "none", "options": {"out_indices": [1]}}, "out_indices .* leave it out"),
        ({"model": "test_resnet", "weights": "none", "mean": [0.5]}, r"mean: \[0.5\]"),
    ],
)
def test_mistakes_are_told_at_construction(arguments, message):
    with pytest.raises(UserError, match=message):
        Timm(**arguments)


@pytest.mark.skipif(not MOBILENET.exists(), reason="no shared weights beside the repository")
@torch.inference_mode()
def test_shared_mobilenet():
    half = [0.5, 0.5, 0.5]
    backbone = Timm("mobilenetv2_100", weights=str(MOBILENET), options={"pad_type": "same"}, mean=half, std=half).eval()
    whole = timm.create_model("mobilenetv2_100", pad_type="same").eval()
    whole.load_state_dict(load_file(MOBILENET), strict=False)
    image = torch.rand(1, 3, 96, 64)
    _, expected = whole.forward_intermediates(image * 2 - 1, indices=(1, 2, 3))
    for feature, want in zip(backbone(image), expected, strict=True):
        torch.testing.assert_close(feature, want, rtol=1e-3, atol=1e-3)
