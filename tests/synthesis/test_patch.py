import math

import pytest
import torch

from adcore.synthesis.patch import Patch, place, side

IMAGE = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(0))


def test_texture_from_the_same_place_is_the_image_itself():
    patch = Patch.at(IMAGE, (30.0, 40.0), (10, 6))
    torch.testing.assert_close(patch.sample(IMAGE, (30.0, 40.0)), patch.cut(IMAGE))


def test_texture_is_shifted_turned_and_resized():
    patch = Patch.at(IMAGE, (30.0, 40.0), (5, 5))
    torch.testing.assert_close(patch.sample(IMAGE, (20.0, 21.0)), IMAGE[:, 14:27, 15:28][:, :13, :13])
    turned = patch.sample(IMAGE, (20.0, 21.0), angle=math.pi / 2)  # u, along columns, now runs down the rows
    torch.testing.assert_close(turned, IMAGE[:, 14:27, 15:28].rot90(1, (1, 2)), atol=1e-4, rtol=0)
    ramp = torch.arange(80.0).expand(1, 60, 80)
    torch.testing.assert_close(patch.sample(ramp, (30.0, 40.0), scale=2.0)[0, 0], 40 + patch.u[0] / 2)


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2])
def test_rectangle_covers_its_area(angle):
    patch = Patch.at(IMAGE, (30.0, 40.0), (15, 4), angle)
    assert patch.rectangle((15, 4)).sum() == pytest.approx(30 * 8, rel=0.04)


def test_window_ends_at_the_edge_of_the_image():
    patch = Patch.at(IMAGE, (1.0, 79.0), (10, 10))
    assert (patch.rows, patch.columns) == (slice(0, 13), slice(68, 80)) and patch.u.shape == (13, 12)


def test_places_lie_on_the_object_with_the_share_asked_for():
    objects = torch.zeros(100, 100, dtype=torch.bool)
    objects[:, 50:] = True
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        y, x = place(objects, (20, 20), 0.9, generator)
        assert objects[int(y), int(x)] and x >= 56


def test_sizes_are_fractions_of_a_square_of_the_same_area():
    assert side(torch.zeros(3, 20, 900)) == pytest.approx(134.16, abs=0.01)
