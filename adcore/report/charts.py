"""Charts as inline SVG, drawn without a library; colours come from the page's style sheet, so they follow its theme."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT = 380, 250
BARS = 32
LEFT, RIGHT, TOP, BOTTOM = 48, 20, 14, 40


@dataclass(frozen=True)
class Axis:
    """Maps values to pixels; linear, or logarithmic where values span too much.

    Attributes:
        low: value at `start`.
        high: value at `stop`.
        start: pixel.
        stop: pixel.
        log: whether equal ratios are equal distances.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Pixel of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start), 2)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values on the axis, about `count` of them."""
        if self.log:
            exponents = range(math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
            decades = [10.0**exponent for exponent in exponents]
            return decades[:: math.ceil(len(decades) / count)] if len(decades) > 1 else [self.low, self.high]
        if self.high <= self.low:
            return [self.low]
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def roc(scores: Sequence[float], labels: Sequence[int], threshold: float, auroc: float | None) -> Markup | None:
    """ROC curve with the operating point of the threshold; None where only one class was tested."""
    score, positive = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    if positive.all() or not positive.any():
        return None
    false_rate, true_rate = roc_points(score, positive)
    x, y = Axis(0, 1, LEFT, WIDTH - RIGHT), Axis(0, 1, HEIGHT - BOTTOM, TOP)
    line = _path([(x(f), y(t)) for f, t in zip(false_rate, true_rate, strict=True)])
    parts = [
        _axes(x, y, "good images called anomalous", "defective images found", x.ticks(), y.ticks(), _percent, _percent),
        f'<path class="area anomalous" d="{line}V{y(0)}H{x(0)}Z"/>',
        f'<path class="chance" d="M{x(0)} {y(0)}L{x(1)} {y(1)}"/><path class="line anomalous" d="{line}"/>',
    ]
    at_threshold = ""
    if math.isfinite(threshold):
        called = score >= threshold
        f, t = float(called[~positive].mean()), float(called[positive].mean())
        at_threshold = f"; at the threshold {_percent(t)} found and {_percent(f)} false alarms"
        anchor, at = ("start", x(f) + 9) if f < 0.6 else ("end", x(f) - 9)
        parts.append(f'<circle class="point" cx="{x(f)}" cy="{y(t)}" r="5"/>')
        parts.append(f'<text class="note" x="{at}" y="{y(t) + 14}" text-anchor="{anchor}">at the threshold</text>')
    area = "" if auroc is None else f"AUROC {auroc:.3f}"
    if area:
        parts.append(f'<text class="figure" x="{x(1) - 8}" y="{y(0) - 12}" text-anchor="end">{area}</text>')
    return _svg(f"ROC curve. {area}{at_threshold}", parts)


def roc_points(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """False and true positive rates for all thresholds from the highest down, tied scores in one step, corners only."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    true = np.append(0.0, np.cumsum(positive[order])[last_of_tie] / positive.sum())
    false = np.append(0.0, np.cumsum(~positive[order])[last_of_tie] / (~positive).sum())
    corner = np.ones(len(true), dtype=bool)
    corner[1:-1] = ~np.isclose(np.diff(true)[:-1] * np.diff(false)[1:], np.diff(true)[1:] * np.diff(false)[:-1])
    return false[corner], true[corner]


