"""Maps on disk: the values as ``.npy``, and a picture for people."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from adcore.context import Context
from adcore.prediction import Prediction, TestResult
from adcore.report.overlay import colour_limits, overlay
from adcore.store import folder_name, write_bytes

HALF_MAX = float(np.finfo(np.float16).max)


def map_names(paths: Sequence[str]) -> dict[str, str]:
    """For each image of a category ``<folder>/<stem>``, as in the data set; numbered where two would be the same."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for path in paths:
        pure = PurePath(path)
        plain = f"{folder_name(pure.parent.name)}/{folder_name(pure.stem)}"
        name = next(n for n in chain([plain], (f"{plain}-{number}" for number in count(2))) if n not in taken)
        taken.add(name)
        names[path] = name
    return names


def write_map(stem: Path, result: TestResult, context: Context) -> None:
    """Write ``<stem>.npy`` and ``<stem>.png`` of a test result."""
    write_array(stem.with_name(stem.name + ".npy"), result.prediction.map)
    write_picture(stem.with_name(stem.name + ".png"), picture(result.image, result.prediction, context))


def heat_range(context: Context) -> tuple[float, float]:
    """Where heat begins, the usual peak of a normal image (of one, half of its limit), and where it is full."""
    assert context.calibration is not None
    peaks, limit = context.calibration.peaks, context.calibration.pixel_threshold
    return colour_limits(limit, floor=peaks[len(peaks) // 2] if len(peaks) > 1 else limit / 2)


def picture(image: np.ndarray, prediction: Prediction, context: Context) -> np.ndarray:
    """The image under its heat map, regions above the pixel threshold outlined; uint8 [H, W, 3]."""
    low, high = heat_range(context)
    return overlay(image, prediction.map, low, high, prediction.mask)


def write_array(path: Path, values: np.ndarray) -> None:
    """Write an array as ``.npy`` (no pickle); floats as float16, as float32 where that would make some infinite."""
    stream = io.BytesIO()
    if values.dtype.kind == "f":
        fits = np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max(initial=0) <= HALF_MAX
        values = values.astype(np.float16 if fits else np.float32)
    np.save(stream, values, allow_pickle=False)
    write_bytes(path, stream.getvalue())


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 [H, W, 3], or bool [H, W] as black and white, as PNG."""
    image = Image.fromarray(pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels)
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1, compress_type=zlib.Z_RLE)  # no larger, and a tenth faster
    write_bytes(path, stream.getvalue())


def write_overlay_and_mask(out: Path, stem: str, image: np.ndarray, prediction: Prediction, context: Context) -> None:
    """Write ``overlays/<stem>.png`` and ``masks/<stem>.png`` at the image's own size."""
    height, width = image.shape[:2]
    full = np.asarray(Image.fromarray(prediction.map).resize((width, height), Image.Resampling.BILINEAR))
    mask = np.asarray(Image.fromarray(prediction.mask).resize((width, height), Image.Resampling.NEAREST))
    eight_bit = image if image.dtype == np.uint8 else np.rint(image * 255).astype(np.uint8)
    low, high = heat_range(context)
    write_picture(out / "overlays" / f"{stem}.png", overlay(eight_bit, full, low, high, mask))
    write_picture(out / "masks" / f"{stem}.png", mask)
