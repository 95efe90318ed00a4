"""What was seen of a column, as a value of the report."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Context, Decimal

import numpy as np
import numpy.typing as npt

from goldlock.compare._flips import KINDS
from goldlock.compare._measure import measure
from goldlock.compare._seen import Peak, Seen, as_floats, plain_list
from goldlock.compare._worst import Entries, Level, Side
from goldlock.results import ColumnResult, Extreme, Point, Rung, WorstRow
from goldlock.tables import Array

_FLIPS = 10
_WORST_POINTS = 50
# A larger distance in ULP says nothing to a person who looks for a tolerance.
_MOST_ULP = 1 << 16

Numbering = npt.NDArray[np.intp]
"""The golden's row for each row that was compared, where these are not all of them."""


def result_of(seen: Seen, numbering: Numbering | None = None) -> ColumnResult:
    """Return the column's result; rows are counted as in the golden."""
    plan = seen.plan
    index = _Index(plan.expected.shape, numbering)
    rung = _rung(seen)
    entries = seen.worst.entries(Level.OUTSIDE if seen.count or seen.tops_moved else Level.WITHIN)
    return ColumnResult(
        name=plan.name,
        rung=rung,
        expected_type=str(plan.expected),
        actual_type=str(plan.actual),
        size=plan.size,
        count=seen.count or seen.tops_moved,
        differing=seen.differing,
        largest_absolute=_extreme(seen.absolute, index),
        largest_relative=_extreme(seen.relative, index),
        largest_ulp=_extreme(seen.ulp, index),
        worst=() if entries is None else _worst(seen, entries, index),
        flips=seen.flips.most_frequent(_FLIPS),
        would_pass=_would_pass(seen) if rung is Rung.DRIFTED else "",
        note="; ".join(_notes(seen, index)),
        tops_moved=seen.tops_moved,
        ranks_moved=seen.ranks_moved,
        distances=seen.distances.histogram("ulp" if plan.one_float else "absolute") if plan.numbers else None,
        points=_points(seen, entries, index),
    )


class _Index:
    """Flat places as rows and places inside them."""

    def __init__(self, shape: tuple[int, ...], numbering: Numbering | None) -> None:
        self._shape = shape
        self._numbering = numbering
        self._width = max(1, math.prod(shape))

    def row(self, place: int) -> int:
        row = place // self._width
        return row if self._numbering is None else int(self._numbering[row])

    def of(self, place: int) -> tuple[int, ...]:
        if not self._shape:
            return (self.row(place),)
        inside = np.unravel_index(place % self._width, self._shape)
        return (self.row(place), *(int(each) for each in inside))


def _rung(seen: Seen) -> Rung:
    if not seen.differing:
        return Rung.IDENTICAL
    if seen.tops_moved or (seen.count and not seen.tolerance.kind.numeric):
        return Rung.FLIPPED
    if seen.count:
        return Rung.DRIFTED
    # An exact column's only difference that counts as none is the sign of zero: distance 0.
    return Rung.TOLERANCE if seen.beyond_ulp else Rung.ULP


def _extreme(peak: Peak | None, index: _Index) -> Extreme | None:
    if peak is None:
        return None
    return Extreme(value=peak.value, index=index.of(peak.place), expected=peak.expected, actual=peak.actual)


def _worst(seen: Seen, entries: Entries, index: _Index) -> tuple[WorstRow, ...]:
    with np.errstate(all="ignore"):
        measures = measure(entries.expected, entries.actual, seen.tolerance)
    count = len(entries.rank)
    absolute: list[float | int | None] = [None] * count
    ulp: list[int | None] = [None] * count
    if measures is not None:
        # A value that stands against none is as far away as an infinity.
        finite = measures.finite & (entries.absent == Side.NEITHER)
        pairs = zip(measures.absolute.tolist(), finite.tolist(), strict=True)
        absolute = [value if known else math.inf for value, known in pairs]
        if measures.ulp is not None:
            pairs = zip(measures.ulp.tolist(), finite.tolist(), strict=True)
            ulp = [value if known else None for value, known in pairs]
    expected, actual = plain_list(entries.expected), plain_list(entries.actual)
    rows = []
    for number, (place, margin, absent) in enumerate(
        zip(entries.place.tolist(), entries.margin.tolist(), entries.absent.tolist(), strict=True)
    ):
        where = index.of(place)
        rows.append(
            WorstRow(
                row=where[0],
                index=where,
                expected=None if absent == Side.EXPECTED else expected[number],
                actual=None if absent == Side.ACTUAL else actual[number],
                absolute=absolute[number],
                ulp=ulp[number],
                margin=None if math.isnan(margin) else margin,
            )
        )
    return tuple(rows)


def _points(seen: Seen, entries: Entries | None, index: _Index) -> tuple[Point, ...]:
    if not seen.plan.numbers:
        return ()
    parts = [(places, _floats(expected), _floats(actual)) for places, expected, actual in seen.points]
    if entries is not None:
        chosen = entries.taken(np.flatnonzero(entries.absent[:_WORST_POINTS] == Side.NEITHER))
        parts.append((chosen.place, _floats(chosen.expected), _floats(chosen.actual)))
    found: dict[int, Point] = {}
    for places, expected, actual in parts:
        known = np.flatnonzero(np.isfinite(expected) & np.isfinite(actual))
        for place, before, after in zip(
            places[known].tolist(), expected[known].tolist(), actual[known].tolist(), strict=True
        ):
            found[place] = Point(row=index.row(place), expected=before, actual=after)
    return tuple(found[place] for place in sorted(found))


def _floats(values: Array) -> npt.NDArray[np.float64]:
    with np.errstate(all="ignore"):
        return as_floats(values).astype(np.float64)


def _notes(seen: Seen, index: _Index) -> list[str]:
    notes = [
        f"{what}: {count} (first in row {index.row(place)})"
        for what, (count, place) in sorted(seen.oddities.items())
    ]
    if seen.tops_moved:
        notes.append(f"the largest of a row's values is another one in {seen.tops_moved} rows")
    if not seen.flips.complete:
        notes.append(f"more than {KINDS} kinds of flip; those of an arbitrary choice of so many are counted")
    return notes


def _would_pass(seen: Seen) -> str:
    enough = {"rtol": _rounded_up(seen.enough_rtol), "atol": _rounded_up(seen.enough_atol)}
    ways = [f"{name} >= {value:g}" for name, value in enough.items() if math.isfinite(value)]
    if seen.enough_ulp <= _MOST_ULP:
        ways.append(f"ulp >= {seen.enough_ulp}")
    return " or ".join(ways)


def _rounded_up(value: float) -> float:
    """Return a number of two digits that is no smaller than `value`, however that was rounded on the way."""
    if not math.isfinite(value):
        return value
    enough = Decimal(value) * (1 + Decimal("1e-12"))
    return float(Context(prec=2, rounding=ROUND_CEILING).plus(enough))
