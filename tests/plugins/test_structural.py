"""The synthesizers of structural defects: missing, warp, recolour, misplace."""

import pytest
import torch
from adcore_plugins.misplace import Misplace
from adcore_plugins.missing import Missing
from adcore_plugins.recolour import Recolour
from adcore_plugins.warp import Warp

from adcore.errors import UserError

SIZE = 96


def studs(grey=False):
    """Nine red studs, or light grey ones, on a grey plate with a little grain."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    on = ((y % 32 - 16) ** 2 + (x % 32 - 16) ** 2) < 49
    colour = torch.tensor([0.8, 0.8, 0.8] if grey else [0.8, 0.2, 0.1])[:, None, None]
    grain = 0.01 * torch.randn(1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    return torch.where(on, colour, torch.tensor(0.4)) + grain, on


def made(synthesizer, count=30, grey=False):
    image, _ = studs(grey)
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        result, mask = synthesizer.synthesize(image, image, generator)
        if (mask > 0.5).any():
            yield result, mask > 0.5


def test_what_is_missing_looks_like_its_surroundings():
    _, on = studs()
    gone = [result[:, mask & on] for result, mask in made(Missing(size=(0.2, 0.25))) if (mask & on).sum() > 143]
    assert len(gone) >= 10  # whole studs of 145 pixels
    for colours in gone:
        assert (colours.median(1).values - 0.4).abs().max() < 0.04


def test_a_warp_bends_outlines_and_makes_no_new_colours():
    image, on = studs()
    seen = 0
    for result, mask in made(Warp()):
        inside = result[:, mask]
        assert inside.amin(1).ge(image.amin((1, 2)) - 0.01).all() and inside.amax(1).le(image.amax((1, 2)) + 0.01).all()
        edge = torch.nn.functional.max_pool2d(on[None].float(), 9, 1, 4)[0] > on.float()
        seen += bool((edge & mask).any())
    assert seen >= 20


@pytest.mark.parametrize("grey", [False, True])
def test_another_colour_keeps_the_texture(grey):
    image, _ = studs(grey)
    for result, mask in made(Recolour(strength=(0.5, 0.8)), grey=grey):
        change = (result - image)[:, mask]
        assert change.abs().amax(0).mean() > 0.05
        if grey:
            assert (result.amax(0) - result.amin(0)).max() < 1e-5


def test_a_copy_leaves_the_original_where_it_is_and_a_move_does_not():
    _, on = studs()
    pieces = {"size": (0.2, 0.25), "distance": (0.15, 0.2)}

    def studs_lost(kind):
        return sum(int((mask & on).sum() > 120) for _, mask in made(Misplace(kind, **pieces)))

    assert studs_lost("move") > 2 * studs_lost("copy")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Missing(size=(0.5, 0.1)), r"missing: size is \(0.5, 0.1\)"),
        (lambda: Warp(strength=(0, 2)), r"warp: strength is \(0, 2\); write \[lowest, highest\] between 0 and 0.7"),
        (lambda: Recolour(object_share=2), "recolour: object_share is 2"),
        (lambda: Misplace(rotation=(0, 90)), "misplace: rotation"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()
