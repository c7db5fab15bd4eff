"""The part of a detector that is trained, and the state in which it has to be for that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from adcore.detector import Detector
from adcore.errors import UserError
from adcore.interfaces import HeadOutput, ReferenceMatcher, State
from adcore.settings import TrainingSettings
from adcore.validation import to_grid


class Trainable(nn.Module):
    """The part of a detector that a training step runs, up to the loss, as one module."""

    def __init__(self, detector: Detector, train_backbone: bool):
        super().__init__()
        self.backbone = detector.backbone
        self.head = detector.head
        self.train_backbone = train_backbone
        self._detector = [detector]  # in a list: not a submodule

    def forward(self, images: Tensor, masks: Tensor, state: State, generator: torch.Generator) -> Tensor:
        """The head's loss of images [B, 3, H, W] with soft masks [B, H, W], given the matcher's state."""
        with torch.set_grad_enabled(self.train_backbone and torch.is_grad_enabled()):
            features = self.backbone(images) if self.train_backbone else self._detector[0].features(images)
        output = self._detector[0].embed(features, state)
        target = to_grid(masks, output)
        with torch.autocast(images.device.type, enabled=False):
            loss: Tensor = self.head.loss(_single(output), target, generator)  # type: ignore[union-attr]
        return loss

    def train(self, mode: bool = True) -> Trainable:
        """Switch to training mode what is trained."""
        super().train(mode)
        if not self.train_backbone:
            self.backbone.eval()  # frozen: normalisation statistics too
        return self


def _single(output: HeadOutput) -> HeadOutput:
    """In single precision; what a head adds to a `HeadOutput` of its own, it converts itself."""
    if type(output) is not HeadOutput:
        return output
    return HeadOutput(*(None if field is None else field.float() for field in output))


def reads_relation(detector: Detector) -> bool:
    """Whether the detector's head needs references."""
    return detector.head is not None and bool(detector.head.reads)


def backbone_mode(detector: Detector, settings: TrainingSettings) -> str:
    """What training does to the backbone: ``frozen``, ``statistics`` or ``trained``; ``auto`` decided.

    Raises:
        UserError: it would change while the head reads a relation made with it.
    """
    reads_features = detector.head is not None and detector.head.input == "features"
    if settings.backbone == "trained" and not reads_features:
        raise UserError(
            "training.backbone: trained needs a head that reads features; the references of a relation are embedded by "
            "the same backbone. Write training.backbone: frozen, or head.input: features"
        )
    if settings.backbone != "auto":
        return settings.backbone
    if detector.backbone.pretrained:
        return "frozen"
    return "trained" if reads_features else "statistics"


def one_device(device: torch.device, precision: Any) -> Fabric:
    """What Lightning needs to train on one device."""
    devices = [device.index] if device.index is not None else 1
    return Fabric(accelerator="cuda" if device.type == "cuda" else "cpu", devices=devices, precision=precision)


@contextmanager
def decided(detector: Detector, generator: torch.Generator | None = None) -> Iterator[None]:
    """The detector with what its recipe leaves open decided, as choosing by the references would take seconds a step.

    A generator draws, so that the head meets whatever a context may choose later; without one the first candidates are
    taken.
    """
    matcher, open_score = detector.matcher, detector.open_score
    choices = matcher.choices() if matcher is not None else {}
    places = {
        setting: 0 if generator is None else int(torch.randint(len(candidates), (), generator=generator))
        for setting, candidates in choices.items()
    }
    decided: ReferenceMatcher | None = matcher
    if matcher is not None and choices:
        decided = matcher.chosen({setting: choices[setting][place] for setting, place in places.items()})
    detector.matcher, detector.open_score = decided, False
    try:
        yield
    finally:
        detector.matcher, detector.open_score = matcher, open_score


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Global draws, such as those of dropout, come from the seed inside, and go on as before afterwards."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def only_trained(detector: Detector, train_backbone: bool) -> Iterator[None]:
    """Gradients for what is trained alone, and kernels that give the same each time; as before afterwards."""
    before = [(parameter, parameter.requires_grad) for parameter in detector.backbone.parameters()]
    for parameter, _ in before:
        parameter.requires_grad_(train_backbone)
    torch.set_num_threads(torch.get_num_threads())  # from here on MKL keeps to the number; before, it may take fewer
    try:
        with torch.backends.cudnn.flags(deterministic=True, benchmark=False):
            yield
    finally:
        for parameter, wanted in before:
            parameter.requires_grad_(wanted)
