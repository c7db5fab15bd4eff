"""Printed and engraved marks: letters, digits, bars, logos."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from adcore.products.draws import Random, chance
from adcore.products.plane import Array, sample
from adcore.products.shapes import Shape

LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789-/.%&#+"
RESOLUTION = 48  # height of a letter in its bitmap, pixels


@dataclass(frozen=True)
class Glyphs(Shape):
    """A line of text, or bars.

    Attributes:
        text: what is written; bars if it is made of ``|`` and spaces.
        height: of the letters, in units.
    """

    text: str
    height: float

    @property
    def reach(self) -> float:  # type: ignore[override]
        """See `Shape`."""
        rows, columns = _bitmap(self.text).shape
        return 0.5 * self.height / RESOLUTION * float(np.hypot(rows, columns))

    def depth(self, u: Array, v: Array) -> Array:
        """See `Shape`."""
        bitmap = _bitmap(self.text)
        scale = np.float32(RESOLUTION / self.height)
        column, row = u * scale + (bitmap.shape[1] - 1) / 2, v * scale + (bitmap.shape[0] - 1) / 2
        result: Array = sample(bitmap, column, row) * np.float32(self.height / RESOLUTION)
        return result


@lru_cache(256)
def _bitmap(text: str) -> Array:
    """About the depth inside the strokes, in pixels of the bitmap, float32 [h, w]."""
    strokes: Array
    margin, height = 8, RESOLUTION
    if set(text) <= {"|", " "}:
        strokes = np.repeat(np.array([letter == "|" for letter in text], np.float32), 5)[None].repeat(height, 0)
    else:
        font = ImageFont.load_default(height)
        left, top, right, bottom = font.getbbox(text)
        canvas = Image.new("L", (int(right - left), int(bottom - top)))
        ImageDraw.Draw(canvas).text((-left, -top), text, 255, font)
        strokes = np.asarray(canvas, np.float32) / 255
    strokes = gaussian_filter(np.pad(strokes, margin).astype(np.float32), 1.2)
    result: Array = (strokes - np.float32(0.5)) * 4
    return result


def draw(rng: Random, height: float, most: int = 8) -> Glyphs:
    """A random text or bar code."""
    if chance(rng, 0.2):
        return Glyphs("".join("| "[int(i)] for i in rng.integers(0, 2, 24)) + "|", height)
    return Glyphs(
        "".join(LETTERS[int(i)] for i in rng.integers(0, len(LETTERS), int(rng.integers(1, most + 1)))), height
    )
