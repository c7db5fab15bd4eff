"""What each training step looks at, drawn anew for every step from the seed and the step alone.

For a head that reads features a batch mixes all categories. For a head that reads a relation it is an *episode*, as in
few-shot learning (Vinyals et al., NeurIPS 2016): one category, a few of its normals as references, and queries from its
other normals. No category holds anything between steps, so there may be any number of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from adcore.augmentation import flip_and_turn, tone_and_noise
from adcore.data.samples import Sample
from adcore.images import Images
from adcore.interfaces import Synthesizer
from adcore.settings import TrainingSettings
from adcore.synthesis.draws import chance
from adcore.training_set import TrainingSet

Item = TypeVar("Item")


class Query(NamedTuple):
    """One image of a batch.

    Attributes:
        normal: the image, or what a real anomaly without a mask is replaced by.
        source: normal image that a simulated anomaly takes texture from.
        synthesizer: place of the one that simulates an anomaly; None for none.
        real: a real anomaly that takes the place of all that.
    """

    normal: Sample
    source: Sample
    synthesizer: int | None
    real: Sample | None


@dataclass(frozen=True)
class Episode:
    """What a step looks at.

    Attributes:
        images: float [B, 3, H, W] in [0, 1].
        masks: soft, float [B, H, W].
        references: float [k, 3, H, W] of the one category that all images are of; None where no relation is read.
    """

    images: Tensor
    masks: Tensor
    references: Tensor | None


class Episodes:
    """The batches of a training by their turn; the same turn gives the same batch, whichever came before."""

    def __init__(
        self,
        sets: Mapping[str, TrainingSet],
        images: Images,
        synthesizers: Sequence[Synthesizer],
        settings: TrainingSettings,
        seed: int,
        relational: bool,
    ):
        """Prepare; nothing is read yet.

        Args:
            sets: what is trained on, by category.
            images: reads it.
            synthesizers: make simulated anomalies.
            settings: batch size, shares and shots.
            seed: of all draws.
            relational: whether the head reads a relation to references.
        """
        self.sets = sets
        self.images = images
        self.synthesizers = synthesizers
        self.settings = settings
        self.seed = seed
        self.relational = relational
        self._categories = list(sets)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0))

    def __call__(self, turn: int) -> Episode:
        """Read, simulate and augment the batch of a turn; may be called by several threads at once."""
        generator = keyed(self.seed, turn, 1)
        if not self.relational:
            rows = [self._query(query, generator) for query in self.queries(turn)]
            turned = [flip_and_turn(image, mask, generator) for image, mask in rows]
            references = None
        else:
            # All that belongs together is turned alike: a turned normal beside references that are not would be none.
            side = int(torch.randint(2**31, (), generator=generator))
            shown, queries = self.episode(turn)
            views = [self.images.training_image(sample) for sample in shown]
            blank = torch.zeros(views[0].shape[1:])
            references = torch.stack([flip_and_turn(view, blank, keyed(side))[0] for view in views])
            rows = [self._query(query, generator) for query in queries]
            turned = [flip_and_turn(image, mask, keyed(side)) for image, mask in rows]
        images = torch.stack([tone_and_noise(image, generator) for image, _ in turned])
        return Episode(images, torch.stack([mask for _, mask in turned]), references)

    def queries(self, turn: int) -> list[Query]:
        """Draw a batch of all categories."""
        generator, size = keyed(self.seed, turn), self.settings.batch_size
        parts = [self.sets[self.category(turn * size + row)] for row in range(size)]
        return [self._draw(part, part.normal, generator) for part in parts]

    def episode(self, turn: int) -> tuple[list[Sample], list[Query]]:
        """Draw references of one category, and a batch of queries among its other normals.

        The context's own references may serve as references, but never as queries: calibration without held-out normals
        judges them by each other, which would promise too much had they been trained on.
        """
        generator = keyed(self.seed, turn)
        part = self.sets[self.category(turn)]
        kept = _pick(part.normal, generator)  # at least one normal is left to ask about
        pool = list(dict.fromkeys(sample for sample in (*part.references, *part.normal) if sample != kept))
        count = min(_pick(self.settings.shots, generator), len(pool))
        references = [pool[i] for i in torch.randperm(len(pool), generator=generator)[:count].tolist()]
        references = references or [kept]  # its only image: it has to serve as both
        taken = {sample for sample in references if sample != kept}
        left = [sample for sample in part.normal if sample not in taken]
        queries = [self._draw(part, left, generator) for _ in range(self.settings.batch_size)]
        return references, queries

    def category(self, place: int) -> str:
        """The category at a place of an endless sequence: all of them once in random order, then once more, and on."""
        count = len(self._categories)
        passed, order = self._order
        if passed != place // count:
            passed = place // count
            order = np.random.default_rng([self.seed % 2**64, passed, 2]).permutation(count)
            self._order = (passed, order)
        return self._categories[int(order[place % count])]

    def _draw(self, part: TrainingSet, normals: Sequence[Sample], generator: torch.Generator) -> Query:
        normal, source = _pick(normals, generator), _pick(normals, generator)
        if not chance(generator, self.settings.anomalous):
            return Query(normal, source, None, None)
        synthesizer = _pick(range(len(self.synthesizers)), generator) if self.synthesizers else None
        real = None
        if part.anomalous and (synthesizer is None or chance(generator, 0.5)):
            real = _pick(part.anomalous, generator)
        return Query(normal, source, synthesizer, real)

    def _query(self, query: Query, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Image [3, H, W] and soft mask [H, W]."""
        if query.real is not None and (truth := self.images.mask(query.real)) is not None:
            return self.images.training_image(query.real), torch.from_numpy(truth).float()
        image = self.images.training_image(query.normal)
        if query.synthesizer is None:
            return image, torch.zeros(image.shape[1:])
        source = self.images.training_image(query.source)
        return self.synthesizers[query.synthesizer].synthesize(image, source, generator)


def keyed(*key: int) -> torch.Generator:
    """A generator on the CPU that equal keys, and only those, give the same draws of."""
    word = np.random.SeedSequence([part % 2**64 for part in key]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(word))


def _pick(items: Sequence[Item], generator: torch.Generator) -> Item:
    return items[int(torch.randint(len(items), (), generator=generator))]