def histogram(scores: Sequence[float], labels: Sequence[int], threshold: float) -> Markup:
    """Scores of normal images above the axis, of anomalous ones below it, and the threshold through both."""
    score, positive = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    shown = np.append(score, threshold) if math.isfinite(threshold) else score
    low, high = float(shown.min()), float(shown.max())
    log = low > 0 and high / low > 50  # a few huge scores would squeeze all others into one bar
    if not log:
        margin = 0.03 * (high - low) or 0.5
        low, high = low - margin, high + margin
    x = Axis(low, high, LEFT, WIDTH - RIGHT, log)
    pixels = np.array([x(value) for value in score])
    step = (WIDTH - RIGHT - LEFT) / BARS
    first = (x(threshold) - LEFT) % step - step if math.isfinite(threshold) else 0.0  # no bar straddles the threshold
    edges = LEFT + first + step * np.arange(BARS + 2)
    normal, anomalous = (np.histogram(pixels[chosen], edges)[0] for chosen in (~positive, positive))
    tallest = max(int(normal.max()), int(anomalous.max()), 1)
    top, bottom = TOP + 10, HEIGHT - BOTTOM  # above: the threshold's label
    middle, reach = (top + bottom) / 2, (bottom - top) / 2
    parts = [f'<path class="grid" d="M{LEFT} {middle}H{WIDTH - RIGHT}"/>']
    for counts, kind, direction in ((normal, "normal", -1), (anomalous, "anomalous", 1)):
        for left, count in zip(edges, counts, strict=False):
            if count:
                height = reach * int(count) / tallest
                start = middle - height if direction < 0 else middle
                box = f'x="{left + 0.75:.1f}" y="{start:.1f}" width="{step - 1.5:.1f}" height="{height:.1f}"'
                parts.append(f'<rect class="bar {kind}" {box}/>')
        parts.append(_beside(kind, middle + direction * reach / 2, f"label {kind}"))
        end = middle + direction * reach + 4
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{end:.1f}" text-anchor="end">{tallest}</text>')
    parts.append(f'<text class="tick" x="{LEFT - 6}" y="{middle + 4}" text-anchor="end">0</text>')
    parts.append(_below(x, "image score" + (", logarithmic" if log else ""), x.ticks(), _number))
    if math.isfinite(threshold):
        at = x(threshold)
        anchor, dx = ("start", 5) if at < WIDTH * 0.6 else ("end", -5)
        parts.append(f'<path class="threshold" d="M{at} {TOP - 6}V{HEIGHT - BOTTOM}"/>')
        note = f"threshold {threshold:.3g}"
        parts.append(f'<text class="note" x="{at + dx}" y="{TOP + 1}" text-anchor="{anchor}">{note}</text>')
    text = f"Histogram of image scores: {int((~positive).sum())} normal above, {int(positive.sum())} anomalous below"
    return _svg(text, parts)


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], unit: bool = False) -> Markup:
    """Values over epochs, one line each, named at its end.

    Args:
        title: of the vertical axis.
        series: by name, (epoch, value) in order.
        unit: whether the values are fractions, to be shown from 0 to 1.
    """
    points = [point for line in series.values() for point in line]
    epochs, values = [p[0] for p in points], [p[1] for p in points]
    low, high = (0.0, 1.0) if unit else (min(0.0, *values, 0.0), max(*values, 0.0) or 1.0)
    x = Axis(min(epochs), max(epochs), LEFT, WIDTH - RIGHT - 86)
    y = Axis(low, high, HEIGHT - BOTTOM, TOP)
    whole = sorted({round(tick) for tick in x.ticks()})
    parts = [_axes(x, y, "epoch", title, [float(t) for t in whole], y.ticks(), _number, _number)]
    ends = _apart([y(line[-1][1]) for line in series.values()], 14)
    for index, ((key, line), end) in enumerate(zip(series.items(), ends, strict=True)):
        kind = f"series-{index % 4}"
        path = _path([(x(epoch), y(value)) for epoch, value in line])
        last = line[-1]
        parts.append(f'<path class="line {kind}" d="{path}"/>')
        parts.append(f'<circle class="end {kind}" cx="{x(last[0])}" cy="{y(last[1])}" r="3"/>')
        parts.append(f'<text class="label {kind}" x="{x(last[0]) + 8}" y="{end + 4:.1f}">{escape(key)}</text>')
    final = ", ".join(f"{key} {line[-1][1]:.3g}" for key, line in series.items())
    return _svg(f"{title} over epochs; last: {final}", parts)


def _axes(
    x: Axis,
    y: Axis,
    x_title: str,
    y_title: str,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    x_text: Callable[[float], str],
    y_text: Callable[[float], str],
) -> str:
    parts = [_below(x, x_title, x_ticks, x_text)]
    for tick in y_ticks:
        parts.append(f'<path class="grid" d="M{x.start} {y(tick)}H{x.stop}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{y_text(tick)}</text>')
    return "".join([*parts, _beside(y_title, (y.start + y.stop) / 2)])


def _beside(title: str, middle: float, kind: str = "axis") -> str:
    turned = f'transform="rotate(-90 9 {middle})" text-anchor="middle"'
    return f'<text class="{kind}" x="9" y="{middle}" {turned}>{escape(title)}</text>'


def _below(x: Axis, title: str, ticks: Sequence[float], text: Callable[[float], str]) -> str:
    base = HEIGHT - BOTTOM
    parts = [f'<path class="base" d="M{x.start} {base}H{x.stop}"/>']
    parts += [f'<text class="tick" x="{x(t)}" y="{base + 15}" text-anchor="middle">{text(t)}</text>' for t in ticks]
    middle = (x.start + x.stop) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(title)}</text>')
    return "".join(parts)


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """Move labels just so far that neighbours are `gap` apart."""
    moved = list(places)
    order = sorted(range(len(moved)), key=moved.__getitem__)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + gap)
    excess = max(0.0, max(moved, default=0.0) - (HEIGHT - BOTTOM))
    return [place - excess for place in moved]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _percent(value: float) -> str:
    return f"{100 * value:.0f}\u202f%"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _svg(description: str, parts: Sequence[str]) -> Markup:
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">'
    return Markup(head + "".join(parts) + "</svg>")  # our own text; names are escaped where they enter
