"""What a training leaves in its folder: the best and the last weights, and a record; all that resuming needs.

``last.safetensors`` holds weights, the optimizer's moments and, in its metadata, how far training is, so that one
atomic write is one checkpoint. Draws need no state: each step's come from the seed and the step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adcore.errors import UserError
from adcore.schedule import best_place, waited
from adcore.store import load_tensors, save_json, save_tensors

BEST, LAST, RECORD = "best.safetensors", "last.safetensors", "training.json"


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        steps_done: of the whole training.
        losses: of the steps of the epoch under way.
        history: figures of each finished epoch; None where undefined.
        scaler: state of the loss scaling of 16-mixed.
    """

    steps_done: int = 0
    losses: list[float] = field(default_factory=list)
    history: list[dict[str, float | None]] = field(default_factory=list)
    scaler: dict[str, Any] = field(default_factory=dict)

    def figures(self, metric: str) -> list[float | None]:
        """A figure of every finished epoch."""
        return [epoch.get(metric) for epoch in self.history]

    def best(self, metric: str) -> int:
        """Place of the epoch that counts."""
        return best_place(self.figures(metric), lower=metric.endswith("loss"))

    def waited(self, metric: str) -> int:
        """Epochs since then."""
        return waited(self.figures(metric), lower=metric.endswith("loss"))


class Checkpoints:
    """The checkpoints of one training."""

    def __init__(self, folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, metric: str):
        """Prepare; nothing is read or written yet.

        Args:
            folder: where they are.
            network: of which the weights that are trained, and the buffers beside them, are kept.
            optimizer: of these weights.
            metric: figure of the history by which the best epoch is told.
        """
        self.folder = folder
        self.network = network
        self.optimizer = optimizer
        self.metric = metric

    def resume(self) -> Progress:
        """Load the last checkpoint, or begin where there is none.

        Raises:
            UserError: it is damaged, or of another network.
        """
        if not (self.folder / LAST).exists():
            return Progress()
        tensors, progress = load_tensors(self.folder / LAST), _progress(self.folder / LAST)
        self._load({k.removeprefix("weights."): v for k, v in tensors.items() if k.startswith("weights.")}, LAST)
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, index, entry = key.split(".", 2)
                moments.setdefault(int(index), {})[entry] = value
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        return progress

    def save(self, progress: Progress) -> None:
        """Save a training under way; one killed at any moment leaves this checkpoint or the one before."""
        tensors = {f"weights.{key}": value for key, value in self._weights().items()}
        for index, entries in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": entry for key, entry in entries.items()}
        save_tensors(self.folder / LAST, tensors, {"progress": json.dumps(asdict(progress), allow_nan=False)})

    def save_epoch(self, progress: Progress, stopped: bool) -> None:
        """Save a training at the end of an epoch, as the best one where it is, with a record for people to read."""
        if (best := progress.best(self.metric)) == len(progress.history) - 1:
            save_tensors(self.folder / BEST, self._weights())
        self.save(progress)
        record = {
            "epochs_done": len(progress.history),
            "steps_done": progress.steps_done,
            "metric": self.metric,
            "best_epoch": best + 1,
            "best": progress.figures(self.metric)[best],
            "stopped_early": stopped,
            "history": progress.history,
        }
        save_json(self.folder / RECORD, record)

    def load_best(self) -> None:
        """Load the weights of the epoch that counts."""
        self._load(load_tensors(self.folder / BEST), BEST)

    def _weights(self) -> dict[str, Tensor]:
        frozen = {name for name, parameter in self.network.named_parameters() if not parameter.requires_grad}
        trained = {name.split(".")[0] for name, parameter in self.network.named_parameters() if parameter.requires_grad}
        state: Mapping[str, Tensor] = self.network.state_dict()
        return {k: v for k, v in state.items() if k.split(".")[0] in trained and k not in frozen}

    def _load(self, weights: Mapping[str, Tensor], file: str) -> None:
        wanted = self._weights()
        if wanted.keys() != weights.keys() or any(wanted[key].shape != weights[key].shape for key in wanted):
            raise UserError(f"{self.folder / file}: is of another network; name another --out, or remove {self.folder}")
        self.network.load_state_dict(weights, strict=False)


def _progress(path: Path) -> Progress:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    try:
        return Progress(**json.loads(metadata["progress"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: is no checkpoint of a training ({error}); remove it to begin anew") from None
