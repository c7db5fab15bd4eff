"""A run: everything that a recipe assembles, checked and then carried out in stages."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from adcore.choosing import needs_defects
from adcore.detector import Detector
from adcore.devices import check_devices, device_named
from adcore.errors import UserError
from adcore.exposure import Exposure, wrap
from adcore.hooks import RunInfo
from adcore.interfaces import (
    Backbone,
    Clusterer,
    Dataset,
    Fuser,
    Head,
    Observer,
    ReferenceMatcher,
    Synthesizer,
)
from adcore.logfile import LogFile
from adcore.observing import Observers, own_warnings
from adcore.planning import CategoryPlan, plan
from adcore.precision import Precision, resolved
from adcore.resolutions import ResolutionSettings
from adcore.run_folder import claim
from adcore.scoring import Reduction
from adcore.settings import ContextSettings, Reference, TrainingSettings, check_settings, trains_head
from adcore.store import check_writable, load_json, write_text
from adcore.studying import embed_references, study


class Runner:
    """Everything that a recipe assembles. Its arguments are the keys of a recipe."""

    def __init__(
        self,
        data: Dataset,
        backbone: Backbone,
        fuser: Fuser,
        matcher: ReferenceMatcher | None = None,
        head: Head | None = None,
        clusterer: Clusterer | None = None,
        synthesizers: list[Synthesizer] | None = None,
        observers: list[Observer] | None = None,
        reference: Reference = "drawn",
        registration: bool = True,
        context: ContextSettings | None = None,
        training: TrainingSettings | None = None,
        resolution: ResolutionSettings | None = None,
        exposure: Exposure = "kept",
        image_size: int | tuple[int, int] | None = None,
        score: str = "top1%",
        smoothing: float = 1.0,
        score_smoothing: float = 0.0,
        device: str = "auto",
        precision: Precision = "auto",
        threads: int | None = None,
        seed: int = 0,
    ):
        """Assemble a run.

        Args:
            data: where images come from.
            backbone: turns images into features.
            fuser: joins the branches' maps.
            matcher: the few-shot branch, or null to leave it out.
            head: the contrastive branch, or null to leave it out.
            clusterer: groups the head's embeddings; needed by a head that embeds.
            synthesizers: make the simulated anomalies that a head is trained and validated on, in turn.
            observers: watch the run.
            reference: what images are compared with. ``drawn``: `context.shots` normal images of their category, drawn
                at random. ``representative``: as many, but half of the normals at most; among all that are not held out
                for validation and calibration, those that differ most from each other in the backbone's eyes.
                ``paired``: each with its own golden sample, which the data set has to name.
            registration: whether golden samples are first laid on the image (shift, small rotation, scale).
            context: how normals are shared out and what decisions promise.
            training: how the head is trained.
            resolution: at which scales, and in how many tiles, the backbone sees an image.
            exposure: in which the backbone sees an image. ``kept``: as it is. ``brightness``: all images are brought to
                the same mean grey value. ``contrast``: to the same spread of grey values too. Not for where another
                brightness is a defect.
            image_size: side in pixels to which images are resized, or [height, width]; null for what the data suggest.
            score: how a map becomes an image score: ``max``, ``top<P>%`` (mean of the top P percent) or ``q<P>``
                (quantile), each as it is or less so many times the map's median, as in ``max-0.5median``. ``auto``
                chooses for each context, as settings of the matcher that are ``auto`` are chosen: by the references
                alone and simulated anomalies, for which `synthesizers` are needed.
            smoothing: sigma, in cells of the map's grid, of the Gaussian that smooths maps to look at; 0 leaves them.
            score_smoothing: likewise of the maps that scores are taken from; they tell best as they are, or nearly so.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
            precision: of the backbone and of the search for nearest patches, as Lightning Fabric names it. ``auto`` is
                ``bf16-mixed`` where the device multiplies bfloat16 in hardware (a CPU with AMX or AVX512-BF16, a CUDA
                device from compute capability 8.0 on), else ``32-true``.
            threads: of the CPU that compute; null for one per core.
            seed: of weights, training order, simulated anomalies, and which images are drawn as references.
        """
        self.data = data
        self.backbone = backbone
        self.fuser = fuser
        self.matcher = matcher
        self.head = head
        self.clusterer = clusterer
        self.synthesizers = synthesizers or []
        self.observers = observers or []
        self.reference = reference
        self.registration = registration
        context = context or ContextSettings()
        self.context = replace(context, seed=seed) if context.seed is None else context
        self.training = training or TrainingSettings()
        self.resolution = resolution or ResolutionSettings()
        self.exposure: Exposure = exposure
        self.image_size = image_size
        self.score = score
        self.smoothing = smoothing
        self.score_smoothing = score_smoothing
        self.device = device
        self.precision = precision
        self.threads = threads
        self.seed = seed

    def detector(self) -> Detector:
        """The detector that the components make.

        Raises:
            UserError: they do not go together.
        """
        if self.matcher is None and self.head is None:
            raise UserError("recipe: neither a matcher nor a head is named; name at least one of them")
        if self.matcher is None and self.reference == "paired":
            raise UserError("reference: paired needs a matcher to compare with golden samples; name one")
        if self.head is not None and self.head.reads and not getattr(self.matcher, f"{self.head.reads}s", 0):
            raise UserError(
                f"head.input: {self.head.input} needs a matcher that offers a {self.head.reads}; name one, "
                "e.g. `matcher: relation`"
            )
        if self.matcher is not None and self.matcher.transductive and self.reference != "drawn":
            raise UserError(
                f"matcher {type(self.matcher).__name__} judges test images by each other; write reference: drawn"
            )
        if self.head is not None and self.matcher is not None and self.matcher.transductive:
            raise UserError(
                f"matcher {type(self.matcher).__name__} judges test images by each other; no head learns from those; "
                "write --head null, or name a matcher that has references"
            )
        if not self.synthesizers and needs_defects(self.matcher, self.score == "auto"):
            raise UserError(
                "synthesizers: what is `auto`, but for rotations, is chosen by simulated anomalies; name some, e.g. "
                "[nsa, cutpaste, perlin], or values in place of `auto`"
            )
        given = self.data.image_size if self.image_size is None else self.image_size
        size = (given, given) if isinstance(given, int) else tuple(given)
        if min(size) < 8:
            raise UserError(f"image_size: {given} is too small; at least 8 pixels are needed")
        for key, cells in (("smoothing", self.smoothing), ("score_smoothing", self.score_smoothing)):
            if not 0 <= cells < math.inf:
                raise UserError(f"{key}: {cells} must be 0 (none) or a number of cells such as 0.5")
        heavy = any(getattr(part, "heavy", False) for part in self.backbone.modules())
        return Detector(
            backbone=wrap(self.backbone, self.exposure),
            fuser=self.fuser,
            matcher=self.matcher,
            head=self.head,
            clusterer=self.clusterer,
            image_size=(size[0], size[1]),
            score=None if self.score == "auto" else Reduction.parse(self.score),
            smoothing=self.smoothing,
            score_smoothing=self.score_smoothing,
            precision=resolved(self.precision, self.torch_device(), heavy),
            synthesizers=self.synthesizers,
            gate_rate=self.context.false_alarm_rate if self.context.gate is None else self.context.gate,
        )

    def torch_device(self) -> torch.device:
        """The device that the recipe's words mean here.

        Raises:
            UserError: there is no such device.
        """
        return device_named(self.device)

    def check(self) -> dict[str, CategoryPlan]:
        """Find everything that would stop the run, before it computes: settings, images, masks, shares.

        Raises:
            UserError: the first thing found.
        """
        from adcore.trainable import backbone_mode  # here and in `run`: what only predicts does not wait for it

        Observers(self.observers)  # refuses misspelt hooks
        if self.threads is not None and self.threads < 1:
            raise UserError(f"threads: {self.threads} must be at least 1, or null for one per core")
        detector = self.detector()
        backbone_mode(detector, self.training)
        check_settings(self.training)
        check_devices(self.training.devices, self.torch_device())
        transductive = bool(self.matcher and self.matcher.transductive)
        plans = plan(self.data, self.context, self.head is not None, self.reference, transductive)
        real = (sample for part in plans.values() for sample in part.anomalous)
        trains = trains_head(self.head, self.training)
        if trains and not self.synthesizers and all(self.data.mask(sample) is None for sample in real):
            raise UserError(
                "synthesizers: a head needs anomalies to train on, and the training set has none with masks; "
                "name synthesizers, e.g. [nsa, cutpaste, perlin]"
            )
        self._try_components(detector)
        self.data.check()
        return plans

    def _try_components(self, detector: Detector) -> None:
        """One blank image through all components: what does not fit is found now."""
        blank = torch.zeros(1, 3, *detector.image_size)
        modes = {module: module.training for module in detector.modules()}
        detector.eval()
        with torch.inference_mode():
            studied = study(detector, blank)
            output = embed_references(detector, studied) if detector.head is not None else None
        for module, mode in modes.items():
            module.training = mode
        if output is None:
            return
        if output.embedding is None and output.logits is None:
            raise UserError(f"head {type(detector.head).__name__} gives neither an embedding nor logits")
        if output.embedding is not None and output.logits is None and self.clusterer is None:
            raise UserError(
                f"clusterer: head {type(detector.head).__name__} gives embeddings, which have to be clustered; "
                "name one, e.g. `clusterer: kmeans`"
            )

    def run(self, out: Path, recipe: str, resume: bool = False) -> dict[str, Any]:
        """Run all stages, or those that an interrupted run of the same recipe left undone.

        Args:
            out: the run folder.
            recipe: the resolved recipe as YAML, kept with the run and the model.
            resume: continue in a folder that holds an unfinished run.

        Returns:
            The metrics, as in ``metrics.json``.

        Raises:
            UserError: the recipe, the data or the folder is not as needed.
        """
        from adcore.stages import Stages

        started = time.monotonic()
        resolved = yaml.safe_load(recipe)
        claim(out, resolved, resume)
        if (out / "metrics.json").exists():
            finished: dict[str, Any] = load_json(out / "metrics.json")
            return finished
        made = [folder for folder in (out, *out.parents) if not folder.exists()]  # deepest first
        check_writable(out)
        observers = Observers([LogFile(), *self.observers])
        try:
            with own_warnings(observers):
                plans = self.check()
                if self.threads:
                    torch.set_num_threads(self.threads)
                write_text(out / "recipe.yaml", recipe)
                observers.on_run_start(run=RunInfo(out, resolved, list(plans), resume))
                metrics = Stages(self, out, recipe, plans, observers).all()
        except BaseException as error:
            observers.on_error(error=error)
            raise
        finally:
            observers.on_run_end(seconds=time.monotonic() - started)
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()  # goes only where nothing was written: the check failed
        return metrics
