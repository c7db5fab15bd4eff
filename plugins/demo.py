"""The demo set as a data set: nothing to download, made image by image when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import numpy as np

from adcore.data.demo import rendering
from adcore.data.demo.catalogue import Item, choose, listing
from adcore.data.samples import Sample
from adcore.interfaces import Dataset

CACHE_BYTES = 2**27


class Demo(Dataset):
    """Procedural products with five kinds of defect and exact masks; made in seconds, nothing to download.

    `fabric` is a texture, `board` an aligned part, `gear` a freely rotated one. `plate_line_a` and `plate_line_b` are
    one part made on two lines: brushed is normal on line a, a defect on line b, and both list the same test images. The
    reference of each image is the same part without a defect, in another light.

    Args:
        categories: which of them; all by default.
        normals: training images of each category.
        size: side of the images in pixels.
        seed: another seed, other images. An image depends on its path, the size and the seed alone.
    """

    def __init__(self, categories: list[str] | None = None, normals: int = 100, size: int = 128, seed: int = 0):
        self.categories = categories
        self.normals = normals
        self.size = size
        self.seed = seed
        self.image_size = size

    def samples(self) -> Sequence[Sample]:
        """All samples, category by category.

        Raises:
            UserError: an unknown category, no normals, or images too small to show anything.
        """
        return [sample for sample, _ in self._listing]

    def image(self, sample: Sample) -> np.ndarray:
        """One image, or the golden sample of one, read-only uint8 [size, size, 3]."""
        return self._image(self._items[sample.path])

    def mask(self, sample: Sample) -> np.ndarray:
        """What is wrong for the sample's category: bool [size, size]."""
        return rendering.mask(sample, self._items[sample.path], self.size, self.seed)

    def check(self) -> None:
        """Nothing can be missing or broken: only the arguments are checked."""
        self.samples()

    @cached_property
    def _listing(self) -> list[tuple[Sample, Item]]:
        chosen = choose(self.categories, self.normals, self.size, self.seed)
        return [entry for category in chosen for entry in listing(category, self.normals)]

    @cached_property
    def _items(self) -> dict[str, Item]:
        items = [item for _, item in self._listing]
        return {item.path: item for item in (*items, *(item.golden for item in items))}

    @cached_property
    def _image(self) -> Callable[[Item], np.ndarray]:
        # epochs and the two plate lines ask for the same images again
        return lru_cache(max(1, CACHE_BYTES // (3 * self.size**2)))(
            lambda item: rendering.image(item, self.size, self.seed)
        )
