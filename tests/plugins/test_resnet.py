"""ResNet against torchvision's, on odd sizes, and with every kind of weights."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from adcore_plugins.resnet import ResNet
from safetensors.torch import save_file

from adcore.errors import UserError

SHARED = Path(__file__).parents[3] / "shared/weights/resnet18.tv_in1k_l123.safetensors"
LAYERS = ("layer1", "layer2", "layer3", "layer4")


@pytest.fixture(scope="module")
def reference() -> torch.nn.Module:
    """torchvision's ResNet-18 with random weights and statistics."""
    torch.manual_seed(0)
    net = torchvision.models.resnet18(weights=None).eval()
    for name, buffer in net.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    return net


@pytest.fixture(scope="module")
def files(reference, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    state = reference.state_dict()
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 9}, folder / "whole.pth")
    save_file({k: v for k, v in state.items() if not k.startswith(("layer4", "fc"))}, folder / "to_layer3.safetensors")
    for depth in (34, 50):
        net = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        save_file(net.state_dict(), folder / f"resnet{depth}.safetensors")
    return {file.stem: file for file in folder.iterdir()}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(4, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_features_are_torchvisions(reference, files, images):
    x = torchvision.transforms.functional.normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    x = reference.relu(reference.bn1(reference.conv1(x)))
    expected = [x]
    x = reference.maxpool(x)
    for layer in LAYERS:
        x = getattr(reference, layer)(x)
        expected.append(x)
    backbone = ResNet(levels=(0, 1, 2, 3, 4), weights=str(files["whole"])).eval()
    before = images.clone()
    features = backbone(images)
    assert (backbone.channels, backbone.strides) == ((64, 64, 128, 256, 512), (2, 4, 8, 16, 32))
    assert backbone.pretrained
    assert torch.equal(images, before)
    for feature, want in zip(features, expected, strict=True):
        torch.testing.assert_close(feature, want, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_odd_sizes_are_extended_by_their_edge(files):
    backbone = ResNet(weights=str(files["whole"])).eval()
    for height, width in ((131, 97), (20, 900), (7, 1)):
        image = torch.rand(1, 3, height, width)
        extended = F.pad(image, (0, -width % 16, 0, -height % 16), mode="replicate")
        for feature, want, stride in zip(backbone(image), backbone(extended), (4, 8, 16), strict=True):
            rows, columns = -(-height // stride), -(-width // stride)
            assert feature.shape[2:] == (rows, columns)
            torch.testing.assert_close(feature, want[:, :, :rows, :columns])


@torch.inference_mode()
def test_an_image_has_the_same_features_in_any_batch(files, images):
    backbone = ResNet(weights=str(files["whole"])).eval()
    for together, again, alone in zip(backbone(images), backbone(images), backbone(images[2:3]), strict=True):
        assert torch.equal(together, again)
        torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-5)


def test_partial_checkpoint_serves_the_levels_it_holds(files, images):
    whole, partial = (ResNet(weights=str(files[name])).eval() for name in ("whole", "to_layer3"))
    for a, b in zip(whole(images), partial(images), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": (1, 2, 3, 4), "weights": "to_layer3"}, r"to_layer3.*layer4\.0\.conv1.*holds levels \[0, 1, 2, 3\]"),
        ({"depth": 34, "weights": "whole"}, r"resnet34.* need: layer1\.2\.conv1.*level 1 is there in part"),
        ({"depth": 18, "weights": "resnet34"}, r"resnet34\.safetensors is not for .*resnet18.*more blocks: layer1\.2"),
        ({"depth": 18, "weights": "resnet50"}, r"not for .*resnet18.*layer1\.0\.conv1\.weight is \[64, 64, 1, 1\]"),
        ({"weights": "none", "levels": (1, 5)}, r"\[1, 5\].*4 \(512 channels, stride 32\)"),
        ({"weights": "none", "levels": (3, 1)}, r"write \[1, 3\]"),
        ({"weights": "none", "levels": ()}, r"levels: \[\]"),
        ({"weights": "none", "width": 2}, "width 2 exists at depth 50 and 101"),
    ],
)
def test_mistakes_are_told_at_construction(files, arguments, message):
    file = files.get(arguments["weights"])
    with pytest.raises(UserError, match=message):
        ResNet(**(arguments | {"weights": str(file or arguments["weights"])}))


def test_random_weights_depend_on_the_seed_alone_and_touch_no_global_state():
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy(), torch.get_num_threads())
    first = ResNet(weights="none", levels=(1,), seed=3)
    after = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy(), torch.get_num_threads())
    assert torch.equal(before[0], after[0]) and before[1] == after[1] and (before[2] == after[2]).all()
    assert before[3] == after[3]
    torch.rand(7)
    same, other = (ResNet(weights="none", levels=(1,), seed=seed).state_dict() for seed in (3, 4))
    assert not first.pretrained
    assert all(torch.equal(tensor, same[name]) for name, tensor in first.state_dict().items())
    assert not torch.equal(same["net.conv1.weight"], other["net.conv1.weight"])


def test_state_moves_between_backbones(images):
    a, b = (ResNet(weights="none", seed=seed).eval() for seed in (0, 1))
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(images)[-1], b(images)[-1])


@pytest.mark.parametrize(("depth", "width", "channels"), [(18, 1, 64), (50, 1, 256), (50, 2, 256)])
def test_depth_and_width(depth, width, channels):
    assert ResNet(depth, width, levels=(1,), weights="none").channels == (channels,)


@pytest.mark.skipif(not SHARED.exists(), reason="no shared weights beside the repository")
@torch.inference_mode()
def test_shared_weights_see_structure():
    backbone = ResNet(weights=str(SHARED)).eval()
    image = torch.zeros(1, 3, 64, 64)
    image[..., 32:] = torch.rand(3, 64, 32, generator=torch.Generator().manual_seed(0))
    level = F.normalize(backbone(image)[1], dim=1)[0]  # [C, 8, 8]: flat on the left, noise on the right
    left, right = level[:, 4, 2], level[:, 4, 6]
    assert left @ right < 0.5 < level[:, 3, 2] @ left
