"""Images as programs hand them over."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import PIL.Image

from adcore.data.decoding import read_image, to_pixels
from adcore.errors import UserError

ImageLike = str | os.PathLike[str] | np.ndarray | PIL.Image.Image
"""A path, an array [H, W] or [H, W, 3] (uint8, or float in [0, 1]), or a PIL image."""


def as_array(image: ImageLike) -> np.ndarray:
    """An image as uint8 or float32 [H, W, 3], from a path, an array or a PIL image."""
    if isinstance(image, str | os.PathLike):
        return read_image(Path(image))
    if isinstance(image, PIL.Image.Image):
        return to_pixels(image, "image")
    array = np.asarray(image)
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, 2)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise UserError(f"image of shape {array.shape}: give [H, W] or [H, W, 3] in RGB")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise UserError(f"image of type {array.dtype}: give uint8, or float in [0, 1]")
    if not (array.min() >= 0 and array.max() <= 1):  # NaN fails too
        raise UserError("image of floats outside [0, 1]: divide by its full scale, or give uint8")
    return array.astype(np.float32)
