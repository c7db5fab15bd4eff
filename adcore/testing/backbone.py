"""What a Backbone promises. Its argument `weights`, where it has one, is ``none`` unless the test gives another."""

from __future__ import annotations

import torch
from torch import Tensor

from adcore.interfaces import Backbone, Features
from adcore.testing import inputs
from adcore.testing.checks import check, require
from adcore.testing.conduct import use
from adcore.testing.subject import Subject


@use("backbone")
def _use(backbone: Backbone) -> None:
    _forward(backbone.eval(), _images(backbone, 1))


def _images(backbone: Backbone, count: int) -> Tensor:
    """Images of a few of the coarsest cells."""
    coarsest = max(backbone.strides)
    return inputs.images(count, 4 * coarsest, 3 * coarsest)


@torch.no_grad()
def _forward(backbone: Backbone, images: Tensor) -> Features:
    levels = backbone(images)
    require(
        isinstance(levels, tuple) and all(isinstance(level, Tensor) for level in levels),
        f"forward returned a {type(levels).__name__}, no tuple of tensors",
        "return tuple(levels)",
    )
    return levels  # type: ignore[no-any-return]


def _eval(subject: Subject) -> Backbone:
    backbone: Backbone = subject.build()
    return backbone.eval()


@check(
    "backbone",
    "set self.channels and self.strides to tuples of int, fine to coarse, and self.pretrained to a bool in __init__",
)
def declared_levels(subject: Subject) -> None:
    """``channels`` and ``strides`` have an int > 0 for each level, fine to coarse; ``pretrained`` is a bool."""
    backbone = subject.build()
    for name in ("channels", "strides"):
        declared = getattr(backbone, name, None)
        whole = isinstance(declared, tuple) and all(type(value) is int and value > 0 for value in declared)
        require(bool(declared) and whole, f"{name} is {declared!r}, no tuple of int")
    channels, strides = backbone.channels, backbone.strides
    require(len(channels) == len(strides), f"{len(channels)} channels {channels} but {len(strides)} strides {strides}")
    require(list(strides) == sorted(strides), f"strides {strides} are not fine to coarse")
    pretrained = getattr(backbone, "pretrained", None)
    require(isinstance(pretrained, bool), f"pretrained is {pretrained!r}, neither True nor False")


@check("backbone", "make self.channels and self.strides say what forward returns, level by level")
def levels_as_declared(subject: Subject) -> None:
    """Level ``l`` of an H x W image is float [B, channels[l], about H / strides[l], about W / strides[l]]."""
    backbone = _eval(subject)
    _as_declared(backbone, _images(backbone, 2))


@check("backbone", "pad the image to what the network needs and crop the levels, as adcore.pyramid.TimmPyramid does")
def any_size(subject: Subject) -> None:
    """Images need not be square, nor a whole number of cells in height and width."""
    backbone = _eval(subject)
    coarsest = max(backbone.strides)
    for height, width in ((coarsest, 2 * coarsest), (3 * coarsest + 3, 2 * coarsest + 1)):
        _as_declared(backbone, inputs.images(1, height, width))


def _as_declared(backbone: Backbone, images: Tensor) -> None:
    count, (height, width) = len(images), images.shape[-2:]
    levels, declared = _forward(backbone, images), [*zip(backbone.channels, backbone.strides, strict=True)]
    require(
        len(levels) == len(declared), f"{len(levels)} levels came of a {height} x {width} image, not {len(declared)}"
    )
    for index, (level, (channels, stride)) in enumerate(zip(levels, declared, strict=True)):
        shape = list(level.shape)
        fits = len(shape) == 4 and shape[:2] == [count, channels]
        fits = fits and max(abs(shape[2] - height / stride), abs(shape[3] - width / stride)) < 2
        require(
            fits,
            f"level {index} of a {height} x {width} image is {shape}, not about "
            f"[{count}, {channels}, {height / stride:.3g}, {width / stride:.3g}] (stride {stride})",
        )
        finite = level.is_floating_point() and bool(level.isfinite().all())
        require(finite, f"level {index} holds what is no finite float", "normalise images and start from usual weights")


@check("backbone", "normalise with fixed or running statistics, never with those of the batch, in eval mode")
def batch_does_not_matter(subject: Subject) -> None:
    """In eval mode an image has the same features alone as among others."""
    backbone = _eval(subject)
    images = _images(backbone, 4)
    together, alone = _forward(backbone, images), _forward(backbone, images[2:3])
    for index, (many, one) in enumerate(zip(together, alone, strict=True)):
        far, scale = float((many[2:3] - one).abs().max()), max(1.0, float(one.abs().max()))
        require(far <= 1e-4 * scale, f"features of level {index} differ by {far:.2g} in a batch of 4 from those alone")


@check("backbone", "switch off in eval mode what draws at random: dropout by nn.Dropout, drop_path_rate=0")
def deterministic_in_eval(subject: Subject) -> None:
    """In eval mode the same images give the same features, bit by bit."""
    backbone = _eval(subject)
    images = _images(backbone, 2)
    for index, (one, two) in enumerate(zip(_forward(backbone, images), _forward(backbone, images), strict=True)):
        require(torch.equal(one, two), f"a second call gave other features at level {index}")


@check("backbone", "compute out of place: (images - mean) / std, not images.sub_(mean)")
def input_untouched(subject: Subject) -> None:
    """``forward`` leaves the images as they were."""
    backbone = _eval(subject)
    images = _images(backbone, 2)
    kept = images.clone()
    _forward(backbone, images)
    require(torch.equal(images, kept), "the images were changed")
