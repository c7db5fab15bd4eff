"""A contact sheet: pictures in rows, one row for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE, GAP, CAPTION = 112, 6, 20
"""Pixels of a picture's side, between pictures, and of a row's caption."""
MOST = 12
"""Pictures of a row; of more, an even choice."""


def contact_sheet(rows: Mapping[str, Sequence[np.ndarray]]) -> Image.Image:
    """Rows of pictures under their captions.

    Args:
        rows: by caption, uint8 [h, w, 3] each; of any size, a row holds at least one.
    """
    chosen = {caption: _evenly(pictures) for caption, pictures in rows.items()}
    columns = max(map(len, chosen.values()))
    font = ImageFont.load_default(13)
    width = GAP + columns * (SIDE + GAP)
    captions = [font.getlength(caption) for caption in chosen]
    sheet = Image.new(
        "RGB", (max(width, int(max(captions)) + 2 * GAP), len(chosen) * (CAPTION + SIDE + GAP) + GAP), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for row, (caption, pictures) in enumerate(chosen.items()):
        top = GAP + row * (CAPTION + SIDE + GAP)
        draw.text((GAP, top), caption, fill="black", font=font)
        for column, picture in enumerate(pictures):
            drawn = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(drawn, (GAP + column * (SIDE + GAP), top + CAPTION))
    return sheet


def _evenly(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    places = np.linspace(0, len(pictures) - 1, min(MOST, len(pictures))).round().astype(int)
    return [pictures[place] for place in places]
