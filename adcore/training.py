"""The training loop: drawn episodes, a step each, validation each epoch; resumable at every checkpoint, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from adcore.background import prefetched
from adcore.checkpoints import Checkpoints, Progress
from adcore.detector import Detector
from adcore.episodes import Episode, Episodes, keyed
from adcore.errors import UserError
from adcore.hooks import Example
from adcore.images import Images
from adcore.interfaces import State, Synthesizer
from adcore.metrics.summary import jsonable
from adcore.schedule import rate_share
from adcore.settings import TrainingSettings
from adcore.studying import study
from adcore.trainable import Trainable, backbone_mode, decided, only_trained, reads_relation, seeded
from adcore.training_set import TrainingSet, hold_out
from adcore.validation import validate


class Trainer:
    """Trains a detector's head, and its backbone where asked, on many categories at once.

    Everything random in a step comes from the seed and the step, so a resumed training equals an uninterrupted one, and
    two of one seed are equal on one machine: on a CPU bit for bit, on a GPU but for the order in which its kernels add.
    """

    def __init__(
        self,
        detector: Detector,
        images: Images,
        synthesizers: Sequence[Synthesizer],
        settings: TrainingSettings,
        seed: int,
        folder: Path,
        fabric: Fabric,
    ):
        """Prepare training; checkpoints go to `folder`.

        `fabric` is of one device (`adcore.trainable.one_device`), or of one of several processes that train together
        (`adcore.joined_processes.joined`).
        """
        self.detector = detector
        self.images = images
        self.synthesizers = synthesizers
        self.settings = settings
        self.seed = seed
        self.folder = folder
        self.train_backbone = backbone_mode(detector, settings) == "trained"
        self.fabric = fabric

    def fit(
        self,
        sets: Mapping[str, TrainingSet],
        on_progress: Callable[[int, int], None],
        on_epoch_end: Callable[[int, int, Mapping[str, float]], None],
        on_examples: Callable[[int, Sequence[Example]], None] = lambda epoch, examples: None,
    ) -> None:
        """Train, keep the best epoch's weights in the detector. Continues where an interrupted run of `folder` stopped.

        Args:
            sets: what the categories offer.
            on_progress: told the steps done and their total after each step.
            on_epoch_end: told the epoch, their number and its figures, once it is saved.
            on_examples: told the epoch and a few validation images, before that.

        Raises:
            UserError: the loss became no number, or the categories cannot be held out as asked for.
        """
        trained, validated = hold_out(sets, self.settings.held_out, self.seed)
        network = Trainable(self.detector, self.train_backbone)
        with only_trained(self.detector, self.train_backbone):
            optimizer = self._optimizer()
            checkpoints = Checkpoints(self.folder, network, optimizer, self.settings.metric)
            progress = checkpoints.resume()
            if progress.scaler:
                self.fabric.strategy.precision.load_state_dict(progress.scaler)
            model, fabric_optimizer = self.fabric.setup(network, optimizer)
            episodes = Episodes(
                trained, self.images, self.synthesizers, self.settings, self.seed, reads_relation(self.detector)
            )
            while not self._finished(progress):
                network.train()
                self._epoch(model, fabric_optimizer, episodes, checkpoints, progress, on_progress)
                network.eval()
                self._validate(validated, optimizer, checkpoints, progress, on_epoch_end, on_examples)
            self.fabric.barrier()
            checkpoints.load_best()
        network.eval()

    def _optimizer(self) -> torch.optim.Optimizer:
        settings, detector = self.settings, self.detector
        assert detector.head is not None
        groups: list[dict[str, Any]] = [{"params": list(detector.head.parameters()), "rate": settings.learning_rate}]
        if self.train_backbone:
            groups.append({"params": list(detector.backbone.parameters()), "rate": settings.backbone_learning_rate})
        return torch.optim.Adam(groups, lr=settings.learning_rate)

    def _finished(self, progress: Progress) -> bool:
        return len(progress.history) >= self.settings.epochs or self._stopped(progress)

    def _stopped(self, progress: Progress) -> bool:
        patience, metric = self.settings.patience, self.settings.metric
        return bool(patience and progress.history and progress.waited(metric) >= patience)

    def _epoch(
        self,
        model: nn.Module,
        optimizer: Any,
        episodes: Episodes,
        checkpoints: Checkpoints,
        progress: Progress,
        on_progress: Callable[[int, int], None],
    ) -> None:
        """The steps of an epoch that are not done yet."""
        settings, fabric = self.settings, self.fabric
        total, end = settings.epochs * settings.steps, (len(progress.history) + 1) * settings.steps
        steps = range(progress.steps_done, end)
        turns = [step * fabric.world_size + fabric.global_rank for step in steps]
        with closing(prefetched(episodes, turns, settings.workers)) as ahead:
            for step, turn, episode in zip(steps, turns, ahead, strict=True):
                share = rate_share(settings.schedule, step, total, settings.warmup)
                for group in optimizer.param_groups:
                    group["lr"] = group["rate"] * share
                with seeded(keyed(self.seed, turn, 5).initial_seed(), fabric.device):
                    loss = self._step(model, optimizer, episode, turn)
                if not math.isfinite(loss):
                    raise UserError(
                        f"training: the loss became {loss} in epoch {step // settings.steps + 1}; lower "
                        "training.learning_rate, or set training.gradient_clip: 1"
                    )
                progress.losses.append(loss)
                progress.steps_done = step + 1
                every = settings.checkpoint_steps
                if every and (step + 1) % every == 0 and step + 1 < end:
                    self._save(progress, checkpoints.save)
                on_progress(step + 1, total)

    def _step(self, model: nn.Module, optimizer: Any, episode: Episode, turn: int) -> float:
        fabric, settings = self.fabric, self.settings
        state: State = {}
        images, masks = fabric.to_device(episode.images), fabric.to_device(episode.masks)
        with decided(self.detector, keyed(self.seed, turn, 6)):
            if episode.references is not None:
                state = study(self.detector, fabric.to_device(episode.references)).matcher
            loss = model(images, masks, state, keyed(self.seed, turn, 7))
        if fabric.world_size > 1:
            # processes wait for the gradient of every weight, also of one that the loss leaves out
            loss = loss + 0.0 * sum(weight.sum() for weight in model.parameters() if weight.requires_grad)
        optimizer.zero_grad()
        fabric.backward(loss)
        if settings.gradient_clip is not None:
            fabric.clip_gradients(model, optimizer, max_norm=settings.gradient_clip, error_if_nonfinite=False)
        optimizer.step()
        return float(cast(Tensor, fabric.all_reduce(loss.detach())))  # all processes stop where one has no number

    def _validate(
        self,
        sets: Mapping[str, TrainingSet],
        optimizer: torch.optim.Optimizer,
        checkpoints: Checkpoints,
        progress: Progress,
        on_epoch_end: Callable[[int, int, Mapping[str, float]], None],
        on_examples: Callable[[int, Sequence[Example]], None],
    ) -> None:
        """Validate in the first process, tell all, and save."""
        epoch, metrics, examples = len(progress.history) + 1, dict[str, float](), list[Example]()
        if self.fabric.is_global_zero:
            with decided(self.detector):
                found = validate(self.detector, self.images, sets, self.synthesizers, self.seed)
            metrics = {
                "train.loss": math.fsum(progress.losses) / len(progress.losses),
                "train.learning_rate": optimizer.param_groups[0]["lr"],
                **found.metrics,
            }
            examples = found.examples
        metrics = self.fabric.broadcast(metrics)
        progress.history.append(jsonable(metrics))
        progress.losses.clear()
        self._save(progress, lambda progress: checkpoints.save_epoch(progress, self._stopped(progress)))
        if self.fabric.is_global_zero:
            on_examples(epoch, examples)
            on_epoch_end(epoch, self.settings.epochs, metrics)

    def _save(self, progress: Progress, save: Callable[[Progress], None]) -> None:
        if self.fabric.is_global_zero:
            precision = self.fabric.strategy.precision
            progress.scaler = precision.state_dict() if self.settings.precision == "16-mixed" else {}
            save(progress)
