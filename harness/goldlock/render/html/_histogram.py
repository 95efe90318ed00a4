"""How far apart the values of a column are: a histogram on two logarithmic axes."""

from __future__ import annotations

import math

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
    label,
    power,
    upright,
)
from goldlock.results import Bucket, ColumnResult

_SHORTEST_BAR = 3.0
_FEWEST_SLOTS = 6
_MOST_LABELS = 9
_MOST_TOLD = 12


def distances(column: ColumnResult, name: str) -> Markup:
    """The histogram of a column's distances; empty where it has none. `name` is unique on the page."""
    histogram = column.distances
    if histogram is None or not histogram.buckets:
        return NOTHING
    by_ulp = histogram.unit == "ulp"
    unit = "ULP" if by_ulp else "absolute distance"
    finite = [bucket for bucket in histogram.buckets if bucket.high is not None]
    lost = sum(bucket.count for bucket in histogram.buckets if bucket.high is None)
    places = max((_place(bucket.high or 0) for bucket in finite), default=0) + 1
    # A free slot sets those without a distance apart.
    slots = places + (2 if lost else 0)
    step = (RIGHT - LEFT) / max(slots, _FEWEST_SLOTS)
    most = max(bucket.count for bucket in histogram.buckets)
    allowed = Allowed.read(column.tolerance)
    limit = allowed.ulp if by_ulp else int(allowed.atol)
    # Beside rtol and atol a distance in ULP does not say whether a pair passes, nor beside rtol an absolute one.
    alone = not allowed.rtol and not (by_ulp and allowed.atol)
    decisive = by_ulp and column.tolerance != "" and alone

    parts = [_count_axis(most)]
    for bucket in finite:
        outside = decisive and bucket.low > limit
        parts.append(_bar(_place(bucket.high or 0), bucket, step, most, "outside" if outside else "inside"))
    parts += [
        label(LEFT + (place + 0.5) * step, BOTTOM + 14, _end(place), "middle")
        for place in range(0, places, -(-places // _MOST_LABELS))
    ]
    if lost:
        parts += [
            _bar(places + 1, Bucket(low=0, high=None, count=lost), step, most, "outside"),
            label(LEFT + (places + 1.5) * step, BOTTOM + 14, "none", "middle"),
        ]
    if limit and _place(limit) + 1 < places:
        x = LEFT + (_place(limit) + 1) * step
        line = Markup('<line class="limit" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>')
        parts += [
            line.format(at(x), at(TOP - 10), at(BOTTOM)),
            label(
                x + 4,
                TOP - 3,
                f"{limit:,} {'ULP ' if by_ulp else ''}{'allowed' if alone else 'always pass'}",
                "start",
            ),
        ]
    parts.append(label((LEFT + RIGHT) / 2, HEIGHT - 8, f"distance ({unit}), doubling", "middle", "axis"))
    told = [f"{_text.many(bucket.count, 'pair')} {_range(bucket)}" for bucket in histogram.buckets]
    if len(told) > _MOST_TOLD + 1:
        told[_MOST_TOLD:] = [f"and {len(told) - _MOST_TOLD} more ranges"]
    return figure(f"{name}-distances", f"Distances of all pairs, in {unit}", "; ".join(told), parts)


def _count_axis(most: int) -> Markup:
    """Powers of ten: one pair out of millions must still be seen."""
    top = math.floor(math.log10(most)) if most > 0 else 0
    parts = [upright((TOP + BOTTOM) / 2, "pairs")]
    for exponent in range(0, top + 1, -(-(top + 1) // 6)):
        y = BOTTOM - _height(10**exponent, most)
        parts += [
            Markup('<path class="grid" d="M{} {}H{}"/>').format(at(LEFT), at(y), at(RIGHT)),
            label(LEFT - 6, y + 3.5, f"{10**exponent:,}" if exponent < 5 else power(10, exponent), "end"),
        ]
    return Markup().join(parts)


def _bar(place: int, bucket: Bucket, step: float, most: int, kind: str) -> Markup:
    height, gap = _height(bucket.count, most), min(1.5, step / 6)
    return Markup(
        '<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"><title>{} {}</title></rect>'
    ).format(
        kind,
        at(LEFT + place * step + gap),
        at(BOTTOM - height),
        at(step - 2 * gap),
        at(height),
        _text.many(bucket.count, "pair"),
        _range(bucket),
    )


def _height(count: int, most: int) -> float:
    if count < 1:
        return 0.0
    part = math.log10(count) / math.log10(most) if most > 1 else 1.0
    return _SHORTEST_BAR + part * (BOTTOM - TOP - _SHORTEST_BAR)


def _place(high: int) -> int:
    """The slot of a bucket by its upper end: 0, 1, 2, 4, 8, ..."""
    return high if high < 2 else (high - 1).bit_length() + 1


def _end(place: int) -> str:
    """The upper end of a slot."""
    if place < 2:
        return str(place)
    return str(2 ** (place - 1)) if place <= 10 else power(2, place - 1)


def _range(bucket: Bucket) -> str:
    if bucket.high is None:
        return "without a distance (NaN or an infinity on one side)"
    if bucket.low == bucket.high:
        return "identical" if bucket.low == 0 else f"{bucket.low:,} apart"
    return f"{bucket.low:,} to {bucket.high:,} apart"
