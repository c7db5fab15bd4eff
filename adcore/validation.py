"""Validation of the trained branch: simulated anomalies on normals that were held out, and real ones that were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.contrastive import anomalous_pixels, contrastive_map, prototypes
from adcore.data.resizing import to_uint8
from adcore.data.samples import Sample
from adcore.detector import Detector
from adcore.episodes import keyed
from adcore.folds import evenly
from adcore.hooks import Example
from adcore.images import Images
from adcore.interfaces import HeadOutput, Synthesizer
from adcore.metrics.clustering import segmentation_metrics
from adcore.metrics.image import rank
from adcore.studying import embed_references, study
from adcore.training_set import TrainingSet

MOST_IMAGES = 64
"""Validation images of all categories together; more would make epochs slow and the figure no better."""

MOST_CATEGORIES = 16
"""Categories validated on, an even choice of more; each has its references studied anew."""

MOST_REFERENCES = 16
"""References of a category that are studied, an even choice of more."""

MOST_EXAMPLES = 8
"""Images shown to observers."""


@dataclass
class Validation:
    """What validation found.

    Attributes:
        metrics: ``val.loss``, the mean over images; ``val.pixel.auroc`` and ``val.pixel.ap`` of the contrastive map
            over all pixels; of the verdict (the clustering's, or logits above 0) the per-image means ``val.pixel.f1``,
            ``val.pixel.macro_f1``, ``val.pixel.iou``; where there are real anomalies, ``val.real.pixel.ap`` over
            their images alone. All on the head's grid.
        examples: a few of the images, of as many categories as can be.
    """

    metrics: dict[str, float]
    examples: list[Example]


@dataclass
class _Pixels:
    """Maps, truths and verdicts so far."""

    scores: list[np.ndarray] = field(default_factory=list)
    truth: list[np.ndarray] = field(default_factory=list)
    called: list[np.ndarray] = field(default_factory=list)
    real: list[bool] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def metrics(self) -> dict[str, float]:
        ranking = rank(_flat(self.scores), _flat(self.truth))
        verdicts = zip(self.called, self.truth, strict=True)
        found = {
            "val.loss": float(np.mean(self.losses)),
            "val.pixel.auroc": ranking.auroc(),
            "val.pixel.ap": ranking.average_precision(),
            **{f"val.{key}": value for key, value in segmentation_metrics(verdicts).items()},
        }
        if any(self.real):
            scores, truth = ([m for m, r in zip(ms, self.real, strict=True) if r] for ms in (self.scores, self.truth))
            found["val.real.pixel.ap"] = rank(_flat(scores), _flat(truth)).average_precision()
        return found


@torch.inference_mode()
def validate(
    detector: Detector, images: Images, sets: Mapping[str, TrainingSet], synthesizers: Sequence[Synthesizer], seed: int
) -> Validation:
    """Judge held-out images as a test would, the same ones in every epoch and run of a seed.

    Each held-out normal gets one simulated anomaly; real anomalies that were held out follow.

    Args:
        detector: in evaluation mode.
        images: reads images.
        sets: what is validated on, by category. Where a category has no held-out normals, those trained on.
        synthesizers: simulate anomalies, in turn.
        seed: of the simulated anomalies.
    """
    assert detector.head is not None
    chosen = evenly(list(sets), MOST_CATEGORIES)
    share = max(1, MOST_IMAGES // len(chosen))
    pixels, examples = _Pixels(), list[tuple[int, Example]]()
    for place, category in enumerate(chosen):
        part = sets[category]
        shown = evenly(part.references, MOST_REFERENCES)
        studied = study(detector, images.lazily(shown), matched=bool(detector.head.reads))
        known = embed_references(detector, studied).embedding
        references = None if known is None else prototypes(known)
        judged = _images(part, images, share, synthesizers, seed + place)
        for index, (sample, image, mask) in enumerate(judged):
            output = detector.embed(detector.features(image[None].to(detector.device)), studied.matcher)
            heat = contrastive_map(output, detector.clusterer, references)[0]
            target = to_grid(mask[None].to(heat.device), output)
            loss = detector.head.loss(output, target, keyed(seed + place, index, 3))
            if output.embedding is not None and detector.clusterer is not None:
                called = anomalous_pixels(output.embedding[0], detector.clusterer, references)
            else:
                called = heat > 0.5
            pixels.losses.append(float(loss))
            pixels.scores.append(heat.cpu().numpy())
            pixels.truth.append(target[0].cpu().numpy())
            pixels.called.append(called.cpu().numpy())
            pixels.real.append(bool(sample.label))
            if index < MOST_EXAMPLES:
                embedding = None if output.embedding is None else output.embedding[0].float().cpu().numpy()
                example = Example(category, to_uint8(image), pixels.truth[-1], pixels.scores[-1], embedding)
                examples.append((index, example))
    first = sorted(examples, key=lambda entry: entry[0])  # stable: the first image of each category, then the second
    return Validation(pixels.metrics(), [example for _, example in first[:MOST_EXAMPLES]])


def _images(
    part: TrainingSet, images: Images, share: int, synthesizers: Sequence[Synthesizer], seed: int
) -> Iterator[tuple[Sample, Tensor, Tensor]]:
    """Image [3, H, W] and soft mask [H, W] of each sample that is validated on."""
    samples = list(part.validation)[:share] or list(part.normal)[:share]
    for index, sample in enumerate(samples):
        image, source = images.training_image(sample), images.training_image(samples[index - 1])
        mask = torch.zeros(image.shape[1:])
        if synthesizers:
            synthesizer = synthesizers[index % len(synthesizers)]
            image, mask = synthesizer.synthesize(image, source, keyed(seed, index, 4))
        yield sample, image, mask
    for sample in part.validation_anomalous[:share]:
        if (truth := images.mask(sample)) is not None:
            yield sample, images.training_image(sample), torch.from_numpy(truth).float()


def to_grid(masks: Tensor, output: HeadOutput) -> Tensor:
    """Soft masks [B, H, W] as bool [B, h, w]: cells of which at least a quarter is anomalous."""
    given = output.embedding if output.embedding is not None else output.logits
    assert given is not None
    h, w = given.shape[-2:]
    return F.adaptive_avg_pool2d((masks > 0.5).float()[:, None], (h, w))[:, 0] >= 0.25


def _flat(maps: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([one.ravel() for one in maps])
