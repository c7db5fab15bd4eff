"""What came out of a run, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adcore.listing import listed
from adcore.metrics.decision import chance_of_alarms
from adcore.report.gallery import CategoryGallery
from adcore.report.tables import known, text_of

CHANCE = 0.025
"""Below this probability, more false alarms than promised are not put down to chance."""

MANY = 10**6
"""Calibration images where their number is not known: the rate is then taken as kept exactly."""


@dataclass(frozen=True)
class Tile:
    """A key figure.

    Attributes:
        title: what it is.
        value: the figure.
        note: what to compare it with.
    """

    title: str
    value: str
    note: str = ""


def verdict(metrics: Mapping[str, Any], categories: Mapping[str, CategoryGallery]) -> list[str]:
    """Sentences: how well defects are told apart, whether the promise was kept, the weakest category, the parts."""
    sentences = [_separation(metrics, categories), _promise(metrics, categories), _recall(categories)]
    return [sentence for sentence in [*sentences, _weakest(metrics), _parts(metrics)] if sentence]


def tiles(metrics: Mapping[str, Any], categories: Mapping[str, CategoryGallery]) -> list[Tile]:
    """The key figures at the top of the page."""
    mean, worst = metrics.get("mean", {}), (metrics.get("worst", {}).get("image.auroc") or {})
    if not categories:
        return []
    several = len(metrics.get("categories", {})) > 1
    title = "Mean image AUROC" if several else "Image AUROC"
    shown = [Tile(title, text_of(mean.get("image.auroc")), "1 is perfect, 0.5 is guessing")]
    if several and known(worst.get("value")) is not None:
        shown.append(Tile("Worst category", text_of(worst["value"]), f"image AUROC of {worst['category']}"))
    if known(mean.get("pixel.ap")) is not None:
        area = text_of(mean.get("pixel.aupro30"))
        shown.append(Tile("Mean pixel AP" if several else "Pixel AP", text_of(mean["pixel.ap"]), f"AUPRO .30 {area}"))
    alarms, normals = _count(categories, "false alarm"), _count(categories, "false alarm", "passed")
    if normals:
        promised = metrics.get("settings", {}).get("false_alarm_rate")
        limit = "" if promised is None else f"; asked for {100 * promised:g}\u202f%"
        note = f"{alarms} of {normals} good images{limit}"
        shown.append(Tile("False alarms", text_of(alarms / normals, percent=True), note))
    found, defective = _count(categories, "found"), _count(categories, "found", "missed")
    if defective:
        note = f"{found} of {defective} defective images"
        shown.append(Tile("Defects found", text_of(found / defective, percent=True), note))
    if known(mean.get("context.flip_accuracy")) is not None:
        note = "shared images judged right in both"
        shown.append(Tile("Two contexts", text_of(mean["context.flip_accuracy"], percent=True), note))
    return shown


def _separation(metrics: Mapping[str, Any], categories: Mapping[str, CategoryGallery]) -> str:
    images = sum(len(category.scores) for category in categories.values())
    if not images:
        return "There were no test images, so nothing was measured."
    several = len(categories) > 1
    start = f"{images} test images of {len(categories)} categories" if several else f"{images} test images"
    auroc = known(metrics.get("mean", {}).get("image.auroc"))
    if auroc is None:
        return f"{start}: good and defective ones are never both in one category, so how well they separate is unknown."
    share = text_of(auroc, percent=True)
    return f"{start}: a defective image scores above a good one in {share} of all pairs{' on average' * several}."


def _promise(metrics: Mapping[str, Any], categories: Mapping[str, CategoryGallery]) -> str:
    """Whether false alarms stay within the rate that was asked for, or the smallest that the calibration supports."""
    asked = metrics.get("settings", {}).get("false_alarm_rate")
    normals, alarms = _count(categories, "false alarm", "passed"), _count(categories, "false alarm")
    if asked is None or not normals:
        return ""
    contexts: Mapping[str, Mapping[str, Any]] = metrics.get("contexts", {})
    rates = {name: max(asked, known(contexts.get(name, {}).get("supported_rate")) or 0.0) for name in categories}
    promised = sum(rate * _count({name: categories[name]}, "false alarm", "passed") for name, rate in rates.items())
    limit = text_of(promised / normals, percent=True)
    weaker = [name for name, rate in rates.items() if rate > asked * (1 + 1e-9)]
    if weaker:
        have = "have" if len(weaker) > 1 else "has"
        limit += f" (not the {100 * asked:g}\u202f% asked for, as {listed(weaker)} {have} too few calibration images)"
    if rough := [name for name in categories if contexts.get(name, {}).get("calibration_method") == "leave-one-out"]:
        limit += f" (only as a rough guide for {listed(rough)}, calibrated on references)"
    judged = [
        (
            _count({name: categories[name]}, "false alarm", "passed"),
            contexts.get(name, {}).get("calibration") or MANY,
            rate,
        )
        for name, rate in rates.items()
    ]
    if alarms <= promised:
        judgement = "the promise was kept"
    elif chance_of_alarms(alarms, judged) >= CHANCE:
        judgement = "this is more, but no more than chance brings with so few images"
    else:
        judgement = "this is clearly more"
    share = text_of(alarms / normals, percent=True)
    return (
        f"{alarms} of {normals} good images raised a false alarm ({share}); at most {limit} was promised: {judgement}."
    )


def _recall(categories: Mapping[str, CategoryGallery]) -> str:
    found, defective = _count(categories, "found"), _count(categories, "found", "missed")
    if not defective:
        return ""
    return f"{found} of {defective} defective images were found ({text_of(found / defective, percent=True)})."


def _weakest(metrics: Mapping[str, Any]) -> str:
    worst = metrics.get("worst", {}).get("image.auroc") or {}
    if len(metrics.get("categories", {})) < 2 or known(worst.get("value")) is None:
        return ""
    return f"The weakest category is {worst['category']}, image AUROC {worst['value']:.3f}."


def _parts(metrics: Mapping[str, Any]) -> str:
    baseline = known((metrics.get("baseline") or {}).get("mean", {}).get("image.auroc"))
    ours = known(metrics.get("mean", {}).get("image.auroc"))
    sentences = [_together(metrics, "image.auroc", "image AUROC"), _together(metrics, "pixel.ap", "pixel AP")]
    if ours is not None and baseline is not None:
        sentences.append(
            f"Plain difference from the mean image, the simplest method there is, reaches image AUROC {baseline:.3f}."
        )
    return " ".join(filter(None, sentences))


def _together(metrics: Mapping[str, Any], key: str, title: str) -> str:
    """Whether the branches gain by being joined; nothing where there is one branch."""
    ours = known(metrics.get("mean", {}).get(key))
    branches: Mapping[str, Any] = metrics.get("branches") or {}
    means = {name: known(branch.get("mean", {}).get(key)) for name, branch in branches.items()}
    alone = {name: value for name, value in means.items() if value is not None}
    if ours is None or len(alone) < 2:
        return ""
    best = max(alone.values())
    than = "better than" if ours > best + 5e-4 else "as good as" if ours > best - 5e-4 else "worse than"
    values = ", ".join(f"{name} {value:.3f}" for name, value in alone.items())
    return f"In {title} the branches together ({ours:.3f}) are {than} the better one alone ({values})."


def _count(categories: Mapping[str, CategoryGallery], *outcomes: str) -> int:
    return sum(category.outcomes[outcome] for category in categories.values() for outcome in outcomes)
