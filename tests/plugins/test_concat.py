"""Several backbones as one: their levels side by side, and a head for each, without training anew."""

import pytest
import torch
import torch.nn.functional as F
from adcore_plugins.concat import Concat
from adcore_plugins.concat_head import ConcatHead
from adcore_plugins.focal import Focal
from adcore_plugins.timm import Timm
from tiny import TRAINING, recipe, run

import adcore
from adcore.errors import UserError
from adcore.store import save_tensors

SETTINGS = {"grid": 8, "width": 6, "dimension": 5}


def net(levels):
    return {"name": "timm", "model": "test_resnet.r160_in1k", "weights": "none", "levels": levels}


def pyramid(generator):
    return tuple(torch.randn(2, c, s, s, generator=generator) for c, s in ((3, 8), (4, 8), (5, 4), (6, 4)))


def focal(channels, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Focal(channels=channels, **SETTINGS)


def joined(**changes):
    return ConcatHead(**{"channels": (3, 4, 5, 6), "levels": [[0, 2], [1, 3]], **SETTINGS, **changes})


def test_levels_of_all_backbones_fine_to_coarse():
    parts = [Timm("test_resnet.r160_in1k", [0, 2], "none"), Timm("test_resnet.r160_in1k", [1, 2], "none", seed=1)]
    both = Concat(parts)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    (a, c), (b, d) = (part.eval()(images) for part in parts)
    assert all(torch.equal(one, other) for one, other in zip(both.eval()(images), (a, b, c, d), strict=True))
    assert both.strides == (*sorted(parts[0].strides[:1] + parts[1].strides[:1]), *(2 * parts[0].strides[1:]))
    assert not both.pretrained


def test_no_backbone_is_refused():
    with pytest.raises(UserError, match="names none"):
        Concat([])


def test_heads_that_were_trained_alone_are_joined_as_they_are(tmp_path, generator):
    """Each from the file of its run; unit-norm embeddings side by side, of unit norm again."""
    alone = [focal((3, 5), 1), focal((4, 6), 2)]
    files = [str(tmp_path / f"{index}.safetensors") for index in (0, 1)]
    for head, file in zip(alone, files, strict=True):
        kept = {f"head.{key}": tensor for key, tensor in head.state_dict().items()}
        save_tensors(tmp_path / file, kept | {"backbone.stem.weight": torch.zeros(3)})
    inputs = pyramid(generator)
    head = joined(weights=files)
    parts = [alone[0]((inputs[0], inputs[2])).embedding, alone[1]((inputs[1], inputs[3])).embedding]
    assert head.pretrained
    assert torch.allclose(head(inputs).embedding, torch.cat(parts, 1) / 2**0.5, atol=1e-6)


def test_each_head_learns_as_alone(generator):
    head, inputs = joined(), pyramid(generator)
    target = torch.zeros(2, 8, 8, dtype=torch.bool)
    target[:, 2:4, 2:5] = True
    head.loss(head(inputs), target, generator).backward()
    for part, levels in zip(head.heads, ((0, 2), (1, 3)), strict=True):
        twin = Focal(channels=tuple((3, 4, 5, 6)[level] for level in levels), **SETTINGS)
        twin.load_state_dict(part.state_dict())
        twin.loss(twin(tuple(inputs[level] for level in levels)), target, generator).backward()
        for one, other in zip(part.parameters(), twin.parameters(), strict=True):
            assert torch.allclose(one.grad, other.grad, atol=1e-5)


def test_embeddings_on_other_grids_are_resized_and_of_unit_norm(generator):
    embedding = joined(levels=[[0, 1], [2, 3]])(pyramid(generator)).embedding
    assert embedding.shape == (2, 10, 8, 8)
    assert torch.allclose(embedding.norm(dim=1), torch.ones(2, 8, 8), atol=1e-5)
    assert torch.allclose(embedding[:, 5:].norm(dim=1), torch.full((2, 8, 8), 0.5**0.5), atol=1e-5)


def test_batch_of_one_class_gives_zero_with_a_graph(generator):
    head = joined()
    loss = head.loss(head(pyramid(generator)), torch.zeros(2, 8, 8, dtype=torch.bool), generator)
    loss.backward()
    assert loss.item() == 0 and all(parameter.grad is not None for parameter in head.parameters())


@pytest.mark.parametrize("levels", [[], [[]], [[0, 4]], [[-1]]])
def test_levels_that_are_not_there_are_refused(levels):
    with pytest.raises(UserError, match=r"head\.levels: .* backbone's 4 levels"):
        joined(levels=levels)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    file = str(tmp_path / "other.safetensors")
    save_tensors(tmp_path / "other.safetensors", focal((3,), 0).state_dict())
    with pytest.raises(UserError, match="2 heads; give one for each"):
        joined(weights=file)
    with pytest.raises(UserError, match=r"does not fit a focal head over levels \[0, 2\]"):
        joined(weights=[file, file])


def test_two_runs_are_joined_without_training(tmp_path):
    """Two FOCAL runs, each with its backbone; a third joins both, trains nothing, and stands alone once made."""
    training = TRAINING | {"epochs": 1, "backbone": "trained"}
    shared = {"matcher": None, "fuser": "mean", "training": training}
    focal_head = {"name": "focal", "width": 8, "dimension": 4}
    for index, levels in enumerate(([0, 2], [1, 2])):
        run(tmp_path / f"run{index}", recipe(backbone=net(levels), head=focal_head, **shared))
    files = [str(tmp_path / f"run{index}" / "fit" / "best.safetensors") for index in (0, 1)]
    both = recipe(
        backbone={
            "name": "concat",
            "backbones": [
                net(levels) | {"weights": file} for levels, file in zip(([0, 2], [1, 2]), files, strict=True)
            ],
        },
        head={"name": "concat", "levels": [[0, 2], [1, 3]], "weights": files, "width": 8, "dimension": 4},
        matcher=None,
        fuser="mean",
    )
    run(tmp_path / "both", both)
    assert not (tmp_path / "both" / "fit").exists()

    parts = [adcore.load(tmp_path / f"run{index}").detector for index in (0, 1)]
    for file in files:
        (tmp_path / file).unlink()
    detector = adcore.load(tmp_path / "both").detector  # what it was made of is gone
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        expected = [part.embed(part.features(image), None).embedding for part in parts]
        size = detector.embed(detector.features(image), None).embedding.shape[-2:]
        expected = [F.normalize(F.interpolate(e, size, mode="bilinear"), dim=1) for e in expected]
        found = detector.embed(detector.features(image), None).embedding
    assert torch.allclose(found, torch.cat(expected, 1) / 2**0.5, atol=1e-4)
