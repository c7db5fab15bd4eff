"""Normal images that contexts are made from: given for the first time, or read once more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from adcore.context import Context
from adcore.data.arrays import ImageLike, as_array
from adcore.data.resizing import to_tensor
from adcore.data.samples import Sample
from adcore.errors import UserError
from adcore.interfaces import Dataset
from adcore.store import sha256


class NormalImages:
    """Gives each image a path, and reads it at the model's size. No image is counted twice."""

    def __init__(self, data: Dataset, size: tuple[int, int]):
        """Prepare.

        Args:
            data: of the run that made the model; its images are read by it, all others as files.
            size: of the images, (height, width).
        """
        self._data = data
        self._size = size
        self._arrays: dict[str, np.ndarray] = {}
        self._seen: dict[str, str] = {}  # hash or path -> path

    def add(self, images: Sequence[ImageLike]) -> list[str]:
        """Take in further images; returns their paths, absolute ones of files.

        Raises:
            UserError: a file is missing, or an image is given twice.
        """
        paths = []
        for image in images:
            if isinstance(image, str | os.PathLike):
                path = str(Path(image).absolute())
                digest = sha256(path)
                if digest is None:
                    raise UserError(f"{image}: no such image")
            else:
                pixels = as_array(image)
                digest = hashlib.sha256(pixels.tobytes()).hexdigest()
                path = f"array:{digest[:16]}"
                self._arrays[path] = pixels
            if digest in self._seen:
                raise UserError(f"{path}: is the same image as {self._seen[digest]}; name it once")
            self._seen[digest] = path
            paths.append(path)
        return paths

    def again(self, context: Context) -> None:
        """Take in the images that a context was made from.

        Raises:
            UserError: one is gone or was changed, so the context cannot be made again.
        """
        for path in context.images:
            known = context.hashes.get(path)
            if lost := self._lost(path, known):
                raise UserError(
                    f"context '{context.name}' cannot be made again with further images: {lost}, or add a new context "
                    "from the images that there are"
                )
            self._seen[known or path] = path

    def _lost(self, path: str, known: str | None) -> str:
        """Why the image of this path and hash cannot be read once more; empty where it can."""
        if known is None:
            return "" if path in self._samples else f"{path} is no file"
        digest = sha256(path)
        if digest == known:
            return ""
        if digest:
            return f"{path} was changed since; put it back"
        return f"{path} is not there{' any more' if os.path.isabs(path) else f', seen from {Path.cwd()}'}; put it back"

    @cached_property
    def _samples(self) -> dict[str, Sample]:
        """Samples of the run's data set by path; none where it is not there any more."""
        try:
            return {sample.path: sample for sample in self._data.samples()}
        except UserError:
            return {}

    def read(self, path: str) -> Tensor:
        """An image by its path, float [3, H, W]."""
        if path in self._arrays:
            pixels = self._arrays[path]
        elif path in self._samples:
            pixels = self._data.image(self._samples[path])
        else:
            pixels = as_array(path)
        return to_tensor(pixels, self._size)
