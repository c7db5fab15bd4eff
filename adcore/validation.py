"""Validation of the contrastive branch: held-out normals with a fixed set of simulated anomalies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.contrastive import anomalous_pixels, contrastive_map, prototypes
from adcore.detector import Detector, Studied
from adcore.images import Images
from adcore.interfaces import HeadOutput, Synthesizer
from adcore.metrics.clustering import segmentation_metrics
from adcore.metrics.image import rank

if TYPE_CHECKING:
    from adcore.training import TrainingSet

MOST_IMAGES = 64
"""Validation images of all categories together; more would make epochs slow and the figure no better."""


@torch.inference_mode()
def validate(
    detector: Detector,
    images: Images,
    sets: Mapping[str, TrainingSet],
    studied: Mapping[str, Studied],
    synthesizers: Sequence[Synthesizer],
    seed: int,
) -> dict[str, float]:
    """Judge each held-out normal with one simulated anomaly, the same ones in every epoch and run of a seed.

    Real anomalies of the training set are not used: they are few and trained on.

    Returns:
        ``val.pixel.auroc`` and ``val.pixel.ap`` of the contrastive map over all pixels, and of the clustering's verdict
        the per-image means ``val.pixel.f1``, ``val.pixel.macro_f1``, ``val.pixel.iou``, all on the head's grid.
    """
    generator = torch.Generator().manual_seed(seed + 20_011)
    share = max(1, MOST_IMAGES // len(sets))
    device = detector.device
    scores, truth, verdicts = [], [], []
    for category, part in sets.items():
        samples = list(part.validation)[:share] or list(part.normal)[:share]
        known = detector.embed_references(studied[category]).embedding
        references = None if known is None else prototypes(known)
        for index, sample in enumerate(samples):
            image, source = images.training_image(sample), images.training_image(samples[index - 1])
            synthesizer = synthesizers[index % len(synthesizers)] if synthesizers else None
            mask = torch.zeros(image.shape[1:])
            if synthesizer is not None:
                image, mask = synthesizer.synthesize(image, source, generator)
            output = detector.embed(detector.features(image[None].to(device)), studied[category].matcher)
            heat = contrastive_map(output, detector.clusterer, references)[0]
            target = to_grid(mask[None], output)[0]
            scores.append(heat.flatten().cpu())
            truth.append(target.flatten())
            if output.embedding is not None and detector.clusterer is not None:
                called = anomalous_pixels(output.embedding[0], detector.clusterer, references)
            else:
                called = heat > 0.5
            verdicts.append((called.cpu().numpy(), target.numpy()))
    ranking = rank(torch.cat(scores).numpy(), torch.cat(truth).numpy())
    found = {"pixel.auroc": ranking.auroc(), "pixel.ap": ranking.average_precision(), **segmentation_metrics(verdicts)}
    return {f"val.{key}": value for key, value in found.items()}


def to_grid(masks: Tensor, output: HeadOutput) -> Tensor:
    """Soft masks [B, H, W] as bool [B, h, w]: cells of which at least a quarter is anomalous."""
    given = output.embedding if output.embedding is not None else output.logits
    assert given is not None
    h, w = given.shape[-2:]
    return F.adaptive_avg_pool2d((masks > 0.5).float()[:, None], (h, w))[:, 0] >= 0.25
