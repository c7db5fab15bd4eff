"""The training loop: simulated anomalies over normals, real ones where a set has them; validation each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from adcore.augmentation import flip_and_turn, tone_and_noise
from adcore.data.samples import Sample
from adcore.detector import Detector, Studied
from adcore.errors import UserError
from adcore.images import Images
from adcore.interfaces import HeadOutput, State, Synthesizer
from adcore.settings import TrainingSettings
from adcore.store import load_json, load_tensors, save_json, save_tensors
from adcore.validation import to_grid, validate

BEST_BY = "val.pixel.ap"


@dataclass(frozen=True)
class TrainingSet:
    """What a category offers for training.

    Attributes:
        normal: normal images to simulate anomalies on.
        anomalous: real anomalies with masks; may be empty.
        validation: normals held out.
        references: the context's references, for heads that read a relation and to find the normal cluster.
    """

    normal: Sequence[Sample]
    anomalous: Sequence[Sample]
    validation: Sequence[Sample]
    references: Sequence[Sample]


class Trainer:
    """Trains a detector's head, and its backbone where asked, on many categories at once."""

    def __init__(
        self,
        detector: Detector,
        images: Images,
        synthesizers: Sequence[Synthesizer],
        settings: TrainingSettings,
        seed: int,
        device: torch.device,
        folder: Path,
    ):
        """Prepare training; checkpoints go to `folder`."""
        self.detector = detector
        self.images = images
        self.synthesizers = synthesizers
        self.settings = settings
        self.seed = seed
        self.folder = folder
        self.train_backbone = backbone_mode(detector, settings) == "trained"
        accelerator = "cuda" if device.type == "cuda" else "cpu"
        devices = [device.index] if device.index is not None else 1
        self.fabric = Fabric(accelerator=accelerator, devices=devices, precision=settings.precision)

    def fit(
        self,
        sets: Mapping[str, TrainingSet],
        on_progress: Callable[[int, int], None],
        on_epoch_end: Callable[[int, int, Mapping[str, float]], None],
    ) -> None:
        """Train, keep the best epoch's weights in the detector. Continues where an interrupted run of `folder` stopped.

        Everything random in an epoch comes from the seed and the epoch, so a resumed run equals an uninterrupted one.
        """
        settings, network = self.settings, _Trainable(self.detector, self.train_backbone)
        groups: list[dict[str, Any]] = [
            {"params": list(self.detector.head.parameters()), "rate": settings.learning_rate}  # type: ignore[union-attr]
        ]
        if self.train_backbone:
            groups.append(
                {"params": list(self.detector.backbone.parameters()), "rate": settings.backbone_learning_rate}
            )
        optimizer = torch.optim.Adam(groups, lr=settings.learning_rate)
        first, best = self._resume(network, optimizer)
        model, fabric_optimizer = self.fabric.setup(network, optimizer)
        total = settings.epochs * settings.steps
        network.eval()
        studied = {category: self._study(part) for category, part in sets.items()}
        for epoch in range(first, settings.epochs):
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            network.train()
            losses = []
            for step in range(settings.steps):
                done = epoch * settings.steps + step
                for group in optimizer.param_groups:
                    group["lr"] = group["rate"] * _cosine(done, total)
                images, masks, state = self._batch(sets, studied, step, generator)
                output = model(self.fabric.to_device(images), state)
                target = to_grid(self.fabric.to_device(masks), output)
                loss = self.detector.head.loss(output, target, generator)  # type: ignore[union-attr]
                if not torch.isfinite(loss):
                    raise UserError(
                        f"training: the loss became {loss.item()} in epoch {epoch + 1}; lower training.learning_rate"
                    )
                fabric_optimizer.zero_grad()
                self.fabric.backward(loss)
                fabric_optimizer.step()
                losses.append(loss.detach())
                on_progress(done + 1, total)
            network.eval()
            if self.train_backbone:
                studied = {category: self._study(part) for category, part in sets.items()}
            metrics = {
                "train.loss": float(torch.stack(losses).mean()),
                "train.learning_rate": optimizer.param_groups[0]["lr"],
            }
            metrics |= validate(self.detector, self.images, sets, studied, self.synthesizers, self.seed)
            best = self._checkpoint(network, optimizer, epoch, metrics, best)
            on_epoch_end(epoch + 1, settings.epochs, metrics)
        network.load_state_dict(load_tensors(self.folder / "best.safetensors"))
        network.eval()

    @property
    def _relational(self) -> bool:
        return self.detector.head is not None and self.detector.head.input != "features"

    def _study(self, part: TrainingSet) -> Studied:
        """The references of a category as the backbone sees them now."""
        return self.detector.study(self.images.lazily(part.references))

    def _batch(
        self, sets: Mapping[str, TrainingSet], studied: Mapping[str, Studied], step: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, State]:
        """Images [B, 3, H, W] and soft masks [B, H, W]; of one category where a relation to its context is read."""
        categories = list(sets)
        rows = []
        for row in range(self.settings.batch_size):
            turn = step if self._relational else step * self.settings.batch_size + row
            rows.append(self._example(sets[categories[turn % len(categories)]], generator))
        images, masks = (torch.stack(column) for column in zip(*rows, strict=True))
        return images, masks, studied[categories[step % len(categories)]].matcher if self._relational else {}

    def _example(self, part: TrainingSet, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        def draw(count: int) -> int:
            return int(torch.randint(count, (), generator=generator))

        def chance() -> float:
            return float(torch.rand((), generator=generator))

        image = self.images.training_image(part.normal[draw(len(part.normal))])
        mask = torch.zeros(image.shape[1:])
        if chance() < self.settings.anomalous:
            if part.anomalous and (not self.synthesizers or chance() < 0.5):
                sample = part.anomalous[draw(len(part.anomalous))]
                image, truth = self.images.training_image(sample), self.images.mask(sample)
                assert truth is not None
                mask = torch.from_numpy(truth).float()
            elif self.synthesizers:
                source = self.images.training_image(part.normal[draw(len(part.normal))])
                synthesizer = self.synthesizers[draw(len(self.synthesizers))]
                image, mask = synthesizer.synthesize(image, source, generator)
        if not self._relational:  # references are not turned: a turned normal would be no normal to them
            image, mask = flip_and_turn(image, mask, generator)
        return tone_and_noise(image, generator), mask

    def _checkpoint(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        epoch: int,
        metrics: Mapping[str, float],
        best: float,
    ) -> float:
        weights = network.state_dict()
        value = metrics[BEST_BY]
        if math.isnan(value) or value > best:  # where validation says nothing, the last epoch counts
            best = best if math.isnan(value) else value
            save_tensors(self.folder / "best.safetensors", weights)
        moments = {
            f"{index}.{key}": entry
            for index, entries in optimizer.state_dict()["state"].items()
            for key, entry in entries.items()
        }
        last = {f"weights.{key}": value for key, value in weights.items()}
        last |= {f"optimizer.{key}": value for key, value in moments.items()}
        save_tensors(self.folder / f"epoch{epoch + 1}.safetensors", last)
        record = {"epochs_done": epoch + 1, "best": best if math.isfinite(best) else None}
        save_json(self.folder / "training.json", record)  # names the file that counts
        (self.folder / f"epoch{epoch}.safetensors").unlink(missing_ok=True)
        return best

    def _resume(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
        """Load the last checkpoint of the folder, if there is one: the next epoch and the best figure so far."""
        record = self.folder / "training.json"
        if not record.exists():
            return 0, -math.inf
        done = load_json(record)
        tensors = load_tensors(self.folder / f"epoch{done['epochs_done']}.safetensors")
        network.load_state_dict({k.removeprefix("weights."): v for k, v in tensors.items() if k.startswith("weights.")})
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, index, entry = key.split(".", 2)
                state.setdefault(int(index), {})[entry] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return done["epochs_done"], -math.inf if done["best"] is None else done["best"]


class _Trainable(nn.Module):
    """The part of a detector that a training step runs, as one module."""

    def __init__(self, detector: Detector, train_backbone: bool):
        super().__init__()
        self.backbone = detector.backbone
        self.head = detector.head
        self.train_backbone = train_backbone
        self._detector = [detector]  # in a list: not a submodule

    def forward(self, images: Tensor, state: State) -> HeadOutput:
        with torch.set_grad_enabled(self.train_backbone and torch.is_grad_enabled()):
            features = self.backbone(images) if self.train_backbone else self._detector[0].features(images)
        return self._detector[0].embed(features, state)

    def train(self, mode: bool = True) -> _Trainable:
        super().train(mode)
        if not self.train_backbone:
            self.backbone.eval()  # frozen: normalisation statistics too
        return self


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


def _cosine(done: int, total: int) -> float:
    """Share of the learning rate: a short linear warm-up, then half a cosine to 1 % at the end."""
    warm = max(1, total // 20)
    if done < warm:
        return (done + 1) / warm
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - warm) / max(1, total - warm)))
