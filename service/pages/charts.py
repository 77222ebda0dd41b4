"""Line charts as SVG that takes its colours from the page, so that it is right in the dark too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 40
_EDGE = 48
"""So near to the right edge a figure ends where it would else have its middle."""
_HEADROOM = 32
"""So near to the top the name of a level stands under its line, where it is not cut off."""
_MOST_POINTS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line; a gap where a value is not finite."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is drawn."""

    title: str
    """For those who do not see it."""
    x_label: str
    y_label: str
    lines: Sequence[Line]
    levels: Sequence[tuple[str, float]] = ()
    """Horizontal lines, such as thresholds, with their names."""
    marks: Sequence[tuple[str, float]] = ()
    """Vertical lines, such as alarms, with their names."""


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    ticks: tuple[float, ...] = field(default=())

    @classmethod
    def over(cls, values: Iterable[float], parts: int) -> _Axis:
        """Around finite values, with ticks at round numbers."""
        finite = [value for value in values if math.isfinite(value)] or [0.0]
        low, high = min(finite), max(finite)
        if high - low < 1e-12:
            low, high = low - 0.5, high + 0.5
        is_counted = all(value == int(value) for value in finite)
        ticks = MaxNLocator(parts, integer=is_counted).tick_values(low, high)
        shown = tuple(float(tick) for tick in ticks if low - 1e-9 <= tick <= high + 1e-9)
        return cls(low, high, shown)

    def place(self, value: float, begin: float, end: float) -> float:
        """Where a value stands between two ends."""
        return begin + (end - begin) * (value - self.low) / (self.high - self.low)


def draw(chart: Chart) -> Markup:
    """The chart as SVG; says so where there is nothing to draw yet."""
    if not any(len(line.xs) for line in chart.lines):
        return Markup('<p class="quiet">Nothing to draw yet.</p>')
    levels = [level for _, level in chart.levels]
    across = _Axis.over((x for line in chart.lines for x in line.xs), 7)
    up = _Axis.over([*(y for line in chart.lines for y in line.ys), *levels], 5)
    parts = [
        *_grid(across, up),
        *_levels(chart, up),
        *_marks(chart, across),
        *(_path(line, number, across, up) for number, line in enumerate(chart.lines)),
        *_labels(chart),
    ]
    return Markup(
        '<figure class="chart"><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>{}'
        "</figure>"
    ).format(_WIDTH, _HEIGHT, chart.title, Markup("").join(parts), _legend(chart))


def _grid(across: _Axis, up: _Axis) -> Iterable[Markup]:
    for tick in up.ticks:
        y = _y(up, tick)
        yield Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
        ).format(_LEFT, _WIDTH - _RIGHT, y, y, _LEFT - 6, y + 4, _said(tick))
    for tick in across.ticks:
        x = _x(across, tick)
        # On a phone the figures are written large, and the last would be cut off.
        anchor = "end" if x > _WIDTH - _EDGE else "middle"
        yield Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
            x, _HEIGHT - _BOTTOM + 16, anchor, _said(tick)
        )


def _levels(chart: Chart, up: _Axis) -> Iterable[Markup]:
    for name, level in chart.levels:
        y = _y(up, level)
        beside = y + 22 if y < _HEADROOM else y - 5
        yield Markup(
            '<line class="level" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
        ).format(_LEFT, _WIDTH - _RIGHT, y, y, _WIDTH - _RIGHT - 4, beside, name)


def _marks(chart: Chart, across: _Axis) -> Iterable[Markup]:
    for name, at in chart.marks:
        x = _x(across, at)
        yield Markup(
            '<line class="mark" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"><title>{}</title></line>'
        ).format(x, x, _TOP, _HEIGHT - _BOTTOM, name)


def _path(line: Line, number: int, across: _Axis, up: _Axis) -> Markup:
    step = max(1, -(-len(line.xs) // _MOST_POINTS))
    drawn, is_down = [], False
    for x, y in zip(line.xs[::step], line.ys[::step], strict=True):
        if not (math.isfinite(x) and math.isfinite(y)):
            is_down = False
            continue
        drawn.append(f"{'L' if is_down else 'M'}{_x(across, x):.1f} {_y(up, y):.1f}")
        is_down = True
    return Markup('<path class="line c{}" d="{}"/>').format(number % 6, " ".join(drawn))


def _labels(chart: Chart) -> Iterable[Markup]:
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    yield Markup('<text class="label" x="{}" y="{}" text-anchor="middle">{}</text>').format(
        (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, chart.x_label
    )
    yield Markup(
        '<text class="label" transform="translate(14 {}) rotate(-90)" text-anchor="middle">{}'
        "</text>"
    ).format(middle, chart.y_label)


def _legend(chart: Chart) -> Markup:
    if len(chart.lines) < 2:
        return Markup("")
    items = (
        Markup('<span class="key"><i class="c{}"></i>{}</span>').format(n % 6, escape(line.name))
        for n, line in enumerate(chart.lines)
    )
    return Markup("<figcaption>{}</figcaption>").format(Markup(" ").join(items))


def _x(axis: _Axis, value: float) -> float:
    return axis.place(value, _LEFT, _WIDTH - _RIGHT)


def _y(axis: _Axis, value: float) -> float:
    return axis.place(value, _HEIGHT - _BOTTOM, _TOP)


def _said(tick: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(tick) >= size:
            return f"{tick / (1e3 if unit == 'k' else size):g}{unit}"
    return f"{tick:g}"
