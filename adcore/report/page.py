"""The report as one self-contained HTML page."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from adcore.report import charts
from adcore.report.case import IMAGE_AREA, Case, data_uri, encode_jpeg, encode_png, fit, shrink_mask
from adcore.report.duration import duration
from adcore.report.gallery import CategoryGallery
from adcore.report.tables import COLUMNS, alarms, comparison, comparison_by_category, known, results, text_of
from adcore.report.verdict import tiles, verdict

PICTURE_BYTES = 1_600_000
"""What the gallery may weigh before base64, so that the page stays below about 3 MB."""

VERSIONS = ("adcore", "torch", "torchvision", "timm", "numpy", "scikit-learn", "pillow")


@dataclass
class Page:
    """Everything that the report shows.

    Attributes:
        title: name of the run.
        out: the run folder.
        metrics: as `adcore.hooks.Hooks.on_report` hands them over; keys may be missing, values None.
        categories: what was seen of the test images of each category.
        recipe: the resolved recipe as YAML.
        epochs: number and metrics of each training epoch.
        stages: seconds that each finished stage took.
        messages: level and text of what was said to the user.
        references: small JPEGs of each context's references.
        created: when the report was made.
    """

    title: str
    out: Path
    metrics: Mapping[str, Any]
    categories: Mapping[str, CategoryGallery]
    recipe: str = ""
    epochs: Sequence[tuple[int, Mapping[str, float]]] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    messages: Sequence[tuple[str, str]] = ()
    references: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    created: datetime = field(default_factory=datetime.now)

    def render(self) -> str:
        """The page as HTML."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters.update(score="{:.4g}".format, metric=text_of, duration=duration)
        style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
        return environment.get_template("page.jinja").render(
            page=self,
            style=Markup(style),
            verdict=verdict(self.metrics, self.categories),
            tiles=tiles(self.metrics, self.categories),
            results=results(self.metrics),
            comparison=comparison(self.metrics),
            comparison_by_category=comparison_by_category(self.metrics),
            glossary=[column for column in COLUMNS if column.key in self.metrics.get("mean", {})],
            categories=self._categories(),
            contexts=self._contexts(),
            training=_training_charts(self.epochs),
            command=shlex.join(["adcore", "run", str(self.out / "recipe.yaml"), "--out", f"{self.out}-again"]),
            versions=_versions(),
        )

    def _categories(self) -> list[dict[str, Any]]:
        """What the template shows of each category."""
        picked = {name: gallery.picked() for name, gallery in self.categories.items()}
        kept = [case for lists in picked.values() for cases in lists.values() for case in cases]
        weight = sum(2 * len(case.image) + len(case.truth or b"") for case in kept)  # the overlay weighs like the image
        area = int(IMAGE_AREA * min(1.0, PICTURE_BYTES / max(weight, 1)))
        contexts = self.metrics.get("contexts", {})
        shown = []
        for name, gallery in self.categories.items():
            auroc = known(self.metrics.get("categories", {}).get(name, {}).get("image.auroc"))
            limits = gallery.scale.limits(known(contexts.get(name, {}).get("pixel_threshold")))
            lists = {
                title: [_card(case, limits, area) for case in cases] for title, cases in picked[name].items() if cases
            }
            shown.append(
                {
                    "name": name,
                    "gallery": gallery,
                    "roc": charts.roc(gallery.scores, gallery.labels, gallery.threshold, auroc),
                    "histogram": charts.histogram(gallery.scores, gallery.labels, gallery.threshold),
                    "lists": lists,
                }
            )
        return shown

    def _contexts(self) -> list[dict[str, Any]]:
        """What the template shows of each context."""
        asked = self.metrics.get("settings", {}).get("false_alarm_rate")
        contexts: Mapping[str, Mapping[str, Any]] = self.metrics.get("contexts", {})
        realised = {name: alarms(values) for name, values in self.metrics.get("categories", {}).items()}
        return [
            {
                "name": name,
                "references": context.get("references") or [],
                "pictures": [data_uri(picture) for picture in self.references.get(name, ())],
                "calibration": context.get("calibration"),
                "method": context.get("calibration_method"),
                "supported_rate": context.get("supported_rate"),
                "weaker": asked is not None and (context.get("supported_rate") or 0.0) > asked,
                "realised": realised.get(name),
                "threshold": context.get("threshold"),
                "pixel_threshold": context.get("pixel_threshold"),
                "choices": context.get("choices") or [],
                "warnings": context.get("warnings") or [],
            }
            for name, context in contexts.items()
        ]


def _card(case: Case, limits: tuple[float, float], area: int) -> dict[str, Any]:
    """A case's pictures as data URIs; very wide ones are stacked, not set side by side."""
    pictures = case.pictures(limits)
    width, height = fit(pictures[0].size, area)
    image, laid_over = (picture.resize((width, height)) for picture in (pictures[0], pictures[2]))
    truth = pictures[1] and shrink_mask(pictures[1], (width, height))
    shape = "strip" if width > 2.2 * height else "tower" if height > 2.2 * width else ""
    return {
        "case": case,
        "shape": shape,
        "width": width,
        "height": height,
        "image": data_uri(encode_jpeg(image)),
        "truth": None if truth is None else data_uri(encode_png(truth)),
        "map": data_uri(encode_jpeg(laid_over)),
    }


def _training_charts(epochs: Sequence[tuple[int, Mapping[str, float]]]) -> list[Markup]:
    """Losses in one chart, fractions such as validation figures in another; rates of learning are left out."""
    series: dict[str, list[tuple[float, float]]] = {}
    for epoch, metrics in epochs:
        for key, value in metrics.items():
            if known(value) is not None:
                series.setdefault(key, []).append((epoch, float(value)))
    losses = {key: line for key, line in series.items() if "loss" in key}
    fractions = {
        key: line for key, line in series.items() if key.startswith("val.") and all(0 <= v <= 1 for _, v in line)
    }
    drawn = []
    if losses:
        drawn.append(charts.lines("loss", losses))
    if fractions:
        named = {key.removeprefix("val."): line for key, line in fractions.items() if key not in losses}
        drawn.append(charts.lines("validation on simulated anomalies", named, unit=True))
    return drawn


def _versions() -> list[tuple[str, str]]:
    found = [("Python", platform.python_version()), ("System", f"{platform.system()} {platform.machine()}")]
    for package in VERSIONS:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return found
