"""A backbone at several scales and in tiles."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from adcore.errors import UserError
from adcore.interfaces import Backbone, Features
from adcore.recipe import parse
from adcore.resolutions import Resolutions, ResolutionSettings


class Cells(Backbone):
    """Levels of strides 4 and 8 whose cells see nothing but their own pixels."""

    channels = (5, 7)
    strides = (4, 8)
    pretrained = True

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 5, 4, 4), nn.Conv2d(5, 7, 2, 2)
        self.seen: list[tuple[int, int]] = []

    def forward(self, images: Tensor) -> Features:
        self.seen.append((images.shape[-2], images.shape[-1]))
        h, w = images.shape[-2:]
        padded = nn.functional.pad(images, (0, -w % 8, 0, -h % 8), mode="replicate")
        fine = self.first(padded)
        return fine[..., : -(-h // 4), : -(-w // 4)], self.second(fine)


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (100, 61), (8, 8)])
@pytest.mark.parametrize("tiles", [2, 3])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_tiles_of_cells_that_see_only_themselves_are_the_whole(
    size: tuple[int, int], tiles: int, overlap: float
) -> None:
    backbone = Cells()
    images = torch.rand(2, 3, *size)
    tiled = Resolutions(backbone, ResolutionSettings(tiles=tiles, overlap=overlap))(images)
    for level, whole in zip(tiled, backbone(images), strict=True):
        torch.testing.assert_close(level, whole, rtol=1e-5, atol=1e-6)


def test_tiles_are_smaller_than_the_image_and_overlap() -> None:
    backbone = Cells()
    Resolutions(backbone, ResolutionSettings(tiles=2, overlap=0.25))(torch.rand(1, 3, 64, 64))
    assert len(backbone.seen) == 4
    assert all(32 < side < 64 for seen in backbone.seen for side in seen)


def test_scales_give_all_levels_fine_to_coarse() -> None:
    wrapped = Resolutions(Cells(), ResolutionSettings(scales=[1.0, 0.5, 2.0]))
    assert wrapped.strides == (2, 4, 4, 8, 8, 16)
    assert wrapped.channels == (5, 5, 7, 5, 7, 7)
    images = torch.rand(1, 3, 64, 32)
    kept = images.clone()
    levels = wrapped(images)
    assert [tuple(level.shape[-2:]) for level in levels] == [(64 // s, 32 // s) for s in wrapped.strides]
    assert [level.shape[1] for level in levels] == list(wrapped.channels)
    assert torch.equal(images, kept)
    assert wrapped.pretrained


def test_nothing_asked_for_leaves_the_backbone() -> None:
    backbone = Cells()
    assert ResolutionSettings().wrap(backbone) is backbone


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"scales": []}, "resolution.scales"),
        ({"scales": [1.0, 1.0]}, "twice"),
        ({"scales": [0.0]}, "above 0"),
        ({"scales": [float("nan")]}, "above 0"),
        ({"tiles": 0}, "resolution.tiles"),
        ({"overlap": 0.7}, "resolution.overlap"),
    ],
)
def test_bad_settings_are_one_line(settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(UserError, match=wrong):
        ResolutionSettings(**settings)  # type: ignore[arg-type]


def test_a_recipe_s_matcher_is_told_of_all_levels() -> None:
    backbone = {"name": "resnet", "depth": 18, "levels": [1, 2], "weights": "none"}
    recipe = {"data": "demo", "backbone": backbone, "matcher": "anomalygpt", "fuser": "mean"}
    runner = parse(recipe | {"resolution": {"scales": [1, 2], "tiles": 2}}).build()
    assert runner.backbone.strides == (2, 4, 4, 8)
    assert runner.matcher.relations == 5  # four levels and their mean
