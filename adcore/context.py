"""What counts as normal: a context's references, what was fitted to them, and its calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from adcore.calibration import Calibration

if TYPE_CHECKING:
    from torch import Tensor, device

    from adcore.interfaces import State


@dataclass(frozen=True)
class Context:
    """A named idea of normal. Weights know nothing of it; it can be made, swapped and dropped in seconds.

    Attributes:
        name: usually the category or production line.
        references: paths of the reference images.
        matcher: what the matcher learned of them.
        prototypes: the head's embeddings of reference pixels, unit-norm [n, D], or None without a head that embeds.
        fuser: what the fuser learned of the context's normals.
        descriptors: what references look like as a whole, [m, D], see `adcore.routing.describe`; of very many an even
            choice. None while the context is being built.
        reach: how far from the nearest descriptor an image may lie and still be routed here.
        calibration: thresholds and p-values; None while the context is being built.
        calibration_images: paths of the normals that scores were calibrated on; none where the references served.
        scale_images: paths of the normals that the fuser took its scale from; none where the references served.
        hashes: SHA-256 of each of these files by path, where it is a file.
        gate: score before clustering from which on an image is clustered, see `adcore.gate`; None where every image is.
        score: how maps become image scores, where the recipe leaves that open; else None.
        choices: what speaks for each candidate of what the recipe leaves open, see `adcore.choosing.Trial`.
        notes: warnings that belong to the context, in plain words.
        thumbnails: small pictures of references, as JPEG files; of very many an even choice.
        paired: whether each image is judged beside its own golden sample, which is fitted then; here are only the
            fuser's state and the calibration.
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
    gate: float | None = None
    score: str | None = None
    choices: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    descriptors: Tensor | None = None
    reach: float = 0.0
    thumbnails: tuple[bytes, ...] = field(default=(), repr=False)
    paired: bool = False

    @property
    def images(self) -> tuple[str, ...]:
        """Paths of all images that the context was made from."""
        return (*self.references, *self.scale_images, *self.calibration_images)

    def to(self, device: device | str) -> Context:
        """The same context with its tensors on a device."""
        return self.with_tensors({key: value.to(device) for key, value in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """All tensors, under the names that they are stored by."""
        tensors = {f"matcher.{key}": value for key, value in self.matcher.items()}
        tensors |= {f"fuser.{key}": value for key, value in self.fuser.items()}
        single = {"prototypes": self.prototypes, "descriptors": self.descriptors}
        return tensors | {key: value for key, value in single.items() if value is not None}

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Context:
        """The same context with other tensors, named as by `tensors`."""
        return replace(
            self,
            matcher=_part(tensors, "matcher."),
            fuser=_part(tensors, "fuser."),
            prototypes=tensors.get("prototypes"),
            descriptors=tensors.get("descriptors"),
        )

    def record(self) -> dict[str, Any]:
        """Everything but the name, the tensors and the thumbnails, as plain data."""
        return {
            "references": list(self.references),
            "calibration_images": list(self.calibration_images),
            "scale_images": list(self.scale_images),
            "hashes": dict(self.hashes),
            "calibration": self.calibration.record() if self.calibration else None,
            "reach": self.reach,
            "gate": self.gate,
            "score": self.score,
            "choices": [dict(trial) for trial in self.choices],
            "notes": list(self.notes),
            "paired": self.paired,
        }

    @classmethod
    def of_record(cls, name: str, record: Mapping[str, Any]) -> Context:
        """The context that a record was made of, without its tensors.

        Raises:
            KeyError, TypeError: the record is not of a context.
        """
        calibration = record["calibration"]
        return cls(
            name=name,
            references=tuple(record["references"]),
            calibration_images=tuple(record["calibration_images"]),
            scale_images=tuple(record["scale_images"]),
            hashes=dict(record["hashes"]),
            calibration=Calibration.of(**calibration) if calibration else None,
            reach=float(record["reach"]),
            gate=record.get("gate"),
            score=record["score"],
            choices=tuple(record["choices"]),
            notes=tuple(record["notes"]),
            paired=bool(record["paired"]),
        )


def _part(tensors: Mapping[str, Tensor], prefix: str) -> State:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
