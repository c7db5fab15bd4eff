"""Image files in MVTec layout as a data set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from adcore.data.categories import choose
from adcore.data.decoding import EXTENSIONS, image_size, read_image, read_mask
from adcore.data.samples import Sample
from adcore.errors import UserError
from adcore.interfaces import Dataset

LAYOUT = "ROOT/[CATEGORY/]train/good/*.png, test/good/*.png, test/DEFECT/*.png, ground_truth/DEFECT/*_mask.png"


class Folder(Dataset):
    """Images in MVTec layout: train/good, test/good, test/<defect>, ground_truth/<defect>; one category or many.

    A root that itself holds ``train`` is one category, else every folder in it that holds ``train/good`` is. Masks are
    optional: ``<image>_mask`` or ``<image>`` in ``ground_truth/<defect>``, of the image's size. Images in
    ``train/<defect>`` are real anomalies to train on, their masks lie in the same ``ground_truth/<defect>``. Hidden
    files, other files than images, and masks in ``ground_truth/good`` are not read. Links that lead to one file count
    as one image.

    Golden samples are optional. That of ``test/dent/07.png`` is ``reference/test/dent/07``, ``reference/test/07``,
    ``reference/dent/07`` or ``reference/07``, the first that is there; that of ``train/good/07.png`` only
    ``reference/train/good/07`` or ``reference/train/07``. One may serve many: ``a`` serves each image ``a_*`` and
    ``a-*``. ``_temp`` at the end of its name does not count: ``reference/7_temp.png`` serves ``test/dent/7_test.png``.

    Args:
        root: the folder.
        categories: which categories; all by default.
    """

    def __init__(self, root: str, categories: list[str] | None = None):
        self.root = root
        self.categories = categories

    def samples(self) -> Sequence[Sample]:
        """All samples: category by category, training before test, good first, in natural order.

        Raises:
            UserError: a missing root, category or image, a mask without its image, an image or mask listed twice.
        """
        return self._samples

    def image(self, sample: Sample) -> np.ndarray:
        """One image, see `adcore.data.decoding.read_image`."""
        return read_image(sample.path)

    def mask(self, sample: Sample) -> np.ndarray | None:
        """Ground truth, see `adcore.data.decoding.read_mask`; None for an anomalous image without a mask file."""
        if not sample.label:
            return np.zeros(image_size(sample.path), bool)
        return read_mask(sample.mask) if sample.mask else None

    def check(self) -> None:
        """Read the headers of all files and compare sizes, then decode all, in parallel, as only that finds truncation.

        Raises:
            UserError: the first file found wrong, by name.
        """
        masked = {sample.mask: sample.path for sample in self.samples() if sample.mask}
        golden = dict.fromkeys(sample.reference for sample in self.samples() if sample.reference)
        images = dict.fromkeys(sample.path for sample in self.samples())
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            sizes = dict(zip(images, threads.map(image_size, images), strict=True))
            for (mask, image), size in zip(masked.items(), threads.map(image_size, masked), strict=True):
                if size != sizes[image]:
                    raise UserError(
                        f"{mask}: the mask is {_in_words(size)}, its image {image} {_in_words(sizes[image])}"
                    )
            for _ in threads.map(_try_to_read, (*images, *masked, *golden)):
                pass

    @cached_property
    def _samples(self) -> list[Sample]:
        try:
            return self._listed(Path(self.root))
        except OSError as error:
            raise UserError(f"{error.filename or self.root}: cannot list it ({error.strerror or error})") from error

    def _listed(self, root: Path) -> list[Sample]:
        if not root.is_dir():
            raise UserError(f"{self.root}: {'is not a folder' if root.exists() else 'no such folder'} (data.root)")
        if (root / "train").is_dir():
            folders = {root.resolve().name: root}
        else:
            folders = {folder.name: folder for folder in _folders(root) if (folder / "train" / "good").is_dir()}
        if not folders:
            raise UserError(f"{self.root}: no category in it, expected {LAYOUT}")
        chosen = choose(self.categories, list(folders), self.root)
        return [sample for category in chosen for sample in _category(root, folders[category], category)]


def _category(root: Path, folder: Path, category: str) -> Iterator[Sample]:
    """The samples of one category.

    Raises:
        UserError: see `Folder.samples`.
    """
    if not _images(folder / "train" / "good"):
        raise UserError(f"{folder / 'train' / 'good'}: no images, every category needs normal ones (expected {LAYOUT})")
    masks, references = _Masks(folder / "ground_truth"), _References(folder / "reference")
    listed: dict[str, Path] = {}
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    for split in splits:
        for defect in sorted(_folders(folder / split), key=lambda folder: (folder.name != "good", _natural(folder))):
            for image in _images(defect):
                path = _path(root, image)
                if path in listed:
                    raise UserError(f"{image} and {listed[path]} are one file, which would be used twice: remove one")
                listed[path] = image
                mask = masks.of(image) if defect.name != "good" else None
                golden = references.of(image, split)
                yield Sample(
                    path,
                    category,
                    split,
                    defect.name,
                    mask.as_posix() if mask else None,
                    golden.as_posix() if golden else None,
                )
    masks.check_orphans()


class _Masks:
    """The masks of a category and the images that they were found to belong to."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files: dict[tuple[str, str], Path] = {}
        self.owner: dict[Path, Path] = {}
        for defect in _folders(folder):
            for mask in _images(defect) if defect.name != "good" else ():
                other = self.files.setdefault((defect.name, mask.stem), mask)
                if other != mask:
                    raise UserError(f"{other} and {mask}: two masks of one image, remove one")

    def of(self, image: Path) -> Path | None:
        """The mask of an image, if there is one."""
        defect = image.parent.name
        for stem in (f"{image.stem}_mask", image.stem):
            mask = self.files.get((defect, stem))
            if mask is None:
                continue
            if mask in self.owner:
                raise UserError(f"{mask}: does it belong to {self.owner[mask]} or {image}? Rename one of them")
            self.owner[mask] = image
            return mask
        return None

    def check_orphans(self) -> None:
        """Every mask has its image, or something is misnamed."""
        for (defect, stem), mask in self.files.items():
            if mask not in self.owner:
                image = self.folder.parent / "test" / defect / stem.removesuffix("_mask")
                raise UserError(f"{mask}: a mask without its image, expected {image}.*")


