"""Striped cloth, drawn on demand."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from adcore import Dataset, Sample

CATEGORIES = ("warp", "weft")
DEFECTS = ("good", "cut", "smear")


class Stripes(Dataset):
    """Cloth with upright (warp) or level (weft) stripes, cut or smeared in places."""

    def __init__(self, normals: int = 24, tests: int = 6, size: int = 64):
        """Describe the data set.

        Args:
            normals: training images of each category.
            tests: test images of each kind and category.
            size: side of the images in pixels.
        """
        self.normals = normals
        self.tests = tests
        self.image_size = self.size = size

    def samples(self) -> Sequence[Sample]:
        listed = []
        for category in CATEGORIES:
            listed += [Sample(f"stripes/{category}/train/{i}", category, "train") for i in range(self.normals)]
            for defect in DEFECTS:
                paths = [f"stripes/{category}/test/{defect}/{i}" for i in range(self.tests)]
                listed += [Sample(path, category, "test", defect) for path in paths]
        return listed

    def image(self, sample: Sample) -> np.ndarray:
        return self._draw(sample)[0]

    def mask(self, sample: Sample) -> np.ndarray:
        return self._draw(sample)[1]

    def _draw(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        draws = np.random.default_rng(zlib.crc32(sample.path.encode()))
        row, column = np.mgrid[: self.size, : self.size]
        cloth = 0.5 + 0.3 * np.sin(column * 0.8 + draws.uniform(0, 6)) + draws.normal(0, 0.03, row.shape)
        top, left = draws.integers(0, self.size * 3 // 4, 2)
        mask = np.zeros(row.shape, bool)
        if sample.defect == "cut":
            mask[top : top + 3, left : left + self.size // 4] = True
            cloth[mask] = 0.05
        elif sample.defect == "smear":
            mask[top : top + self.size // 4, left : left + self.size // 4] = True
            cloth[mask] = 0.5
        if sample.category == "weft":
            cloth, mask = cloth.T, mask.T
        grey = (cloth.clip(0, 1) * 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2), mask
