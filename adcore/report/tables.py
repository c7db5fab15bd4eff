"""The tables of the report, worked out from a run's metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Column:
    """A metric as the reader sees it.

    Attributes:
        key: in ``metrics.json``.
        group: heading above several columns.
        title: heading.
        meaning: one line for who does not know the metric.
        percent: shown as percentage.
    """

    key: str
    group: str
    title: str
    meaning: str
    percent: bool = False


COLUMNS = (
    Column("image.auroc", "Image", "AUROC", "chance that a defective image scores above a good one; 0.5 is guessing"),
    Column("image.ap", "Image", "AP", "average precision: area under precision over recall of the images"),
    Column("image.f1max", "Image", "F1 max", "best F1 that any threshold gives; an upper bound, it needs the labels"),
    Column("pixel.auroc", "Pixel", "AUROC", "chance that a pixel of a defect scores above any other pixel"),
    Column("pixel.ap", "Pixel", "AP", "average precision of the pixels; unlike AUROC it punishes false marks strongly"),
    Column("pixel.f1max", "Pixel", "F1 max", "best F1 of the pixels that any threshold gives"),
    Column("pixel.aupro30", "Pixel", "AUPRO .30", "mean share of each defect region covered, up to 30 % false pixels"),
    Column("pixel.aupro05", "Pixel", "AUPRO .05", "the same up to 5 % false pixels, which is stricter"),
    Column("decision.precision", "Decision", "Precision", "share of images called anomalous that are defective", True),
    Column("decision.recall", "Decision", "Recall", "share of defective images that were called anomalous", True),
    Column("decision.false_alarm_rate", "Decision", "False alarms", "good images called anomalous (95 % range)", True),
    Column("context.flip_accuracy", "Context", "Both right", "images judged right in both of their contexts", True),
)


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        text: the number, or ``n/a``.
        note: a second line, smaller.
        mark: ``best``, ``worst`` or nothing.
    """

    text: str
    note: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns.

    Attributes:
        columns: headings.
        rows: name of the row and its cells.
        foot: summary rows.
    """

    columns: Sequence[Column]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    foot: Sequence[tuple[str, Sequence[Cell]]] = field(default_factory=list)

    def groups(self) -> list[tuple[str, int]]:
        """Headings above the columns and how many columns each spans."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans


def known(value: Any) -> float | None:
    """A metric's value, or None where it could not be computed."""
    return None if value is None or math.isnan(value) else float(value)


def text_of(value: Any, percent: bool = False) -> str:
    """A metric as text: ``0.962``, ``96.2 %`` or ``n/a``."""
    number = known(value)
    if number is None:
        return "n/a"
    return f"{100 * number:.1f}\u202f%" if percent else f"{number:.3f}"


def alarms(values: Mapping[str, Any]) -> Cell:
    """A category's realised false-alarm rate with its interval."""
    (column,) = (column for column in COLUMNS if column.key == "decision.false_alarm_rate")
    return _cell(values, column)


def results(metrics: Mapping[str, Any]) -> Table:
    """Every category's metrics, the mean, and the worst with its category."""
    categories: Mapping[str, Mapping[str, Any]] = metrics.get("categories", {})
    mean, worst = metrics.get("mean", {}), metrics.get("worst", {})
    columns = _present(list(categories.values()))
    if len(categories) < 2:
        return Table(
            columns, [(name, [_cell(values, column) for column in columns]) for name, values in categories.items()]
        )
    worst_of, lowest = {}, []
    for column in columns:
        entry = worst.get(column.key) or {}
        text = text_of(entry.get("value"), column.percent)
        differ = text != text_of(mean.get(column.key), column.percent)  # where all are equal, none is worst
        worst_of[column.key] = entry.get("category") if differ else None
        lowest.append(Cell(text, worst_of[column.key] or ""))
    rows = [
        (name, [_cell(values, column, "worst" if worst_of[column.key] == name else "") for column in columns])
        for name, values in categories.items()
    ]
    return Table(columns, rows, [("Mean", [_cell(mean, column) for column in columns]), ("Worst", lowest)])


def comparison(metrics: Mapping[str, Any]) -> Table | None:
    """Means over the categories: the model, each branch alone, the baseline; None if there is only the model."""
    methods = {name: values.get("mean") or {} for name, values in _methods(metrics).items()}
    columns = [column for column in _present(list(methods.values())) if column.group in ("Image", "Pixel")]
    if len(methods) < 2 or not columns:
        return None
    by_column = [_best_marked([values.get(column.key) for values in methods.values()]) for column in columns]
    return Table(columns, list(zip(methods, zip(*by_column, strict=True), strict=True)))


def comparison_by_category(metrics: Mapping[str, Any], key: str = "image.auroc") -> Table | None:
    """One metric of the same methods, category by category; None for a single category or method."""
    methods = {name: values.get("categories") or {} for name, values in _methods(metrics).items()}
    categories = list(metrics.get("categories", {}))
    if len(methods) < 2 or len(categories) < 2:
        return None
    rows = [(c, _best_marked([values.get(c, {}).get(key) for values in methods.values()])) for c in categories]
    return Table([Column(name, "", name, "") for name in methods], rows)


def _methods(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    methods = {"This model": metrics}
    branches: Mapping[str, Any] = metrics.get("branches") or {}
    if len(branches) > 1:  # a single branch is the model
        methods |= {f"{branch.capitalize()} branch": values for branch, values in branches.items()}
    if metrics.get("baseline"):
        methods["Mean image"] = metrics["baseline"]
    return methods


def _best_marked(values: Sequence[Any]) -> list[Cell]:
    """Cells of one metric by several methods; what is equal as printed is equally good."""
    best = max((number for value in values if (number := known(value)) is not None), default=None)
    return [Cell(text_of(v), "", "best" if best is not None and text_of(v) == text_of(best) else "") for v in values]


def _present(sources: Sequence[Mapping[str, Any]]) -> list[Column]:
    return [column for column in COLUMNS if any(column.key in source for source in sources)]


def _cell(values: Mapping[str, Any], column: Column, mark: str = "") -> Cell:
    low, high = (known(values.get(f"{column.key.removesuffix('_rate')}_{end}")) for end in ("low", "high"))
    interval = "" if low is None or high is None else f"{100 * low:.1f}\u2013{100 * high:.1f}"
    return Cell(text_of(values.get(column.key), column.percent), interval, mark)
