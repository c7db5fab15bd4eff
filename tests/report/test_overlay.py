"""Pictures of maps: comparable colours, even lightness, contours that show on any ground."""

import numpy as np
import pytest
from PIL import Image

from adcore.report.overlay import colour_limits, draw_contour, heatmap, mask_image, overlay

RAMP = np.linspace(-1, 3, 400, dtype=np.float32)[None]


def lightness(colours):
    """CIE L*, by Pillow: another colour space than the palette is made in."""
    return np.asarray(Image.fromarray(colours).convert("RGB").convert("L"), dtype=float)


def test_heat_is_brighter_the_more_anomalous_in_even_steps():
    colours = heatmap(RAMP, 0, 2)
    assert colours.shape == (1, 400, 3) and colours.dtype == np.uint8
    light = lightness(colours)[0]
    assert (np.diff(light) >= -1).all()  # never darker, but for rounding
    inside = light[(RAMP[0] > 0) & (RAMP[0] < 2)]
    steps = np.diff(inside[::20])
    assert steps.min() > 0.3 * steps.mean()  # no plateau hides a difference


def test_values_beyond_the_limits_take_the_end_colours():
    colours = heatmap(RAMP, 0, 2)
    assert (colours[RAMP <= 0] == colours[0, 0]).all()
    assert (colours[RAMP >= 2] == colours[0, -1]).all()
    assert not (colours[0, 0] == colours[0, -1]).any()


def test_equal_values_have_equal_colours_whatever_else_is_in_the_map():
    one, other = np.array([[0.2, 0.5]]), np.array([[0.5, 9.0]])
    assert (heatmap(one, 0, 1)[0, 1] == heatmap(other, 0, 1)[0, 0]).all()


def test_overlay_leaves_normal_pixels_and_covers_anomalous_ones_the_more_the_higher():
    image = np.full((1, 400, 3), 90, dtype=np.uint8)
    result = overlay(image, RAMP, 0, 2)
    assert (result[RAMP <= 0] == 90).all()
    heat = heatmap(RAMP, 0, 2).astype(float)[..., 0]
    opacity = (result[..., 0] - 90.0)[0, 320:] / (heat - 90)[0, 320:]  # red, far from the image's 90 up there
    lower = (result[..., 0] - 90.0)[0, 220:230] / (heat - 90)[0, 220:230]
    assert np.ptp(opacity) < 0.02 and 0.5 < opacity[0] < 1 and (lower < opacity[0]).all()
    assert (image == 90).all()  # left untouched


def test_contour_is_on_the_edge_and_visible_on_white_and_on_black():
    mask = np.zeros((60, 80), dtype=bool)
    mask[20:40, 30:60] = True
    for ground in (0, 255):
        outlined = draw_contour(np.full((60, 80, 3), ground, dtype=np.uint8), mask)
        changed = (outlined != ground).any(-1)
        assert changed.any() and not changed[22:38, 32:58].any() and not changed[:18].any()
    assert (outlined[20, 30:60] == 255).all() and (outlined[19, 30:60] < 30).all()


def test_a_mask_over_the_whole_image_and_an_empty_one_draw_no_frame_of_dark():
    image = np.full((20, 30, 3), 128, dtype=np.uint8)
    assert (draw_contour(image, np.zeros((20, 30), dtype=bool)) == image).all()
    full = draw_contour(image, np.ones((20, 30), dtype=bool))
    assert (full[1:-1, 1:-1] == 128).all()


def test_a_strip_a_single_pixel_and_a_constant_map_work():
    strip = np.zeros((20, 900), dtype=np.float32)
    assert overlay(np.zeros((20, 900, 3), dtype=np.uint8), strip, 0, 0, strip > 1).shape == (20, 900, 3)
    assert heatmap(np.ones((1, 1), dtype=np.float32), 1, 1).shape == (1, 1, 3)


def test_nan_and_differing_sizes_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        heatmap(np.array([[np.nan]]), 0, 1)
    with pytest.raises(ValueError, match="differ in size"):
        overlay(np.zeros((4, 4, 3), dtype=np.uint8), np.zeros((4, 5)), 0, 1)
    with pytest.raises(ValueError, match="differ in size"):
        overlay(np.zeros((4, 4, 3), dtype=np.uint8), np.zeros((4, 4)), 0, 1, np.zeros((2, 2), dtype=bool))


def test_mask_image():
    assert mask_image(np.array([[True, False]])).tolist() == [[255, 0]]


def test_the_pixel_threshold_is_the_middle_of_the_colours():
    low, high = colour_limits(0.5, floor=0.1)
    assert (low + high) / 2 == pytest.approx(0.5) and low == 0.1
    low, high = colour_limits(0.1, floor=0.3)  # a threshold below what is typical
    assert low < high
