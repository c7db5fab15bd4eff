"""The demo set as a folder of files in MVTec layout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from adcore.data.demo import rendering
from adcore.data.demo.catalogue import listing
from adcore.data.samples import Sample


def write(root: Path, categories: Sequence[str], normals: int, size: int, seed: int) -> Iterator[Path]:
    """Write the demo set and yield each image's file when it is there.

    A test image that two categories share is one file, to which the second category has a relative symbolic link, or a
    copy where the file system has no links.

    Args:
        root: folder to write into.
        categories: which categories.
        normals: training images of each.
        size: side of the images in pixels.
        seed: of the images.
    """
    written: dict[str, Path] = {}
    for category in categories:
        for sample, item in listing(category, normals):
            file = root / category / sample.split / sample.defect / _name(sample)
            file.parent.mkdir(parents=True, exist_ok=True)
            if sample.path in written:
                _share(written[sample.path], file)
            else:
                _save(rendering.image(item, size, seed), file)
                written[sample.path] = file
            if sample.label:
                truth = root / category / "ground_truth" / sample.defect / f"{file.stem}_mask.png"
                truth.parent.mkdir(parents=True, exist_ok=True)
                _save(rendering.mask(sample, item, size, seed).astype(np.uint8) * 255, truth)
            yield file


def _name(sample: Sample) -> str:
    """File name; a brushed plate that is good on its line must not meet a clean one of the same number."""
    path = PurePosixPath(sample.path)
    return path.name if path.parent.name == sample.defect else f"{path.parent.name}_{path.name}"


def _save(pixels: np.ndarray, file: Path) -> None:
    Image.fromarray(pixels).save(file, compress_level=1)


def _share(original: Path, file: Path) -> None:
    try:
        file.symlink_to(os.path.relpath(original, file.parent))
    except (OSError, NotImplementedError):
        shutil.copyfile(original, file)
