"""What a run will do, found out before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adcore.calibration import calibration_notes, check_rate
from adcore.data.samples import Sample, by_category
from adcore.data.split import Split, split_normals
from adcore.errors import UserError
from adcore.interfaces import Dataset
from adcore.settings import ContextSettings, Reference


@dataclass(frozen=True)
class CategoryPlan:
    """The images of one category, by what they are used for.

    Attributes:
        split: normal training images: references, training, validation, calibration.
        anomalous: real training anomalies; those without masks are of no use to training.
        tests: test images.
        golden: the images' own references, each once; empty where references are drawn from the normals.
    """

    split: Split
    anomalous: Sequence[Sample]
    tests: Sequence[Sample]
    golden: Sequence[Sample] = ()

    @property
    def references(self) -> Sequence[Sample]:
        """What says what is normal."""
        return self.golden or self.split.references

    @property
    def normals(self) -> list[Sample]:
        """All normal training images."""
        split = self.split
        shares = (*split.references, *split.training, *split.validation, *split.calibration)
        return [sample for sample in shares if sample.split == "train"]


def plan(
    data: Dataset,
    settings: ContextSettings,
    trained: bool,
    reference: Reference = "drawn",
    transductive: bool = False,
) -> dict[str, CategoryPlan]:
    """Share out the images of each category, by name.

    Args:
        data: the data set.
        settings: of the contexts.
        trained: whether a head is trained, which needs training images.
        reference: what images are compared with. ``paired``: each with its own reference; normals without one calibrate
            nothing then. ``representative``: with chosen normals, of which they are half at most.
        transductive: whether test images are judged by each other, and so are the references.

    Raises:
        UserError: a test image has no reference and needs one, or a category cannot give what is asked for.
    """
    check_rate(settings.false_alarm_rate, "context.false_alarm_rate")
    if settings.gate is not None and not 0 < settings.gate <= 1:
        raise UserError(f"context.gate: {settings.gate} must lie above 0 and be at most 1, which clusters every image")
    if (settings.seed or 0) < 0:
        raise UserError(f"context.seed: {settings.seed} is negative; write 0 or more")
    groups = by_category(data.samples())
    if not groups:
        raise UserError(f"data: {type(data).__name__} lists no image")
    plans = {}
    for category, samples in groups.items():
        train = [sample for sample in samples if sample.split == "train"]
        normals = [sample for sample in train if not sample.label]
        shared = _bounded(settings, len(normals)) if reference == "representative" else settings
        split = split_normals(normals, shared, trained)
        if trained and not split.training:
            raise UserError(
                f"category '{category}': no normal image is left to train on after {len(split.references)} references; "
                "lower context.shots, add images to train/good, or leave the head out (--head null)"
            )
        tests, golden = [sample for sample in samples if sample.split == "test"], []
        if reference == "paired":
            split = replace(split, calibration=[sample for sample in split.calibration if sample.reference])
            golden = _golden(category, tests, split.calibration)
        elif transductive and tests:
            split = replace(split, references=tests)
        plans[category] = CategoryPlan(split, [sample for sample in train if sample.label], tests, golden)
    return plans


def _bounded(settings: ContextSettings, normals: int) -> ContextSettings:
    """The settings, with no more references than half of the normals."""
    return replace(settings, shots=min(settings.shots, max(1, normals // 2)))


def _golden(category: str, tests: Sequence[Sample], normals: Sequence[Sample]) -> list[Sample]:
    """The references of test images and calibration normals, each once.

    Raises:
        UserError: a test image has none: how many, and the first; or there is none at all.
    """
    without = [sample for sample in tests if not sample.reference]
    if without:
        raise UserError(
            f"reference: paired needs a golden sample of each test image; {len(without)} of {len(tests)} in category "
            f"'{category}' have none, first {without[0].path}; add them, or write reference: drawn"
        )
    golden = dict.fromkeys(golden for sample in (*tests, *normals) if (golden := sample.golden))
    if not golden:
        raise UserError(f"reference: paired needs golden samples, category '{category}' has none")
    return list(golden)


def plan_notes(plans: Mapping[str, CategoryPlan], settings: ContextSettings) -> dict[str, list[str]]:
    """What is weaker than asked for, in plain words, by category."""
    notes: dict[str, list[str]] = {category: [] for category in plans}
    for category, part in plans.items():
        split, rate = part.split, settings.false_alarm_rate
        if not part.golden and len(split.references) < settings.shots:
            notes[category].append(
                f"{len(split.references)} references, half of the normals, and not the {settings.shots:g} asked for"
            )
        notes[category] += calibration_notes(len(part.references), len(split.calibration), rate)
        if any(sample.split == "test" for sample in split.references):
            notes[category].append("transductive: test images are judged by each other; report these figures apart")
        if not part.tests:
            notes[category].append("no test images; nothing is evaluated")
    return notes
