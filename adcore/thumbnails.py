"""Small pictures of references, by which people recognise a context."""

from __future__ import annotations

import io

from PIL import Image
from torch import Tensor

from adcore.data.resizing import to_uint8

SIDE = 96
"""Longer side in pixels, at most."""


def thumbnail(image: Tensor) -> bytes:
    """An image, float [3, H, W] in [0, 1], as a small JPEG file."""
    picture, content = Image.fromarray(to_uint8(image)), io.BytesIO()
    picture.thumbnail((SIDE, SIDE))
    picture.save(content, "JPEG", quality=85)
    return content.getvalue()
