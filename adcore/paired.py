"""Golden samples: an image beside references of its own, laid on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from adcore.branches import Maps
from adcore.calibration import Calibration
from adcore.context import Context
from adcore.data.resizing import to_tensor
from adcore.detector import Detector
from adcore.fitting import Draft
from adcore.precision import in_floats
from adcore.prediction import Prediction
from adcore.registration import register
from adcore.similarity import Similarity, warp
from adcore.studying import fit_references

KEPT = 16
"""References kept in memory."""
OUTSTANDING, LEAST = 6.0, 0.1
"""A rule of thumb: how many times the usual difference in an image, and at least which share of the references' own,
stands out. Beside one good bottle 1 or 2 of 30 normal and 40 to 42 of 45 defective ones do."""

EVEN_ODDS = 0.0
"""Log-odds of what is as likely as not."""


@dataclass(frozen=True)
class Laid:
    """References in the frame of an image.

    Attributes:
        references: float [k, 3, H, W]. What one does not show is the mean of those that do, or the image itself.
        shown: bool [H, W], what any reference shows; elsewhere there is nothing to compare with.
        transforms: how each reference was laid.
    """

    references: Tensor
    shown: Tensor
    transforms: tuple[Similarity, ...]


def lay(references: Sequence[Tensor], image: Tensor, size: tuple[int, int]) -> Laid:
    """Register references with an image, and lay them on it.

    Args:
        references: float [3, H, W] in [0, 1] each, at the model's size.
        image: float [3, H, W] in [0, 1], at the model's size.
        size: height and width of the image before it was resized.
    """
    transforms = tuple(register(reference, image, size).transform for reference in references)
    parts = [warp(reference, transform) for reference, transform in zip(references, transforms, strict=True)]
    warped = torch.stack([part for part, _ in parts])  # [k, 3, H, W]
    inside = torch.stack([mask for _, mask in parts])[:, None]  # [k, 1, H, W]
    count = inside.sum(0)  # [1, H, W]
    mean = (warped * inside).sum(0) / count.clamp_min(1)
    mean = torch.where(count > 0, mean, _in_the_light_of(image, mean, count[0] > 0))
    return Laid(torch.where(inside, warped, mean), count[0] > 0, transforms)


def _in_the_light_of(image: Tensor, other: Tensor, shown: Tensor) -> Tensor:
    """The image with mean and spread of each colour as the other has them where both show something."""
    if not shown.any():
        return image
    own, wanted = image[:, shown], other[:, shown]  # [3, P]
    scale = wanted.std(1, correction=0) / own.std(1, correction=0).clamp_min(1e-3)
    return ((image - own.mean(1)[:, None, None]) * scale[:, None, None] + wanted.mean(1)[:, None, None]).clamp(0, 1)


@dataclass(frozen=True)
class Pair:
    """An image and what its own references say is normal.

    Attributes:
        image: float [3, H, W], on the detector's device.
        draft: the context of its references, laid on it, without a fuser's state.
        shown: bool [H, W], see `Laid`.
        transforms: how each reference was laid; empty where they were taken as they are.
    """

    image: Tensor
    draft: Draft
    shown: Tensor
    transforms: tuple[Similarity, ...]

    def context(self, shared: Context) -> Context:
        """The context of this image alone, with what all images share: the fuser's state, the gate, the calibration."""
        return replace(self.draft.context, fuser=shared.fuser, gate=shared.gate, calibration=shared.calibration)


class PairFitter:
    """Makes contexts for single images, and judges by them, without integers: little is known of so few."""

    def __init__(self, detector: Detector, read: Callable[[str], np.ndarray], registration: bool = True):
        """Prepare.

        Args:
            detector: on its device, for evaluation.
            read: gives the reference of a path, as `adcore.interfaces.Dataset.image` does.
            registration: whether references are laid on the image first; else they are taken as they are.
        """
        self.detector = detector
        self.registration = registration
        self._reference = lru_cache(KEPT)(lambda path: to_tensor(read(path), detector.image_size))
        self.as_they_are = lru_cache(1)(self._as_they_are)

    def pair(self, label: str, image: np.ndarray, paths: Sequence[str]) -> Pair:
        """Put an image beside references.

        Args:
            label: name of the context.
            image: as `adcore.interfaces.Dataset.image` gives it.
            paths: of the references.
        """
        tensor, device, names = to_tensor(image, self.detector.image_size), self.detector.device, tuple(paths)
        laid = None
        if self.registration:
            laid = lay([self._reference(path) for path in names], tensor, (image.shape[0], image.shape[1]))
        if laid is None or all(transform.identity for transform in laid.transforms):
            everything = torch.ones(self.detector.image_size, dtype=torch.bool, device=device)
            draft, transforms = self.as_they_are(label, names), laid.transforms if laid else ()
            return Pair(tensor.to(device), draft, everything, transforms)
        return Pair(
            tensor.to(device), self._draft(label, names, laid.references), laid.shown.to(device), laid.transforms
        )

    @in_floats()
    def maps(self, pair: Pair, shared: Context) -> Maps:
        """Maps of both branches, with a fuser and a calibration that other images share."""
        return self.detector.branch_maps(pair.image[None], pair.context(shared), pair.shown)

    def verdict(self, pair: Pair, shared: Context) -> Prediction:
        """The verdict with a fuser and a calibration that other images share."""
        joined = self.detector.joined(self.maps(pair, shared), shared.fuser)
        return self.detector.verdict(joined, pair.context(shared))

    def spot(self, pair: Pair, rate: float) -> tuple[Prediction, Context]:
        """The verdict where nothing but the references and the image is known: a rule of thumb.

        A trained head gives log-odds: what is normal ends where it finds an anomaly as likely as not. Distances alone
        say nothing of that; there it ends where the references differ among themselves, or within the only one, or
        before that at `OUTSTANDING` times the usual difference of this image from them, but not below `LEAST` of the
        former.
        """
        detector, fuser = self.detector, self.detector.fit_fuser(pair.draft.among)
        among = detector.joined(pair.draft.among, fuser)
        scores, peaks = detector.scores(among, pair.draft.context)["fused"], detector.shown(among)["fused"]
        own = Calibration.of(scores.tolist(), peaks.flatten(1).amax(1).tolist(), rate)
        joined = detector.joined(self.maps(pair, replace(pair.draft.context, fuser=fuser)), fuser)
        limits = [own.threshold, own.pixel_threshold]
        if detector.head is None:
            usual = OUTSTANDING * float(detector.shown(joined)["fused"][0][pair.shown].median())
            limits = [min(limit, max(usual, LEAST * limit)) for limit in limits]
        else:
            limits = [EVEN_ODDS, EVEN_ODDS]
        calibration = Calibration.of(limits[:1], limits[1:], rate, "rule of thumb")
        context = replace(pair.draft.context, fuser=fuser, calibration=calibration)
        return detector.verdict(joined, context), context

    def _as_they_are(self, label: str, paths: tuple[str, ...]) -> Draft:
        """The context of references that are not moved; the last one is kept."""
        return self._draft(label, paths, torch.stack([self._reference(path) for path in paths]))

    @in_floats()
    def _draft(self, label: str, paths: tuple[str, ...], references: Tensor) -> Draft:
        fitted = fit_references(self.detector, references.to(self.detector.device))
        return Draft(Context(label, paths, fitted.matcher, fitted.prototypes), fitted.among)
