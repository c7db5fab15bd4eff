"""What counts as normal: a context's references, what was fitted to them, and its calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adcore.errors import UserError
from adcore.interfaces import State
from adcore.store import folder_name, load_json, load_tensors, save_json, save_tensors


@dataclass(frozen=True)
class Calibration:
    """Conformal calibration on scores of normal images that nothing else has seen (Vovk et al. 2005).

    Attributes:
        scores: image scores of the calibration normals, ascending.
        peaks: highest value of each of their maps, ascending.
        rate: the false-alarm rate asked for.
        method: ``held-out``, or ``leave-one-out`` where only the references themselves were left.
    """

    scores: tuple[float, ...]
    peaks: tuple[float, ...]
    rate: float
    method: str = "held-out"

    @classmethod
    def of(cls, scores: Sequence[float], peaks: Sequence[float], rate: float, method: str = "held-out") -> Calibration:
        """Calibrate on any order of scores and peaks."""
        return cls(tuple(sorted(scores)), tuple(sorted(peaks)), rate, method)

    @property
    def supported_rate(self) -> float:
        """The rate that decisions keep: the one asked for, or the smallest that this many normals can support."""
        return max(self.rate, 1 / (len(self.scores) + 1))

    def p_value(self, score: float) -> float:
        """(1 + number of calibration scores at least as high) / (n + 1)."""
        reached = sum(1 for other in self.scores if other >= score)
        return (1 + reached) / (len(self.scores) + 1)

    @property
    def threshold(self) -> float:
        """Scores of at least this are called anomalous: exactly those with a p-value of at most `supported_rate`."""
        return self._threshold(self.scores)

    @property
    def pixel_threshold(self) -> float:
        """Map values of at least this are marked: the same promise, for the highest value of a normal image's map."""
        return self._threshold(self.peaks)

    def _threshold(self, values: tuple[float, ...]) -> float:
        allowed = math.floor(self.supported_rate * (len(values) + 1) + 1e-9) - 1  # normals that may reach it
        highest = np.float32(values[len(values) - 1 - allowed])
        return float(np.nextafter(highest, np.float32(np.inf)))  # maps and scores are float32


@dataclass(frozen=True)
class Context:
    """A named idea of normal. Weights know nothing of it; it can be made, swapped and dropped in seconds.

    Attributes:
        name: usually the category or production line.
        references: paths of the reference images.
        matcher: what the matcher learned of them.
        prototypes: the head's embeddings of reference pixels, unit-norm [n, D], or None without a head that embeds.
        fuser: what the fuser learned of the context's normals.
        calibration: thresholds and p-values; None while the context is being built.
        hashes: SHA-256 of each reference file, where it is a file.
        notes: warnings that belong to the context, in plain words.
    """

    name: str
    references: tuple[str, ...]
    matcher: State = field(default_factory=dict)
    prototypes: Tensor | None = None
    fuser: State = field(default_factory=dict)
    calibration: Calibration | None = None
    hashes: tuple[str | None, ...] = ()
    notes: tuple[str, ...] = ()

    def to(self, device: torch.device | str) -> Context:
        """The same context with its tensors on a device."""
        return replace(
            self,
            matcher={key: value.to(device) for key, value in self.matcher.items()},
            prototypes=None if self.prototypes is None else self.prototypes.to(device),
            fuser={key: value.to(device) for key, value in self.fuser.items()},
        )

    def save(self, store: Path) -> None:
        """Write the context into a model's ``contexts`` folder."""
        folder = store / folder_name(self.name)
        tensors = {f"matcher.{key}": value for key, value in self.matcher.items()}
        tensors |= {f"fuser.{key}": value for key, value in self.fuser.items()}
        if self.prototypes is not None:
            tensors["prototypes"] = self.prototypes
        save_tensors(folder / "state.safetensors", tensors)
        save_json(folder / "context.json", self._record())  # last: a context with this file is complete

    @classmethod
    def load(cls, folder: Path) -> Context:
        """Read a context's folder.

        Raises:
            UserError: a file is missing or damaged.
        """
        record = load_json(folder / "context.json")
        tensors = load_tensors(folder / "state.safetensors")
        try:
            return cls(
                name=record["name"],
                references=tuple(record["references"]),
                matcher=_part(tensors, "matcher."),
                prototypes=tensors.get("prototypes"),
                fuser=_part(tensors, "fuser."),
                calibration=Calibration.of(**record["calibration"]) if record["calibration"] else None,
                hashes=tuple(record["hashes"]),
                notes=tuple(record["notes"]),
            )
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{folder / 'context.json'}: not a context of this adcore ({error}); make it anew"
            ) from None

    def _record(self) -> dict[str, Any]:
        calibration = None
        if self.calibration:
            calibration = {
                "scores": list(self.calibration.scores),
                "peaks": list(self.calibration.peaks),
                "rate": self.calibration.rate,
                "method": self.calibration.method,
            }
        return {
            "name": self.name,
            "references": list(self.references),
            "hashes": list(self.hashes),
            "calibration": calibration,
            "notes": list(self.notes),
        }


def load_contexts(store: Path) -> dict[str, Context]:
    """All complete contexts of a model, by name."""
    found = [Context.load(file.parent) for file in sorted(store.glob("*/context.json"))]
    return {context.name: context for context in found}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> State:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
