"""What a finished run found, in a few lines on stdout."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adcore.cli.table import table
from adcore.report.tables import known

COLUMNS = {
    "image.auroc": "image AUROC",
    "image.ap": "image AP",
    "pixel.auroc": "pixel AUROC",
    "pixel.ap": "pixel AP",
    "pixel.aupro30": "AUPRO",
    "decision.recall": "recall",
    "decision.false_alarm_rate": "false alarms",
}
"""Metrics shown and their headings; the last two are of the decisions that were taken."""


def show(metrics: Mapping[str, Any], out: Path) -> None:
    """Print a run's table, what it is compared with, and where its results are.

    Args:
        metrics: as in ``metrics.json``; a run without tests has few of them.
        out: the run folder.
    """
    header, rows, foot = ("category", *COLUMNS.values()), _categories(metrics), _mean_and_worst(metrics)
    if rows and sys.stdout.isatty():
        _print_rich(header, rows, foot)
    elif rows:
        cells = [header, *rows, *foot]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        numbers = [[row[0], *map(str.rjust, row[1:], widths[1:])] for row in cells]
        print(table(numbers[0], numbers[1:], width=sum(widths) + 2 * len(widths)))
    for line in _compared(metrics):
        print(line)
    print(f"results: {out}")
    if (out / "report.html").is_file():
        print(f"report: {out / 'report.html'}")


def _categories(metrics: Mapping[str, Any]) -> list[list[str]]:
    return [_row(name, values) for name, values in metrics.get("categories", {}).items()]


def _mean_and_worst(metrics: Mapping[str, Any]) -> list[list[str]]:
    """Of several categories; each metric's worst may be of another one."""
    if len(metrics.get("categories", {})) < 2:
        return []
    worst = {key: entry.get("value") for key, entry in metrics.get("worst", {}).items()}
    return [_row("mean", metrics.get("mean", {})), _row("worst", worst)]


def _row(name: str, values: Mapping[str, Any]) -> list[str]:
    return [name, *(_text(values, key) for key in COLUMNS)]


def _compared(metrics: Mapping[str, Any]) -> list[str]:
    """The branches alone (where there are several), the baseline, and how well verdicts follow the context."""
    branches = metrics.get("branches", {})
    others = {f"{name} branch alone": part for name, part in branches.items()} if len(branches) > 1 else {}
    if "baseline" in metrics:
        others["baseline (mean image)"] = metrics["baseline"]
    means = {name: part.get("mean", {}) for name, part in others.items()}
    lines = [
        f"{name}: image AUROC {_text(mean, 'image.auroc')}, pixel AP {_text(mean, 'pixel.ap')}"
        for name, mean in means.items()
    ]
    if "context.flip_accuracy" in metrics.get("mean", {}):
        lines.append(f"judged right in all of their contexts: {_text(metrics['mean'], 'context.flip_accuracy')}")
    return lines


def _text(values: Mapping[str, Any], key: str) -> str:
    """A metric as text: ``0.962``, a share of images as ``96.2%``, or ``n/a``."""
    number = known(values.get(key))
    if number is None:
        return "n/a"
    return f"{number:.1%}" if key.startswith(("decision.", "context.")) else f"{number:.3f}"


def _print_rich(header: Sequence[str], rows: Sequence[Sequence[str]], foot: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column(header[0], no_wrap=True)
    for title in header[1:]:  # in a narrow terminal headings break at their spaces, and numbers not at all
        shown.add_column(title, justify="right", min_width=max(map(len, title.split())))
    for part, style in ((rows, None), (foot, "bold")):
        for row in part:
            shown.add_row(*map(Text, row), style=style)  # a name such as "[b]" is no markup
        shown.add_section()
    Console().print(shown)
