"""Adding to a model's contexts: new ones, further images, several in one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from adcore.calibration import check_rate
from adcore.context import Context
from adcore.context_store import ContextStore
from adcore.data.arrays import ImageLike
from adcore.detector import Detector
from adcore.errors import UserError
from adcore.fitting import ContextFitter
from adcore.folds import evenly
from adcore.interfaces import Dataset, Features
from adcore.normal_images import NormalImages
from adcore.representatives import representatives
from adcore.unlike_others import notes_on_references


class ContextEditor:
    """Makes contexts of a detector and writes them into the model's store.

    A context is always made from images, never from what an earlier fit left: extended or merged, it is what one fit of
    all images gives, calibration and fuser included.
    """

    def __init__(self, detector: Detector, store: ContextStore, data: Dataset):
        """Prepare.

        Args:
            detector: of the model, on its device.
            store: of the model.
            data: the data set of the run that made the model.
        """
        self.detector = detector
        self.store = store
        self.data = data

    def add(
        self,
        name: str,
        images: Sequence[ImageLike],
        calibration: Sequence[ImageLike],
        rate: float,
        shots: int | None = None,
    ) -> None:
        """Make a context; see `adcore.model.Model.add_context`."""
        self.store.check_free(name)
        source = self._source()
        references, held_out = source.add(images), source.add(calibration)
        notes: list[str] = []
        if not references:
            raise UserError(f"context '{name}': needs at least one image")
        if shots is not None:
            if not 1 <= shots <= len(references):
                raise UserError(
                    f"context '{name}': {shots} references cannot be chosen; from these images 1 to {len(references)} "
                    "can be"
                )
            if not held_out:
                held_out = _drawn(references, (len(references) - shots) // 2)
            candidates = sorted({*references} - {*held_out})
            references, apart, seen = representatives(candidates, shots, source.read, self._features)
            notes = notes_on_references(apart, seen)
        context = self._fitter(source, rate).fit(name, references, held_out)
        context = replace(context, notes=(*context.notes, *notes))
        with self.store.locked():
            self.store.check_free(name)  # others may have been quicker
            self.store.save(context)

    def extend(self, name: str, images: Sequence[ImageLike], calibration: Sequence[ImageLike]) -> None:
        """Make a context again with further images; see `adcore.model.Model.extend_context`."""
        with self.store.locked():
            old, source = _unpaired(self.store.read(name)), self._source()
            source.again(old)
            references, held_out = source.add(images), source.add(calibration)
            if not references and not held_out:
                raise UserError(f"context '{name}': name images to add")
            fitter = self._fitter(source, _rate(old))
            self.store.save(
                fitter.fit(name, [*old.references, *references], [*old.calibration_images, *held_out], old.scale_images)
            )

    def merge(self, name: str, names: Sequence[str]) -> None:
        """Make one context of several; see `adcore.model.Model.merge_contexts`."""
        with self.store.locked():
            self.store.check_free(name)
            if len(set(names)) < 2:
                raise UserError(f"context '{name}': name at least two contexts to merge")
            parts, source = [_unpaired(self.store.read(part)) for part in dict.fromkeys(names)], self._source()
            for part in parts:
                source.again(part)
            known = {path: digest for part in parts for path, digest in part.hashes.items()}
            held_out = all(part.calibration_images for part in parts)
            references = _distinct((path for part in parts for path in part.references), known)
            scale = _distinct((path for part in parts for path in part.scale_images), known, references)
            calibration = _distinct(
                (path for part in parts for path in part.calibration_images if held_out), known, [*references, *scale]
            )
            fitter = self._fitter(source, min(map(_rate, parts)))
            self.store.save(fitter.fit(name, references, calibration, scale))

    def references(self, context: Context, most: int) -> list[Tensor]:
        """Images of a context; see `adcore.model.Model.references`."""
        read = self._source().read
        return [read(path) for path in evenly(sorted(context.references), most)]

    def _features(self, images: Tensor) -> Features:
        return self.detector.features(images.to(self.detector.device), full=True)

    def _source(self) -> NormalImages:
        return NormalImages(self.data, self.detector.image_size)

    def _fitter(self, source: NormalImages, rate: float) -> ContextFitter:
        return ContextFitter(self.detector, source.read, check_rate(rate, "false-alarm rate"))


def _drawn(paths: Sequence[str], count: int) -> list[str]:
    """So many of the images at random; which depends on their paths alone."""
    order = np.random.default_rng(0).permutation(len(paths))[:count]
    return [sorted(paths)[place] for place in order]


def _unpaired(context: Context) -> Context:
    if context.paired:
        raise UserError(f"context '{context.name}' judges each image beside its own golden sample; add a new context")
    return context


def _rate(context: Context) -> float:
    assert context.calibration is not None
    return context.calibration.rate


def _distinct(paths: Iterable[str], hashes: dict[str, str], before: Iterable[str] = ()) -> list[str]:
    """Each image once, known by its hash or else its path, and none of those that come before."""
    seen = {hashes.get(path, path) for path in before}
    found = []
    for path in paths:
        if (image := hashes.get(path, path)) not in seen:
            seen.add(image)
            found.append(path)
    return found
