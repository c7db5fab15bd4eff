"""Contexts of a run whose images each have a reference of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from adcore.context import Context
from adcore.data.resizing import to_tensor
from adcore.data.samples import Sample
from adcore.detector import Detector
from adcore.fitting import ContextFitter, Draft
from adcore.folds import evenly
from adcore.interfaces import Dataset
from adcore.paired import Pair, PairFitter
from adcore.prediction import Prediction
from adcore.simulated_maps import Seen
from adcore.studying import Extract, Fitted

MOST_ALONE = 32
"""References of a category that are judged by themselves, for want of normal images that have one."""


class PairedContexts(ContextFitter):
    """Fits to each image its own reference; the images of a category share the fuser's state and the calibration.

    A context that it makes lists all references and holds no matcher's state, which belongs to the single image.
    """

    def __init__(
        self, detector: Detector, data: Dataset, samples: Iterable[Sample], rate: float, registration: bool = True
    ):
        """Prepare.

        Args:
            detector: on its device, for evaluation.
            data: reads images and references.
            samples: all that will be asked for, each with a reference.
            rate: false-alarm rate of the decisions.
            registration: whether references are laid on the image first.
        """
        self.data = data
        self._samples = {sample.path: sample for sample in samples}
        self._golden = {golden.path: golden for sample in self._samples.values() if (golden := sample.golden)}
        self.pairs = PairFitter(detector, lambda path: data.image(self._golden[path]), registration)
        super().__init__(detector, self._reference, rate)

    def predict(self, sample: Sample, context: Context) -> Prediction:
        """The verdict on a sample beside its own reference, with what its category's context shares."""
        found = self.pairs.verdict(self._pair(sample, context), context)
        return replace(found, reference=sample.reference)

    def draft(self, label: str, references: Sequence[str], scale: Sequence[str] = ()) -> Draft:
        """See `ContextFitter.draft`."""
        draft = super().draft(label, references, scale)
        return replace(draft, context=replace(draft.context, paired=True))

    def _fitted(self, references: Sequence[str], features: Extract) -> Fitted:
        """No state; of an even choice of the references what each says of itself."""
        alone = [self.pairs.as_they_are("", (path,)).among for path in evenly(sorted(references), MOST_ALONE)]
        return Fitted({}, None, {branch: torch.cat([each[branch] for each in alone]) for branch in alone[0]})

    def _left_out(self, paths: Sequence[str], context: Context, features: Extract) -> Iterator[Seen]:
        """None: a golden sample belongs to its own image alone."""
        return iter(())

    def _seen(self, paths: Sequence[str], context: Context) -> Iterator[Seen]:
        for path in paths:
            pair = self._pair(self._samples[path], context)
            yield pair.image[None], pair.context(context), pair.shown

    def _pair(self, sample: Sample, context: Context) -> Pair:
        assert sample.reference is not None
        return self.pairs.pair(context.name, self.data.image(sample), (sample.reference,))

    def _reference(self, path: str) -> Tensor:
        return to_tensor(self.data.image(self._golden[path]), self.detector.image_size)
