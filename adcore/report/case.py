"""One judged image, reduced to what fits in memory many times over and on a page."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from adcore.data.samples import Sample
from adcore.prediction import TestResult
from adcore.report.overlay import mask_image, overlay

IMAGE_AREA = 240 * 240
"""Pixels of a thumbnail; by area, so that a 20 x 900 strip stays a readable strip."""

MAP_AREA = 128 * 128
"""Cells kept of a map: maps are smooth, and floats are what costs memory."""


def outcome(label: int, decision: str) -> str:
    """A decision beside the truth, in the words of an inspection line."""
    if label:
        return "found" if decision == "anomalous" else "missed"
    return "false alarm" if decision == "anomalous" else "passed"


@dataclass(frozen=True)
class Case:
    """A test result with its pictures reduced and encoded.

    Attributes:
        sample: what was judged.
        score: image score.
        p_value: conformal p-value.
        threshold: image threshold of the context.
        outcome: ``found``, ``missed``, ``passed`` or ``false alarm``.
        image: the image as JPEG.
        truth: the ground truth as PNG, or None where unknown.
        mask: the predicted mask as PNG.
        map: float32 anomaly map.
    """

    sample: Sample
    score: float
    p_value: float
    threshold: float
    outcome: str
    image: bytes
    truth: bytes | None
    mask: bytes
    map: npt.NDArray[np.float32]

    @classmethod
    def of(cls, result: TestResult) -> Case:
        """Reduce a result."""
        prediction = result.prediction
        heat = Image.fromarray(np.asarray(prediction.map, dtype=np.float32))
        return cls(
            sample=result.sample,
            score=prediction.score,
            p_value=prediction.p_value,
            threshold=prediction.threshold,
            outcome=outcome(result.sample.label, prediction.decision),
            image=thumbnail(result.image, IMAGE_AREA),
            truth=None if result.mask is None else _encode_mask(result.mask),
            mask=_encode_mask(prediction.mask),
            map=np.asarray(heat.resize(fit(heat.size, MAP_AREA), Image.Resampling.BILINEAR)),
        )

    @property
    def wrong(self) -> bool:
        """Whether the decision contradicts the label."""
        return self.outcome in ("missed", "false alarm")

    def pictures(self, limits: tuple[float, float]) -> tuple[Image.Image, Image.Image | None, Image.Image]:
        """The image; its true mask where known; the image under its heat map with the contour of the predicted mask.

        Args:
            limits: values of the map where the colours begin and end, the same for a whole category.
        """
        image = Image.open(io.BytesIO(self.image))
        heat = np.asarray(Image.fromarray(self.map).resize(image.size, Image.Resampling.BILINEAR))
        laid_over = overlay(np.asarray(image), heat, *limits, mask=np.asarray(Image.open(io.BytesIO(self.mask))))
        truth = None if self.truth is None else Image.open(io.BytesIO(self.truth))
        return image, truth, Image.fromarray(laid_over)


def fit(size: tuple[int, int], area: int) -> tuple[int, int]:
    """Width and height, in proportion, of at most about `area` pixels; never enlarged."""
    width, height = size
    scale = min(1.0, math.sqrt(area / (width * height)))
    return max(1, round(width * scale)), max(1, round(height * scale))


def shrink_mask(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Reduce a mask, black and white; a defect of one pixel stays visible."""
    return mask.convert("L").resize(size, Image.Resampling.BOX).point(lambda share: 255 * (share > 0), "1")


def encode_jpeg(image: Image.Image) -> bytes:
    """Encode as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82, optimize=True)
    return buffer.getvalue()


def encode_png(image: Image.Image) -> bytes:
    """Encode as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def thumbnail(pixels: npt.NDArray[np.generic], area: int) -> bytes:
    """A small JPEG of an image: uint8 [H, W, 3], or float [H, W, 3] in [0, 1]."""
    levels = pixels if pixels.dtype == np.uint8 else np.rint(pixels.astype(np.float64) * 255).astype(np.uint8)
    image = Image.fromarray(levels)
    return encode_jpeg(image.resize(fit(image.size, area), Image.Resampling.LANCZOS))


def data_uri(encoded: bytes) -> str:
    """An encoded JPEG or PNG as an address that holds the picture itself."""
    kind = "png" if encoded.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def _encode_mask(mask: npt.NDArray[np.bool_]) -> bytes:
    full = Image.fromarray(mask_image(mask))
    return encode_png(shrink_mask(full, fit(full.size, IMAGE_AREA)))
