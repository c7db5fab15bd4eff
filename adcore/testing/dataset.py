"""What a Dataset promises. One that needs arguments, such as its root, is skipped until the test gives them."""

from __future__ import annotations

from collections import Counter

import numpy as np

from adcore.data.samples import Sample
from adcore.interfaces import Dataset
from adcore.testing.checks import check, require
from adcore.testing.conduct import use
from adcore.testing.subject import Subject

READ = 8
"""Most samples that are read."""


@use("dataset")
def _use(dataset: Dataset) -> None:
    for sample in _some(dataset)[:2]:
        dataset.image(sample)
        dataset.mask(sample)


def _some(dataset: Dataset) -> list[Sample]:
    """A few samples: of every category the first of each split and kind of defect."""
    first: dict[tuple[str, int, str, str], Sample] = {}
    for sample in dataset.samples():
        first.setdefault((sample.split, sample.label, sample.category, sample.defect), sample)
    return [first[key] for key in sorted(first, key=lambda key: (key[2], key[0], key[3]))][:READ]


@check("dataset", 'list at least one Sample with split="train" and defect="good" for every category')
def samples_exist(subject: Subject) -> None:
    """``samples`` lists `adcore.Sample` records, among them normal training images of every category."""
    samples = subject.build().samples()
    require(len(samples) > 0, "it lists no sample")
    strange = next((sample for sample in samples if not isinstance(sample, Sample)), None)
    require(strange is None, f"it lists a {type(strange).__name__}, no adcore.Sample", "return adcore.Sample records")
    splits = {sample.split for sample in samples}
    require(splits <= {"train", "test"}, f"it has the splits {sorted(splits)}", 'write split="train" or "test"')
    normal = {sample.category for sample in samples if sample.split == "train" and not sample.label}
    without = sorted({sample.category for sample in samples} - normal)
    require(not without, f"category {without[0] if without else ''!r} has no normal training image")


@check("dataset", "sort what the file system or a set lists: sorted(folder.iterdir())")
def fixed_order(subject: Subject) -> None:
    """``samples`` lists the same samples in the same order each time."""
    dataset = subject.build()
    first = [*dataset.samples()]
    require(first == [*dataset.samples()], "a second call listed another order")
    require(first == [*subject.build().samples()], "another instance listed another order")


@check("dataset", "give every image of a category one split and one record; several categories may share it")
def disjoint_splits(subject: Subject) -> None:
    """Within a category no image is listed twice: what is tested on was never trained on."""
    counts = Counter((sample.category, sample.path) for sample in subject.build().samples())
    (category, path), most = counts.most_common(1)[0] if counts else (("", ""), 0)
    require(most <= 1, f"category {category!r} lists {path} {most} times")


@check("dataset", 'return np.asarray(image.convert("RGB")), or float32 divided by the highest value of the source')
def readable_images(subject: Subject) -> None:
    """``image`` returns RGB: uint8 [H, W, 3], or float32 [H, W, 3] in [0, 1]; the same each time."""
    dataset = subject.build()
    for sample in _some(dataset):
        image = dataset.image(sample)
        require(isinstance(image, np.ndarray), f"image({sample.path}) is a {type(image).__name__}, no array")
        shape, kind = [*image.shape], image.dtype
        require(len(shape) == 3 and shape[2] == 3 and min(shape) > 0, f"image({sample.path}) is {shape}, not [H, W, 3]")
        require(kind in (np.uint8, np.float32), f"image({sample.path}) is {kind}, neither uint8 nor float32")
        inside = kind == np.uint8 or bool((image >= 0).all() and (image <= 1).all())
        require(inside, f"image({sample.path}) is float32 with values outside [0, 1]")
        require(np.array_equal(image, dataset.image(sample)), f"image({sample.path}) differs when read again")


@check("dataset", "return a bool array of the image's size: np.zeros(image.shape[:2], bool) for a normal sample")
def masks_fit(subject: Subject) -> None:
    """``mask`` returns bool [H, W] of the image's size, all False for a normal sample; None where no truth is known."""
    dataset = subject.build()
    for sample in _some(dataset):
        mask, size = dataset.mask(sample), [*dataset.image(sample).shape[:2]]
        if mask is None:
            require(bool(sample.label), f"mask({sample.path}) is None although the sample is normal")
            continue
        require(isinstance(mask, np.ndarray), f"mask({sample.path}) is a {type(mask).__name__}, no array")
        require(mask.dtype == bool, f"mask({sample.path}) is {mask.dtype}, not bool", "compare: mask = pixels > 0")
        require([*mask.shape] == size, f"mask({sample.path}) is {[*mask.shape]}, its image {size}")
        require(bool(sample.label) or not mask.any(), f"mask({sample.path}) marks a defect on a normal sample")


@check("dataset", "set self.image_size to an int, or to (height, width)")
def image_size_given(subject: Subject) -> None:
    """``image_size`` says at what size its images are best judged: a side in pixels, or (height, width)."""
    size = subject.build().image_size
    sides = (size, size) if isinstance(size, int) else size
    pair = isinstance(sides, tuple) and len(sides) == 2 and all(type(side) is int and side >= 8 for side in sides)
    require(pair, f"image_size is {size!r}")


@check("dataset", "read the path of sample.golden too: a reference is an image like the others")
def readable_references(subject: Subject) -> None:
    """``image`` also reads the golden samples that samples name, through `adcore.Sample.golden`."""
    dataset = subject.build()
    for sample in _some(dataset):
        if sample.golden is None:
            continue
        image = dataset.image(sample.golden)
        right = isinstance(image, np.ndarray) and image.ndim == 3 and image.dtype in (np.uint8, np.float32)
        require(right, f"image({sample.reference}), the reference of {sample.path}, is not uint8 or float32 [H, W, 3]")
        require(sample.reference != sample.path, f"{sample.path} is its own reference")
