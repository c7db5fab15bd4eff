"""What counts as normal: a context's references, what was fitted to them, and its calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adcore.calibration import Calibration
from adcore.errors import UserError
from adcore.interfaces import State
from adcore.store import folder_name, load_json, load_tensors, save_json, save_tensors


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
        calibration_images: paths of the normals that scores were calibrated on; none where the references served.
        scale_images: paths of the normals that the fuser took its scale from; none where the references served.
        hashes: SHA-256 of each of these files by path, where it is a file.
        notes: warnings that belong to the context, in plain words.
    """

    name: str
    references: tuple[str, ...]
    matcher: State = field(default_factory=dict)
    prototypes: Tensor | None = None
    fuser: State = field(default_factory=dict)
    calibration: Calibration | None = None
    calibration_images: tuple[str, ...] = ()
    scale_images: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
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
                calibration_images=tuple(record["calibration_images"]),
                scale_images=tuple(record["scale_images"]),
                hashes=dict(record["hashes"]),
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
            "calibration_images": list(self.calibration_images),
            "scale_images": list(self.scale_images),
            "hashes": dict(self.hashes),
            "calibration": calibration,
            "notes": list(self.notes),
        }


def load_contexts(store: Path) -> dict[str, Context]:
    """All complete contexts of a model, by name."""
    found = [Context.load(file.parent) for file in sorted(store.glob("*/context.json"))]
    return {context.name: context for context in found}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> State:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
