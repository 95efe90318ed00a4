"""What has been seen of a column: counts and extremes that can be added, whatever the order of the parts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from goldlock.compare._equivalent import Dots
from goldlock.compare._flips import Flips
from goldlock.compare._histogram import Distances
from goldlock.compare._measure import MOST_WHOLE, Floats, Measures, Truths, margins, measure
from goldlock.compare._plan import Plan
from goldlock.compare._ulp import UNMEASURABLE
from goldlock.compare._worst import Level, Places, Side, WorstRows
from goldlock.results import Value
from goldlock.tables import Array, dtype_of
from goldlock.tolerance import Kind

_SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)

Scores = tuple[int, list[Array]]
"""The first row, and the expected scores from that row on."""


class Peak(NamedTuple):
    """The largest distance, and the pair that has it."""

    value: float | int
    place: int
    """Flat place in the column."""
    expected: Value
    actual: Value


class Seen:
    """What has been seen of one column; `merge` adds another part of the same column."""

    def __init__(self, plan: Plan, worst: int) -> None:
        self.plan = plan
        self.tolerance = plan.tolerance
        self.count = 0
        self.differing = 0
        self.beyond_ulp = False
        """Something that is within tolerance may be further than the stated ULP, or has no such distance."""
        self.drifting = False
        """Whether the last chunk of floats had any that differ."""
        self.tops_moved = 0
        self.ranks_moved = 0
        self.absolute: Peak | None = None
        self.relative: Peak | None = None
        self.ulp: Peak | None = None
        self.enough_rtol = 0.0
        self.enough_atol = 0.0
        self.enough_ulp = 0
        """What would let everything pass; infinite, or `UNMEASURABLE`, where nothing would."""
        self.flips = Flips()
        self.pairs = Flips()
        """All pairs of labels, for a column up to names."""
        self.dots = Dots(plan.width)
        self.oddities: dict[str, tuple[int, int]] = {}
        """What a person should know: count, and the first place."""
        self.distances = Distances()
        self.worst = WorstRows(worst, plan.width)
        self.samples = plan.samples()
        self.points: list[tuple[Places, Array, Array]] = []

    def merge(self, other: Seen) -> None:
        """Add what was seen of another part of the column."""
        self.count += other.count
        self.differing += other.differing
        self.beyond_ulp |= other.beyond_ulp
        self.tops_moved += other.tops_moved
        self.ranks_moved += other.ranks_moved
        self.absolute = _larger(self.absolute, other.absolute)
        self.relative = _larger(self.relative, other.relative)
        self.ulp = _larger(self.ulp, other.ulp)
        self.enough_rtol = max(self.enough_rtol, other.enough_rtol)
        self.enough_atol = max(self.enough_atol, other.enough_atol)
        self.enough_ulp = max(self.enough_ulp, other.enough_ulp)
        self.flips.merge(other.flips)
        self.pairs.merge(other.pairs)
        self.dots.merge(other.dots)
        for what, (count, place) in other.oddities.items():
            self._add_oddity(what, count, place)
        self.distances.merge(other.distances)
        self.worst.merge(other.worst)
        self.points += other.points

    def judge(
        self,
        places: Places,
        expected: Array,
        actual: Array,
        scores: Scores | None = None,
        *,
        counted: bool = False,
    ) -> None:
        """Add pairs that are not identical (nor NaN on both sides), at rising flat places.

        With `counted` their distances stand in the histogram already.
        """
        measures = measure(expected, actual, self.tolerance)
        if measures is None:
            outside = np.ones(len(places), dtype=np.bool_)
            self._add_outside(places, expected, actual, outside, None, scores)
            return
        if not counted and not self.plan.one_float:
            self.distances.add(_rounded_up(measures))
        elif not counted and measures.ulp is not None:
            self.distances.add(measures.ulp)
        self._add_extremes(places, expected, actual, measures)
        self._add_outside(places, expected, actual, measures.outside, measures, scores)

    def add_absent(self, places: Places, values: Array, side: Side) -> None:
        """Add values that stand against an absent one; `side` says where there is none."""
        if not len(places):
            return
        self.count += len(places)
        self.differing += len(places)
        self.enough_rtol = self.enough_atol = math.inf
        self.enough_ulp = UNMEASURABLE
        if self.plan.numbers:
            self.distances.add_zeros(-len(places))
            self.distances.add_unmeasurable(len(places))
        what = "a value stands where none is" if side is Side.EXPECTED else "a value is absent"
        self._add_oddity(what, len(places), int(places[0]))
        plain = plain_list(values)
        if self.tolerance.kind is Kind.LABEL:
            self.flips.add(((None, value) if side is Side.EXPECTED else (value, None)) for value in plain)
        ranks = np.full(len(places), np.inf)
        other = self.plan.expected if side is Side.EXPECTED else self.plan.actual
        nothing = np.zeros(len(places), dtype=dtype_of(other.dtype))
        pair = (nothing, values) if side is Side.EXPECTED else (values, nothing)
        self.worst.add(Level.OUTSIDE, places, ranks, *pair, absent=side)

    def add_peak_ulp(self, value: int, place: int, expected: object, actual: object) -> None:
        self.ulp = _larger(self.ulp, Peak(value, place, plain(expected), plain(actual)))

    def add_peak_absolute(self, value: float, place: int, expected: object, actual: object) -> None:
        self.absolute = _larger(self.absolute, Peak(value, place, plain(expected), plain(actual)))

    def add_peak_relative(self, value: float, place: int, expected: object, actual: object) -> None:
        self.relative = _larger(self.relative, Peak(value, place, plain(expected), plain(actual)))

    def _add_extremes(self, places: Places, expected: Array, actual: Array, measures: Measures) -> None:
        pairs = (places, expected, actual)
        measurable = measures.finite & (measures.absolute > 0) & np.isfinite(measures.absolute)
        self.absolute = _larger(self.absolute, _peak(measures.absolute, measurable, *pairs))
        relative = measures.absolute / measures.size
        comparable = measurable & (measures.size > 0) & np.isfinite(relative)
        self.relative = _larger(self.relative, _peak(relative, comparable, *pairs))
        if measures.ulp is None:
            self.beyond_ulp = True
        else:
            near = np.uint64(min(self.tolerance.ulp, UNMEASURABLE - 1))
            self.beyond_ulp |= bool((measures.ulp > near).any())
            self.ulp = _larger(self.ulp, _peak(measures.ulp, measures.finite & (measures.ulp > 0), *pairs))
            self._notice("a zero has the other sign", places, measures.ulp == 0)
        if not measures.finite.all():
            absent, absent_actual = np.isnan(as_floats(expected)), np.isnan(as_floats(actual))
            self._notice("NaN stands for a number", places, absent_actual & ~absent)
            self._notice("a number stands for NaN", places, absent & ~absent_actual)
            self._notice(
                "an infinity is on one side only", places, ~(measures.finite | absent | absent_actual)
            )
        self._add_enough(measures, relative)

    def _add_enough(self, measures: Measures, relative: Floats) -> None:
        outside = measures.outside
        if not outside.any():
            return
        absolute, size = measures.absolute[outside], measures.size[outside]
        self.enough_ulp = (
            UNMEASURABLE if measures.ulp is None else max(self.enough_ulp, int(measures.ulp[outside].max()))
        )
        too_far = absolute.dtype.kind == "u" and int(absolute.max()) > MOST_WHOLE
        if too_far or not (measures.finite[outside].all() and np.isfinite(absolute).all()):
            self.enough_atol = self.enough_rtol = math.inf
            return
        self.enough_atol = max(self.enough_atol, float(absolute.max()))
        # Products with denormals are too coarse to promise anything.
        at_least = float(relative[outside].max()) if size.min() >= _SMALLEST_NORMAL else math.inf
        self.enough_rtol = max(self.enough_rtol, at_least)

    def _add_outside(
        self,
        places: Places,
        expected: Array,
        actual: Array,
        outside: Truths,
        measures: Measures | None,
        scores: Scores | None,
    ) -> None:
        any_outside = bool(outside.any())
        self.count += int(np.count_nonzero(outside))
        if any_outside and self.tolerance.kind is Kind.LABEL:
            self.flips.add(zip(plain_list(expected[outside]), plain_list(actual[outside]), strict=True))
        # Once anything is outside, what is within does not matter any more.
        chosen = np.flatnonzero(outside) if self.count else np.arange(len(places))
        if not chosen.size:
            return
        margin = None
        ranks = np.zeros(len(chosen))
        if scores is not None:
            rows = places[chosen] // self.plan.width - scores[0]
            ranks = margin = margins([each[rows] for each in scores[1]])
        elif measures is not None and self.tolerance.kind is not Kind.LABEL:
            absolute = measures.absolute[chosen].astype(np.float64)
            ranks = np.where(measures.finite[chosen], absolute, np.inf)
        level = Level.OUTSIDE if any_outside else Level.WITHIN
        self.worst.add(level, places[chosen], ranks, expected[chosen], actual[chosen], margin=margin)

    def _notice(self, what: str, places: Places, mask: Truths) -> None:
        found = np.flatnonzero(mask)
        if found.size:
            self._add_oddity(what, len(found), int(places[found[0]]))

    def _add_oddity(self, what: str, count: int, place: int) -> None:
        known, first = self.oddities.get(what, (0, place))
        self.oddities[what] = (known + count, min(first, place))


def as_floats(values: Array) -> Array:
    """Return numbers on which NumPy's functions for floats work."""
    return values if values.dtype.kind in "fiu" else values.astype(np.float32)


