"""From an entry of the catalogue to its picture and its mask."""

from __future__ import annotations

import zlib

import numpy as np
from scipy.ndimage import binary_closing, binary_fill_holes, gaussian_filter

from adcore.data.demo import board, fabric, gear, plate
from adcore.data.demo.camera import Lighting, expose, shade
from adcore.data.demo.catalogue import LINES, Item
from adcore.data.demo.defects import Defect
from adcore.data.demo.grid import Field
from adcore.data.demo.surface import Surface
from adcore.data.samples import Sample

PAINTERS = {"fabric": fabric.paint, "board": board.paint, "gear": gear.paint}
VISIBLE = 0.06
"""Change of brightness, of a full scale of 1, from which a pixel belongs to a defect."""


def image(item: Item, size: int, seed: int) -> np.ndarray:
    """The picture, read-only uint8 [size, size, 3]; it depends on nothing but the arguments."""
    picture = expose(_scene(item, size, seed), _rng(item.path, seed, "sensor"))
    picture.setflags(write=False)
    return picture


def mask(sample: Sample, item: Item, size: int, seed: int) -> np.ndarray:
    """What is wrong with the picture for the sample's category: bool [size, size]."""
    wrong = np.zeros((size, size), bool)
    defective, brushed = item.kind is not None, item.brushing is not None and sample.category == LINES[1]
    if sample.label and (defective or brushed):
        scene = _scene(item, size, seed)
        if defective:
            wrong |= _changed(scene, _scene(item, size, seed, defective=False))
        if brushed:
            wrong |= _streaked(scene, _scene(item, size, seed, brushed=False))
    return wrong


def _scene(item: Item, size: int, seed: int, defective: bool = True, brushed: bool = True) -> Field:
    """The lit item, with or without its defect and brushing; all else is the same."""
    surface = _paint(item, size, seed, defective, brushed)
    return shade(surface, Lighting.draw(_rng(item.path, seed, "light")))


def _paint(item: Item, size: int, seed: int, defective: bool, brushed: bool) -> Surface:
    part = item.part or item.path
    defect = Defect(item.kind, item.severity, _rng(part, seed, "defect")) if item.kind and defective else None
    if item.product != "plate":
        return PAINTERS[item.product](size, _rng(part, seed, "part"), defect)
    brushing = plate.Brushing(item.brushing, _rng(part, seed, "brushing")) if item.brushing and brushed else None
    return plate.paint(size, _rng(part, seed, "part"), defect, brushing)


def _changed(scene: Field, reference: Field) -> np.ndarray:
    """Where two scenes differ visibly, as solid areas."""
    different = np.abs(scene - reference).max(axis=2) > VISIBLE
    gap = max(1, round(len(scene) * 0.032))
    padded = np.pad(different, gap, mode="edge")
    closed = binary_closing(padded, np.ones((gap, gap), bool))[gap:-gap, gap:-gap]
    solid: np.ndarray = binary_fill_holes(gaussian_filter(closed.astype(np.float32), 0.01 * len(scene)) > 0.48)
    return solid


def _streaked(scene: Field, reference: Field) -> np.ndarray:
    """The areas that strokes cover, the gaps between them included, as one would paint them by hand."""
    difference = np.abs(scene - reference).max(axis=2)
    covered: np.ndarray = gaussian_filter(difference, 0.016 * len(scene)) > 0.6 * VISIBLE
    return covered


def _rng(path: str, seed: int, stream: str) -> np.random.Generator:
    return np.random.default_rng((seed, zlib.crc32(f"{path} {stream}".encode())))
