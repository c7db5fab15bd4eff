"""Contact sheets: many images in labelled rows, to judge a data set or a synthesizer at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation

from adcore.data.resizing import resize_mask, to_tensor, to_uint8
from adcore.data.samples import Sample, by_category
from adcore.interfaces import Dataset, Synthesizer
from adcore.report.overlay import draw_contour

GAP, INK, PAPER = 4, (40, 40, 40), (255, 255, 255)
REFERENCES, NORMALS, DEFECTS = 3, 2, 5
"""Images of a category in a row."""
TRIPLES = 3
"""Normal image, defect and mask, so often in a row."""


class Shown:
    """What a sheet shows, read as a recipe is.

    Args:
        data: the data set, or where normal images come from.
        synthesizers: what makes defects; none to show the data set itself.
    """

    def __init__(self, data: Dataset, synthesizers: list[Synthesizer] | None = None):
        self.data = data
        self.synthesizers = synthesizers or []


@dataclass(frozen=True)
class Row:
    """Images beside each other.

    Attributes:
        label: stands above them.
        tiles: uint8 [n, n, 3] each.
        captions: what stands in the corner of each tile.
    """

    label: str
    tiles: Sequence[np.ndarray]
    captions: Sequence[str]


def dataset_rows(data: Dataset, count: int, size: int) -> Iterator[Row]:
    """A row for each category: references, normal test images, then defects with their masks outlined.

    Args:
        data: the data set.
        count: most categories.
        size: side of a tile in pixels.
    """
    for category, samples in islice(by_category(data.samples()).items(), count):
        train = [sample for sample in samples if sample.split == "train" and not sample.label]
        good = [sample for sample in samples if sample.split == "test" and not sample.label]
        chosen = [*train[:REFERENCES], *good[:NORMALS], *_of_each_kind(samples)[:DEFECTS]]
        tiles = [_outlined(data, sample, size) for sample in chosen]
        captions = [_caption(sample) for sample in chosen]
        yield Row(category, tiles, captions)


def _of_each_kind(samples: Sequence[Sample]) -> list[Sample]:
    """The defects of a category, one of each kind, then a second of each, and so on."""
    kinds: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.label:
            kinds.setdefault(sample.defect, []).append(sample)
    return [sample for sample in chain.from_iterable(zip_longest(*kinds.values())) if sample]


def _caption(sample: Sample) -> str:
    return sample.defect if sample.label else "reference" if sample.split == "train" else "normal"


def _outlined(data: Dataset, sample: Sample, size: int) -> np.ndarray:
    tile = to_uint8(to_tensor(data.image(sample), (size, size)))
    mask = data.mask(sample) if sample.label else None
    if mask is None or not mask.any():
        return tile
    # the contour runs around the defect, which stays to be seen
    grown = binary_dilation(mask, iterations=max(1, round(0.02 * min(mask.shape))))
    return draw_contour(tile, resize_mask(grown, (size, size)))


def synthesizer_rows(
    synthesizers: Sequence[tuple[str, Synthesizer]], data: Dataset, count: int, size: int, seed: int
) -> Iterator[Row]:
    """Rows for each synthesizer: normal image, the same with a simulated defect, and the mask of that, several times.

    Args:
        synthesizers: each with its name.
        data: where normal images come from, those of all categories in turn.
        count: defects of each synthesizer.
        size: side in pixels at which they are made and shown.
        seed: decides the defects.
    """
    normals = (sample for sample in data.samples() if sample.split == "train" and not sample.label)
    turns = chain.from_iterable(zip_longest(*by_category(normals).values()))
    normal = [sample for _, sample in zip(range(count + 1), (s for s in turns if s), strict=False)]
    images = {sample: to_tensor(data.image(sample), (size, size)) for sample in normal}
    for name, synthesizer in synthesizers:
        generator = torch.Generator().manual_seed(seed)
        tiles: list[np.ndarray] = []
        for index in range(count):
            sample = normal[index % len(normal)]
            alike = [other for other in normal if other.category == sample.category and other != sample]
            image, source = images[sample], images[(alike or [sample])[0]]
            result, mask = synthesizer.synthesize(image.clone(), source.clone(), generator)
            tiles += [to_uint8(image), to_uint8(result), to_uint8(mask.expand(3, -1, -1))]
        for first in range(0, len(tiles), 3 * TRIPLES):
            shown = tiles[first : first + 3 * TRIPLES]
            captions = ["normal", "defect", "mask"] * (len(shown) // 3)
            yield Row(name if first == 0 else "", shown, captions)


def draw(rows: Sequence[Row]) -> Image.Image:
    """The sheet as a picture.

    Args:
        rows: at least one, with at least one tile.
    """
    size = len(next(row.tiles[0] for row in rows if row.tiles))
    font = ImageFont.load_default(max(10, size // 12))
    line = max(10, size // 12) + 2 * GAP
    heights = [size + GAP + (line if row.label else 0) for row in rows]
    width = max(len(row.tiles) for row in rows) * (size + GAP) + GAP
    page = Image.new("RGB", (width, sum(heights) + GAP), PAPER)
    pen, top = ImageDraw.Draw(page), GAP
    for row, height in zip(rows, heights, strict=True):
        if row.label:
            pen.text((GAP, top), row.label, INK, font)
        y = top + height - size - GAP
        for column, (tile, caption) in enumerate(zip(row.tiles, row.captions, strict=True)):
            x = GAP + column * (size + GAP)
            page.paste(Image.fromarray(tile), (x, y))
            pen.text((x + 3, y + 2), caption, (255, 255, 255), font, stroke_width=1, stroke_fill=INK)
        top += height
    return page