def plain_list(values: Array) -> list[Value]:
    """Return the values of an array as plain Python values; dates as ISO 8601."""
    if values.dtype.kind == "M":
        dates: npt.NDArray[np.datetime64] = values.view(values.dtype.str)
        values = np.datetime_as_string(dates)
    elif values.dtype.kind == "V":
        values = values.astype(np.float32)
    found: list[Value] = values.tolist()
    return found


def plain(value: object) -> Value:
    """Return one value as a plain Python value; a date as ISO 8601."""
    return plain_list(np.array([value], dtype=object if isinstance(value, str) or value is None else None))[0]


def _peak(
    distances: npt.NDArray[np.generic], mask: Truths, places: Places, expected: Array, actual: Array
) -> Peak | None:
    """Return the first of the largest distances of those in `mask`; None for none."""
    candidates = np.flatnonzero(mask)
    if not candidates.size:
        return None
    place = int(candidates[distances[candidates].argmax()])
    value: float | int = distances[place].item()
    return Peak(value, int(places[place]), plain(expected[place]), plain(actual[place]))


def _larger(known: Peak | None, other: Peak | None) -> Peak | None:
    if known is None or other is None:
        return known or other
    return max(known, other, key=lambda peak: (peak.value, -peak.place))


def _rounded_up(measures: Measures) -> npt.NDArray[np.uint64]:
    """Return distances as whole numbers; `UNMEASURABLE` where there is none, or it is too large for them."""
    if measures.absolute.dtype.kind == "u":
        whole = measures.absolute.astype(np.uint64)
        return np.where(whole == np.uint64(UNMEASURABLE), whole - np.uint64(1), whole)
    up = np.ceil(measures.absolute)
    known = measures.finite & (up < 2.0**64)
    return np.where(known, np.where(known, up, 0).astype(np.uint64), np.uint64(UNMEASURABLE))
