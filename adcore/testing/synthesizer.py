"""What a Synthesizer promises."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from adcore.interfaces import Synthesizer
from adcore.testing import inputs
from adcore.testing.checks import check, require
from adcore.testing.conduct import use
from adcore.testing.guards import seeded
from adcore.testing.subject import Subject

DRAWS = 12
"""Defects that are made to judge a synthesizer by."""

NOTICEABLE = 2 / 255
"""Mean change that is at least expected where the mask is above 0.5."""


@use("synthesizer")
def _use(synthesizer: Synthesizer) -> None:
    image, source = _images()
    synthesizer.synthesize(image, source, inputs.generator())


def _images(height: int = 64, width: int = 64) -> tuple[Tensor, Tensor]:
    """An image and another one to take texture from: a textured part before a plain background."""
    image, source = inputs.images(2, height, width)
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[height // 6 : -height // 6, width // 6 : -width // 6] = True
    return torch.where(inside, image, torch.tensor(0.9)), torch.where(inside, source, torch.tensor(0.9))


def _made(synthesizer: Synthesizer, height: int = 64, width: int = 64) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Image, result and mask of several draws."""
    image, source = _images(height, width)
    generator = inputs.generator()
    for _ in range(DRAWS):
        result, mask = synthesizer.synthesize(image.clone(), source.clone(), generator)
        yield image, result, mask


@check("synthesizer", "return (image, mask): image float32 [3, H, W], mask float32 [H, W] without a channel dimension")
def image_and_mask(subject: Subject) -> None:
    """``synthesize`` returns image and mask, float32 [3, H, W] and [H, W], of the image's size, square or not."""
    for height, width in ((64, 64), (40, 72)):
        for _, result, mask in _made(subject.build(), height, width):
            for name, tensor, shape in (("image", result, [3, height, width]), ("mask", mask, [height, width])):
                require(isinstance(tensor, Tensor), f"the {name} is a {type(tensor).__name__}, no tensor")
                require([*tensor.shape] == shape, f"the {name} has shape {[*tensor.shape]}, not {shape}")
                require(tensor.dtype == torch.float32, f"the {name} is {tensor.dtype}, not float32")


@check("synthesizer", "clamp both: result.clamp(0, 1), mask.clamp(0, 1)")
def values_in_range(subject: Subject) -> None:
    """Image and mask are within [0, 1]."""
    for _, result, mask in _made(subject.build()):
        for name, tensor in (("image", result), ("mask", mask)):
            low, high = float(tensor.min()), float(tensor.max())
            require(low >= 0 and high <= 1, f"the {name} has values from {low:.3g} to {high:.3g}")


@check("synthesizer", "put the original back outside the defect: torch.where(mask > 0, result, image)")
def unchanged_outside_mask(subject: Subject) -> None:
    """Where the mask is 0 the image is what it was."""
    for image, result, mask in _made(subject.build()):
        wrong = int(((result != image).any(0) & (mask == 0)).sum())
        require(wrong == 0, f"{wrong} pixels were changed where the mask is 0")


@check("synthesizer", "derive the mask from what has changed, as adcore.synthesis.change.soft_mask does")
def changed_inside_mask(subject: Subject) -> None:
    """Most calls make a defect, and where the mask is above 0.5 the image has changed, on average."""
    change, defects = [], 0
    for image, result, mask in _made(subject.build()):
        change.append((result - image).abs().amax(0)[mask > 0.5])
        defects += bool((mask > 0).any())
    require(defects >= DRAWS / 2, f"{defects} of {DRAWS} calls made a defect (a mask above 0 anywhere)")
    labelled = torch.cat(change)
    require(len(labelled) > 0, f"no mask of {DRAWS} is above 0.5 anywhere")
    mean = float(labelled.mean())
    require(mean >= NOTICEABLE, f"where the mask is above 0.5 the image changed by {mean:.2g} on average")


@check(
    "synthesizer", "pass generator=generator to every torch.rand, randn and randint; use no random and no numpy.random"
)
def seeded_by_generator(subject: Subject) -> None:
    """The same state of the generator gives the same result, another state another one; nothing else is drawn from."""
    image, source = _images()

    def made(seed: int, around: int) -> tuple[Tensor, Tensor]:
        synthesizer = subject.build()
        with seeded(around):
            result, mask = synthesizer.synthesize(image.clone(), source.clone(), inputs.generator(seed))
        return result, mask

    for seed in range(3):
        (one, mask), (two, other) = made(seed, 0), made(seed, 1)
        require(torch.equal(one, two) and torch.equal(mask, other), "an equal generator gave another result")
    pairs = [made(seed, 0) for seed in range(4)]
    alike = all(torch.equal(pair[0], pairs[0][0]) and torch.equal(pair[1], pairs[0][1]) for pair in pairs)
    require(not alike, "four generators gave one result")


@check("synthesizer", "work on a copy: result = image.clone()")
def input_untouched(subject: Subject) -> None:
    """``synthesize`` leaves the image and the source as they were."""
    synthesizer, (image, source) = subject.build(), _images()
    kept = image.clone(), source.clone()
    generator = inputs.generator()
    for _ in range(3):
        synthesizer.synthesize(image, source, generator)
    for name, now, before in (("image", image, kept[0]), ("source", source, kept[1])):
        require(torch.equal(now, before), f"the {name} was changed")
