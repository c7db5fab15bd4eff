"""Features of a context's references: computed one reference at a time, kept while they fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from torch import Tensor

from adcore.background import prefetched
from adcore.interfaces import Features

MEMORY = 192 * 2**20
"""Bytes of features that are kept; those beyond are computed again each time."""


class ReferenceFeatures(Sequence[Features]):
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
        self._images = images
        self._extract = extract
        self._memory = memory
        self._kept: dict[int, Features] = {}

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, place: int) -> Features: ...
    @overload
    def __getitem__(self, place: slice) -> list[Features]: ...
    def __getitem__(self, place: int | slice) -> Features | list[Features]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        place = range(len(self))[place]
        return self._kept[place] if place in self._kept else self._computed(place, self._images[place])

    def __iter__(self) -> Iterator[Features]:
        missing = {place: None for place in range(len(self)) if place not in self._kept}
        images = prefetched(self._images.__getitem__, missing)
        for place in range(len(self)):
            yield self._computed(place, next(images)) if place in missing else self._kept[place]

    def _computed(self, place: int, image: Tensor) -> Features:
        features = self._extract(image)
        size = sum(level.nbytes for level in features)
        if place not in self._kept and size <= self._memory:
            self._kept[place] = features
            self._memory -= size
        return features
