"""Features of a context's references: computed one reference at a time, kept while they fit in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from adcore.background import prefetched
from adcore.interfaces import Features
from adcore.lazy_sequence import LazySequence

MEMORY = 192 * 2**20
"""Bytes of features that are kept; those beyond are computed again each time."""

MEMORY_BY_CONTENT = 96 * 2**20
"""Bytes of features that are kept by what the image shows."""


def digest(image: Tensor) -> str:
    """What tells an image from all others: a hash of its numbers."""
    return hashlib.sha256(image.detach().cpu().contiguous().numpy().data).hexdigest()


class Remembered:
    """Features of images, computed once for images that show the same, while they fit in memory."""

    def __init__(self, extract: Callable[[Tensor], Features], memory: int = MEMORY_BY_CONTENT):
        """Compute nothing yet.

        Args:
            extract: makes the pyramid of an image, [1, 3, H, W]; the same each time.
            memory: bytes of features that are kept.
        """
        self._extract = extract
        self._memory = memory
        self._kept: dict[str, Features] = {}

    def __call__(self, image: Tensor) -> Features:
        """The pyramid of an image, [1, 3, H, W]; not to be changed."""
        content = digest(image)
        if content not in self._kept:
            features = self._extract(image)
            size = sum(level.nbytes for level in features)
            if size > self._memory:
                return features
            self._memory -= size
            self._kept[content] = features
        return self._kept[content]


class ReferenceFeatures(LazySequence[Features]):
    """The pyramid of each reference's views, [views, C_l, H_l, W_l].

    Going through it in order reads the images ahead.
    """

    def __init__(self, images: Sequence[Tensor], extract: Callable[[Tensor], Features], memory: int = MEMORY):
        """Compute nothing yet.

        Args:
            images: float [3, H, W] each, read when asked for.
            extract: makes the pyramid of one image; the same each time.
            memory: bytes of features that are kept.
        """
        super().__init__(extract, images)
        self._memory = memory
        self._kept: dict[int, Features] = {}

    def __iter__(self) -> Iterator[Features]:
        missing = {place: None for place in range(len(self)) if place not in self._kept}
        images = prefetched(self._items.__getitem__, missing)
        for place in range(len(self)):
            yield self._computed(place, next(images)) if place in missing else self._kept[place]

    def _at(self, place: int) -> Features:
        return self._kept[place] if place in self._kept else self._computed(place, self._items[place])

    def _computed(self, place: int, image: Tensor) -> Features:
        features = self._function(image)
        size = sum(level.nbytes for level in features)
        if place not in self._kept and size <= self._memory:
            self._kept[place] = features
            self._memory -= size
        return features
