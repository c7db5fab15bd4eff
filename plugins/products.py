"""Procedural products as a data set: to train a head that compares on, before any real image is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import numpy as np

from adcore.data.samples import Sample
from adcore.errors import UserError
from adcore.interfaces import Dataset
from adcore.products import DEFECTS, KINDS, Product
from adcore.suggestions import did_you_mean

CACHE_BYTES = 2**26
PRODUCTS = 64
"""Most products that are kept ready."""


class Products(Dataset):
    """Random products, each a category of its own: surfaces, objects, assemblies, prints, with defects and exact masks.

    Nothing is stored: an image is rendered when it is asked for, from the seed, its category and its path alone. What
    is normal - pose, light, colour, noise, dirt - differs from product to product, and has to be learnt from its
    training images. What each image shows is also to be had without a data set, see `adcore.products.Product`.

    Args:
        count: number of products.
        normals: training images of each.
        good: normal test images of each.
        defective: test images of each with a defect.
        image_size: side of the images in pixels.
        seed: another seed, other products.
        kinds: which kinds of products; all by default.
        defects: which kinds of defects; all by default.
    """

    def __init__(
        self,
        count: int = 100,
        normals: int = 8,
        good: int = 4,
        defective: int = 8,
        image_size: int = 256,
        seed: int = 0,
        kinds: list[str] | None = None,
        defects: list[str] | None = None,
    ):
        self.count = count
        self.normals = normals
        self.good = good
        self.defective = defective
        self.image_size: int = image_size
        self.seed = seed
        self.kinds = kinds
        self.defects = defects

    def samples(self) -> Sequence[Sample]:
        """All samples, product by product; nothing is rendered. The kind of defect is always called ``defective``.

        Raises:
            UserError: a number out of range, an unknown kind of product or defect.
        """
        return self._samples

    def image(self, sample: Sample) -> np.ndarray:
        """One image, read-only uint8 [image_size, image_size, 3]."""
        return self._rendered(sample.path)[0]

    def mask(self, sample: Sample) -> np.ndarray:
        """Where the defect is visible: read-only bool [image_size, image_size]."""
        return self._rendered(sample.path)[1] if sample.label else np.zeros((self.image_size,) * 2, bool)

    def check(self) -> None:
        """Nothing can be missing or broken: only the arguments are checked."""
        self.samples()

    @cached_property
    def _samples(self) -> list[Sample]:
        for setting, least in (("count", 1), ("normals", 1), ("good", 0), ("defective", 0), ("seed", 0)):
            if getattr(self, setting) < least:
                raise UserError(f"products: {setting} is {getattr(self, setting)}, it has to be at least {least}")
        if not 32 <= self.image_size <= 2048:
            raise UserError(f"products: image_size is {self.image_size}, it has to be between 32 and 2048")
        _known("kinds", self.kinds, KINDS)
        _known("defects", self.defects, DEFECTS)
        return [sample for number in range(self.count) for sample in self._listed(number)]

    def _listed(self, number: int) -> list[Sample]:
        category = f"product{number:05}"
        train = [Sample(f"{category}/train/good/{i:04}.png", category, "train") for i in range(self.normals)]
        good = [Sample(f"{category}/test/good/{i:04}.png", category, "test") for i in range(self.good)]
        wrong = [
            Sample(f"{category}/test/defective/{i:04}.png", category, "test", "defective")
            for i in range(self.defective)
        ]
        return [*train, *good, *wrong]

    @cached_property
    def _product(self) -> Callable[[int], Product]:
        return lru_cache(PRODUCTS)(lambda number: Product((self.seed, number), self.kinds, self.defects))

    @cached_property
    def _rendered(self) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
        return lru_cache(max(8, CACHE_BYTES // (4 * self.image_size**2)))(self._render)  # image and mask of one path

    def _render(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        category, split, defect, name = path.split("/")
        product, index = self._product(int(category.removeprefix("product"))), int(name.removesuffix(".png"))
        if defect == "good":
            image = product.normal(2 * index + (split == "test"), self.image_size)
            mask = np.zeros(image.shape[1:], bool)
        else:
            image, soft, _ = product.defective(index, self.image_size)
            mask = soft > 0.5
        pixels = np.rint(image * 255).astype(np.uint8).transpose(1, 2, 0).copy()
        for array in (pixels, mask):
            array.setflags(write=False)
        return pixels, mask


def _known(setting: str, chosen: list[str] | None, known: Sequence[str]) -> None:
    if chosen is not None and not chosen:
        raise UserError(f"products: {setting} is empty; leave it out for all of {', '.join(known)}")
    for word in chosen or ():
        if word not in known:
            hint = did_you_mean(word, known)
            raise UserError(f"products: {setting} has no {word!r} (there are {', '.join(known)}){hint}")
