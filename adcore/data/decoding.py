"""Image files to pixels: any of the common formats, depths and colour models, or a clear error."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from adcore.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
"""Which files of a folder are images. What is in them is told by their content."""
DEEP = 65535
"""Full scale of more than 8 bits."""
ORIENTATION = 0x0112
"""The EXIF tag that says how an image is to be turned."""
ROTATED = (5, 6, 7, 8)
"""EXIF orientations that swap height and width."""


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an image as it is meant to be seen, with its EXIF orientation applied.

    Grey, palette, CMYK and bilevel images become RGB; transparency is laid over black, the colour of no light. Of
    several frames the first is read.

    Args:
        path: a png, jpg, bmp, tif or webp file; its content counts, not its extension.

    Returns:
        uint8 [H, W, 3] RGB; float32 [H, W, 3] in [0, 1] for grey of more than 8 bits. Integers of more than 8 bits are
        divided by 65535 whatever the image holds, floats must lie in [0, 1]. Colour of 16 bits is read at 8 bits.

    Raises:
        UserError: the file is missing, empty, truncated, not an image, or holds numbers out of range.
    """
    with _opened(path) as image:
        return to_pixels(image, os.fspath(path))


def to_pixels(image: Image.Image, source: str = "image") -> np.ndarray:
    """What `read_image` makes of a file, for an image that Pillow has opened.

    Args:
        image: any Pillow image.
        source: what to call it in an error.
    """
    image.load()  # before that some files do not tell
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if _is_deep(image):
        return np.repeat(_scaled(image, source)[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))  # each copy takes a tenth of decoding


def read_mask(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a ground-truth mask: True where anomalous.

    A pixel is anomalous above half of the file's full scale, so that the noise of JPEG and soft edges do no harm. Where
    nothing is that bright the values are labels (0 and 1, or numbers of classes): then all but 0 is anomalous. In a
    palette image everything but black is. Of colours the brightest channel counts.

    Args:
        path: an image file, as for `read_image`.

    Returns:
        bool [H, W].

    Raises:
        UserError: as for `read_image`.
    """
    with _opened(path) as image:
        if image.mode == "P":
            return np.asarray(to_pixels(image, os.fspath(path)).any(axis=2))
        values = to_pixels(image, os.fspath(path)).max(axis=2)
    half = 0.5 if values.dtype == np.float32 else 127
    return np.asarray(values > (half if values.max() > half else 0))


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of an image as `read_image` returns it, from the file's header alone.

    Raises:
        UserError: the file is missing, empty or not an image. A truncated file is not noticed.
    """
    with _opened(path) as image:
        # Pillow would decode a whole PNG to look for an orientation behind the pixels
        known = image.format != "PNG" or "exif" in image.info
        turned = known and image.getexif().get(ORIENTATION) in ROTATED
        if turned and image.format == "TIFF":
            image.load()  # some versions of Pillow turn a TIFF's size on opening and its pixels on loading
            turned = image.getexif().get(ORIENTATION) in ROTATED
        width, height = image.size
        return (width, height) if turned else (height, width)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """An image file, every way in which it can be broken told in one line."""
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise UserError(f"{os.fspath(path)}: no such image") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise UserError(f"{os.fspath(path)}: unreadable image, replace or remove it ({_cause(path, error)})") from error


def _cause(path: str | os.PathLike[str], error: Exception) -> str:
    if Path(path).is_file() and not Path(path).stat().st_size:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "its content is no image"
    return getattr(error, "strerror", None) or str(error)


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _scaled(image: Image.Image, source: str) -> np.ndarray:
    """Grey of more than 8 bits as float32 [H, W] in [0, 1]."""
    values = np.asarray(image)
    scale, limit = (1, "1 for floats") if image.mode == "F" else (DEEP, f"{DEEP} for integers")
    low, high = values.min(), values.max()
    if not 0 <= low <= high <= scale:  # NaN fails as well
        raise UserError(f"{source}: pixel values from {low} to {high}, they must lie between 0 and {limit}")
    grey: np.ndarray = values.astype(np.float32) / np.float32(scale)
    return grey
