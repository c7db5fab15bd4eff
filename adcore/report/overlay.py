"""Anomaly maps as pictures: a heat map, and an image with heat and contour laid over it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import PIL.Image

Image = npt.NDArray[np.uint8]
Map = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

OPACITY = 0.65
"""Of the heat at and above `high`: the part below stays recognisable."""

_ALPHA = np.rint(OPACITY * np.arange(256)).astype(np.uint8)
_BRIGHT, _DARK = (255, 255, 255), (16, 16, 16)


def heatmap(map: Map, low: float, high: float) -> Image:
    """Colour an anomaly map: `low` and below near black, over violet and red, to pale yellow at `high` and above.

    Equal steps of the map are equal steps of lightness, so it also reads in grey. Give all maps of a category the same
    `low` and `high` to make them comparable.

    Args:
        map: float [H, W].
        low: value of the darkest colour.
        high: value of the brightest colour.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ValueError: the map holds NaN.
    """
    colours: Image = np.take(_palette(), _levels(map, low, high), axis=0)  # [H, W, 3], far faster than indexing
    return colours


def overlay(image: Image, map: Map, low: float, high: float, mask: Mask | None = None) -> Image:
    """Lay a heat map over an image, the more opaque the more anomalous, with the contour of a mask around its regions.

    Args:
        image: uint8 [H, W, 3].
        map: float [H, W].
        low: value where the heat begins to show.
        high: value of full heat.
        mask: bool [H, W], what was decided to be anomalous.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ValueError: the map holds NaN, or the sizes differ.
    """
    if image.shape[:2] != map.shape or (mask is not None and mask.shape != map.shape):
        sizes = [part.shape for part in (image, map, mask) if part is not None]
        raise ValueError(f"image, map and mask differ in size: {sizes}")
    levels = _levels(map, low, high)
    heat, alpha = np.take(_palette(), levels, axis=0), np.take(_ALPHA, levels)
    layers = (PIL.Image.fromarray(np.ascontiguousarray(layer)) for layer in (heat, image, alpha))
    blend: Image = np.array(PIL.Image.composite(*layers))
    return blend if mask is None else draw_contour(blend, mask)


def draw_contour(image: Image, mask: Mask) -> Image:
    """Outline the regions of a mask: a bright line on their edge, a dark one outside it, visible on any ground.

    Args:
        image: uint8 [H, W, 3], left untouched.
        mask: bool [H, W].

    Returns:
        uint8 [H, W, 3].
    """
    width = max(1, round(min(mask.shape) / 200))
    edge = mask & _grow(~mask, width)
    halo = _grow(mask, width) & ~mask
    outlined: Image = image.copy()
    outlined[halo] = _DARK
    outlined[edge] = _BRIGHT
    return outlined


def mask_image(mask: Mask) -> Image:
    """A mask as a picture: uint8 [H, W], 255 where True."""
    picture: Image = np.where(mask, 255, 0).astype(np.uint8)
    return picture


def colour_limits(pixel_threshold: float, floor: float = 0.0) -> tuple[float, float]:
    """`low` and `high` that put the pixel threshold in the middle of the colours.

    Args:
        pixel_threshold: value from which a pixel is called anomalous.
        floor: value that normal pixels typically have.

    Returns:
        low, high.
    """
    half = max(pixel_threshold - floor, 1e-6 * max(1.0, abs(floor)))  # a threshold at the floor still splits colours
    return floor, floor + 2 * half


def _levels(map: Map, low: float, high: float) -> Image:
    """The map in steps from 0 at `low` to 255 at `high`, uint8 [H, W]."""
    if np.isnan(map).any():
        raise ValueError("the map holds NaN")
    steps = map.astype(np.float64)
    steps -= low
    steps /= max(high - low, np.finfo(np.float32).tiny)
    steps *= 255
    levels: Image = np.rint(np.clip(steps, 0, 255, out=steps), out=steps).astype(np.uint8)
    return levels


def _grow(mask: Mask, width: int) -> Mask:
    """Dilate a mask by `width` pixels (4-neighbourhood)."""
    for _ in range(width):
        padded = np.pad(mask, 1)
        mask = mask | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return mask


@lru_cache(maxsize=1)
def _palette() -> Image:
    """uint8 [256, 3]: lightness grows evenly in OKLab (Ottosson, 2020) while hue turns from violet to red to yellow."""
    t = np.linspace(0, 1, 256)
    lightness = 0.15 + 0.78 * t
    hue = np.radians(285 + 180 * t)  # 285 violet, 360 pink, 390 red, 465 = 105 yellow
    chroma = 0.04 + 0.16 * np.clip(t / 0.5, 0, 1)
    chroma = np.minimum(chroma, _largest_chroma(lightness, hue))
    linear = np.clip(_oklch_to_linear(lightness, chroma, hue), 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    palette: Image = np.rint(255 * srgb).astype(np.uint8)
    return palette


def _largest_chroma(lightness: Floats, hue: Floats) -> Floats:
    """The most colourful that sRGB can show at this lightness and hue."""
    inside, outside = np.zeros_like(hue), np.full_like(hue, 0.4)
    for _ in range(20):
        middle = (inside + outside) / 2
        linear = _oklch_to_linear(lightness, middle, hue)
        shown = ((linear >= 0) & (linear <= 1)).all(axis=1)
        inside, outside = np.where(shown, middle, inside), np.where(shown, outside, middle)
    return inside


def _oklch_to_linear(lightness: Floats, chroma: Floats, hue: Floats) -> Floats:
    """OKLCh [n] each to linear sRGB [n, 3]."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    root = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ],
        axis=1,
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear: Floats = root**3 @ to_rgb.T
    return linear