class _References:
    """The golden samples of a category."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.listed: dict[Path, dict[str, Path]] = {}

    def of(self, image: Path, split: str) -> Path | None:
        """The golden sample of an image, if there is one."""
        defect = image.parent.name
        places = [self.folder / split / defect, self.folder / split]
        if split == "test":  # numbers of training images are often the same
            places += [self.folder / defect, self.folder]
        for folder in places:
            files = self._files(folder)
            fitting = [stem for stem in files if image.stem == stem or image.stem.startswith((f"{stem}_", f"{stem}-"))]
            if fitting:
                return files[max(fitting, key=len)]
        return None

    def _files(self, folder: Path) -> dict[str, Path]:
        """The images in a folder by the names that they serve."""
        if folder not in self.listed:
            files = self.listed[folder] = {}
            for file in _images(folder):
                other = files.setdefault(file.stem.removesuffix("_temp"), file)
                if other != file:
                    raise UserError(f"{other} and {file}: two golden samples of one name, remove one")
        return self.listed[folder]


def _path(root: Path, file: Path) -> str:
    """The file as given; a file reached through links by its one real name, so that it is known to be the same."""
    real, real_root = Path(os.path.realpath(file)), Path(os.path.realpath(root))
    if not real.is_relative_to(real_root):
        return real.as_posix()
    return (root / real.relative_to(real_root)).as_posix()


def _folders(folder: Path) -> list[Path]:
    found = (entry for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else ()
    return sorted((entry for entry in found if not entry.name.startswith(".")), key=_natural)


def _images(folder: Path) -> list[Path]:
    found = (file for file in folder.iterdir() if file.suffix.lower() in EXTENSIONS) if folder.is_dir() else ()
    return sorted((file for file in found if not file.name.startswith(".")), key=_natural)


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Sorts 2 before 10."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [int(part) if part.isdecimal() else part for part in parts], path.name


def _try_to_read(path: str) -> None:
    read_image(path)


def _in_words(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]} pixels"
