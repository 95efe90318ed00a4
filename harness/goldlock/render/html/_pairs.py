"""Expected against actual, and the difference below it: what cannot be seen on the diagonal is seen there."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

from markupsafe import Markup

from goldlock.render.html import _text
from goldlock.render.html._allowed import Allowed
from goldlock.render.html._svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    NOTHING,
    RIGHT,
    TOP,
    at,
    figure,
    frame,
    label,
    upright,
)
from goldlock.results import ColumnResult, Point

_Scale = Callable[[float], float]
_SPLIT = 156.0
"""Where the upper plot ends."""
_BELOW = 174.0
"""Where the lower one begins."""
_MOST = sys.float_info.max
_LEAST = 1e-300
"""Half of any span that is drawn: among the smallest numbers 5 % of one is nothing, and so is half of one."""
_DOT, _CROSS = "h0", "m-3-3l6 6m0-6l-6 6"


def pairs(column: ColumnResult, name: str) -> Markup:
    """The plot; empty where there is nothing to draw. `name` is unique on the page."""
    drawn = [p for p in column.points if math.isfinite(p.expected) and math.isfinite(p.actual)]
    if not drawn:
        return NOTHING
    allowed, dtype = Allowed.read(column.tolerance), _text.dtype_of(column.expected_type)
    judged = not column.passes and column.tolerance != ""
    outside = [p for p in drawn if judged and not allowed.holds(p, dtype)]
    apart = set(outside)
    inside = [p for p in drawn if p not in apart]

    low, high = _span([v for p in drawn for v in (p.expected, p.actual)])
    x = _scale(low, high, LEFT, RIGHT)
    parts = [
        *_above(low, high, x, allowed, inside, outside),
        *_below(low, high, x, allowed, inside, outside),
        label((LEFT + RIGHT) / 2, HEIGHT - 8, "expected", "middle", "axis"),
    ]
    told = (
        f"{_text.many(len(drawn), 'pair')} drawn; the diagonal is where both are equal, "
        "and below it the difference, actual less expected"
    )
    if outside:
        told += f"; {len(outside):,} outside the tolerance"
    if lost := len(column.points) - len(drawn):
        told += f"; {lost:,} that are not finite cannot be drawn"
    legend = "\N{MULTIPLICATION SIGN} outside" if outside else ""
    return figure(f"{name}-pairs", "Expected against actual", told, parts, legend)


def _above(
    low: float, high: float, x: _Scale, allowed: Allowed, inside: Sequence[Point], outside: Sequence[Point]
) -> list[Markup]:
    """Both values on axes of one scale."""
    y = _scale(low, high, _SPLIT, TOP)
    parts = [frame(TOP, _SPLIT), upright((TOP + _SPLIT) / 2, "actual")]
    for tick in _ticks(low, high):
        parts += [
            Markup('<path class="grid" d="M{0} {1}V{2}M{0} {3}V{4}M{5} {6}H{7}"/>').format(
                at(x(tick)), at(TOP), at(_SPLIT), at(_BELOW), at(BOTTOM), at(LEFT), at(y(tick)), at(RIGHT)
            ),
            label(x(tick), BOTTOM + 14, _short(tick), "middle"),
            label(LEFT - 6, y(tick) + 3.5, _short(tick), "end"),
        ]
    parts.append(
        Markup('<line class="equal" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            at(x(low)), at(y(low)), at(x(high)), at(y(high))
        )
    )
    if _reach(allowed, low, high) >= (high / 2 - low / 2) * 0.02:
        for sign in (-1, 1):
            line = [(e, e + sign * allowed.around(e)) for e in _steps(low, high)]
            parts.append(_limit([(x(e), y(edge)) for e, edge in line if low <= edge <= high]))
    for kind, some in (("inside", inside), ("outside", outside)):
        parts.append(_marks(kind, [(x(p.expected), y(p.actual)) for p in some]))
    return parts


def _below(
    low: float, high: float, x: _Scale, allowed: Allowed, inside: Sequence[Point], outside: Sequence[Point]
) -> list[Markup]:
    """The difference on a scale of its own."""
    largest = max(abs(_difference(p)) for p in (*inside, *outside)) or 1.0
    most = _kept(largest * 1.12, _LEAST, _MOST)
    y = _scale(-most, most, BOTTOM, _BELOW)
    parts = [frame(_BELOW, BOTTOM), label(LEFT, _BELOW - 5, "actual less expected", "start", "axis")]
    parts += [label(LEFT - 6, y(tick) + 3.5, _short(tick), "end") for tick in (-largest, 0.0, largest)]
    parts.append(Markup('<path class="equal" d="M{} {}H{}"/>').format(at(LEFT), at(y(0.0)), at(RIGHT)))
    if _reach(allowed, low, high) >= most * 0.04:
        for sign in (-1, 1):
            line = [(e, sign * allowed.around(e)) for e in _steps(low, high)]
            parts.append(_limit([(x(e), y(edge)) for e, edge in line if abs(edge) <= most]))
    for kind, some in (("inside", inside), ("outside", outside)):
        parts.append(_marks(kind, [(x(p.expected), y(_difference(p))) for p in some]))
    return parts


def _marks(kind: str, places: Sequence[tuple[float, float]]) -> Markup:
    """A dot, or a cross outside the tolerance: the shape tells it, not the colour alone."""
    mark = _CROSS if kind == "outside" else _DOT
    path = "".join(f"M{at(x)} {at(y)}{mark}" for x, y in places)
    return Markup('<path class="{}" d="{}"/>').format(kind, path) if path else NOTHING


def _limit(places: Sequence[tuple[float, float]]) -> Markup:
    """The edge of the tolerance, where it runs through the plot."""
    path = "L".join(f"{at(x)} {at(y)}" for x, y in places)
    return Markup('<path class="limit" d="M{}"/>').format(path) if len(places) > 1 else NOTHING


def _steps(low: float, high: float) -> list[float]:
    """Places along an axis, near enough for a line with a corner at zero."""
    return [low + (high / 64 - low / 64) * step for step in range(65)]


def _reach(allowed: Allowed, low: float, high: float) -> float:
    """The widest half of the tolerance."""
    return allowed.around(max(abs(low), abs(high)))


def _difference(point: Point) -> float:
    return _kept(point.actual - point.expected, -_MOST, _MOST)


def _kept(number: float, low: float, high: float) -> float:
    return min(max(number, low), high)


def _scale(low: float, high: float, start: float, end: float) -> _Scale:
    """From values to coordinates. Halved first: the span of two doubles can exceed the largest double."""
    span = high / 2 - low / 2

    def place(number: float) -> float:
        return start + (number / 2 - low / 2) / span * (end - start)

    return place


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The ends of both axes: a little more than the values need."""
    low, high = min(values), max(values)
    room = (high / 2 - low / 2) * 0.08 or abs(high) * 0.05 or 1.0
    room = max(room, _LEAST)
    return max(low - room, -_MOST), min(high + room, _MOST)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) inside the span, at most six."""
    rough = (high / 2 - low / 2) / 2.5
    if not 1e-300 < rough < 1e300:
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    first = math.ceil(low / step)
    return [n * step for n in range(first, first + 7) if n * step <= high]


def _short(number: float) -> str:
    """A number that fits beside an axis."""
    text = f"{number:.3g}"
    return text if len(text) <= 7 else f"{number:.0e}"
