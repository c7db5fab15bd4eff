"""A data set: images that are drawn when they are asked for.

What it has to offer stands in `adcore.Dataset`. The arguments of ``__init__`` are what a recipe sets. One that reads
files lists their paths in `samples`, and reads one in `image`: `adcore.data.decoding` has what it takes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from adcore import Dataset, Sample

TESTS = 12
"""Test images of each kind."""


class Template(Dataset):
    """Grey discs on a dark ground, drawn on demand; faulty ones have a spot or a dent."""

    def __init__(self, normals: int = 40, size: int = 96, seed: int = 0):
        """Describe the data set.

        Args:
            normals: training images.
            size: side of the images in pixels.
            seed: another seed, other images.
        """
        for name, value, least in (("normals", normals, 1), ("size", size, 32), ("seed", seed, 0)):
            if value < least:
                raise ValueError(f"{name}: {value} is too small; write at least {least}")
        self.normals = normals
        self.size = size
        self.seed = seed
        self.image_size = size

    def samples(self) -> Sequence[Sample]:
        """Normals to train on, then normal and faulty images to test on."""
        train = [Sample(f"discs/train/good/{i:03}.png", "discs", "train") for i in range(self.normals)]
        tests = [
            Sample(f"discs/test/{defect}/{i:03}.png", "discs", "test", defect)
            for defect in ("good", "spot", "dent")
            for i in range(TESTS)
        ]
        return [*train, *tests]

    def image(self, sample: Sample) -> np.ndarray:
        """One image, uint8 [size, size, 3]; it depends on its path and the seed alone."""
        return self._draw(sample)[0]

    def mask(self, sample: Sample) -> np.ndarray:
        """What is wrong with it, bool [size, size]."""
        return self._draw(sample)[1]

    def _draw(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        draws = np.random.default_rng([self.seed, zlib.crc32(sample.path.encode())])
        row, column = np.mgrid[: self.size, : self.size] / self.size  # pixel centres in [0, 1)
        middle_row, middle_column = 0.5 + draws.uniform(-0.04, 0.04, 2)
        disc = np.hypot(row - middle_row, column - middle_column) < 0.36
        grey = np.where(disc, 0.65 + 0.1 * (column - row), 0.15)
        where, turn = draws.uniform(0.05, 0.25), draws.uniform(0, 2 * np.pi)
        if sample.defect == "dent":
            where = 0.34  # at the rim
        apart = np.hypot(row - middle_row - where * np.sin(turn), column - middle_column - where * np.cos(turn))
        mask = np.zeros_like(disc) if sample.defect == "good" else disc & (apart < draws.uniform(0.05, 0.09))
        grey[mask] = 0.15 if sample.defect == "dent" else 0.4
        noisy = grey[..., None] + draws.normal(0, 0.02, (self.size, self.size, 3))
        return (noisy.clip(0, 1) * 255).astype(np.uint8), mask
