"""One column against its golden: a single pass, chunk by chunk, that finds all its statistics."""

from __future__ import annotations

import math
from collections import Counter
from decimal import ROUND_CEILING, Context, Decimal
from functools import partial

import numpy as np
import numpy.typing as npt

from goldlock.compare._measure import Floats, Measures, Truths, margins, measure_floats, measure_whole
from goldlock.compare._ulp import UNMEASURABLE
from goldlock.compare._worst import Level, WorstRows
from goldlock.results import ColumnResult, Extreme, Flip, Rung, Value, WorstRow
from goldlock.tables import Array, type_of
from goldlock.tolerance import Kind, Tolerance

CHUNK = 1 << 16
"""Values looked at together: few enough for the processor's caches, whatever the column's size."""

_WORST = 10
_FLIPS = 10
# Kinds of flip that are told apart; a column of free text has as many as rows.
_FLIP_KINDS = 10_000
_SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)

Places = npt.NDArray[np.intp]


def compare_values(
    name: str, expected: Array, actual: Array, tolerance: Tolerance, scores: Array | None = None
) -> ColumnResult:
    """Return the result for two columns of one shape, of one dtype or both of numbers.

    Numbers of two dtypes are compared as float64, and within rtol and atol only. `scores` are the expected
    scores of a label, shape (rows, classes) or (rows,). Memory beside what is given: a few arrays of `CHUNK`.
    """
    search = _Search(expected, actual, tolerance, scores)
    for start in range(0, expected.size, CHUNK):
        search.look_at(start, start + CHUNK)
    if (
        tolerance.kind is Kind.PROBABILITY
        and search.differing
        and expected.ndim > 1
        and expected.shape[-1] > 1
    ):
        search.look_at_tops()
    return search.result(name)


class _Search:
    """What has been seen so far of one column."""

    def __init__(self, expected: Array, actual: Array, tolerance: Tolerance, scores: Array | None) -> None:
        self.expected = expected
        self.actual = actual
        self.tolerance = tolerance
        self.scores = scores
        self.one_dtype = expected.dtype == actual.dtype
        self.dtype = expected.dtype if self.one_dtype else np.dtype(np.float64)
        self.flat_expected = expected.reshape(-1)
        self.flat_actual = actual.reshape(-1)
        self.width = expected.size // len(expected) if expected.size else 1
        self.count = 0
        self.differing = 0
        self.beyond_ulp = 0
        self.tops_moved = 0
        self.absolute: Extreme | None = None
        self.relative: Extreme | None = None
        self.ulp: Extreme | None = None
        self.enough_rtol = 0.0
        self.enough_atol = 0.0
        self.flips: Counter[tuple[Value, Value]] = Counter()
        self.oddities: dict[str, tuple[int, int]] = {}
        """What a person should know: count, and the first row."""
        self.worst = WorstRows(_WORST, self.width)

    def look_at(self, start: int, stop: int) -> None:
        """Add the values from `start` to `stop` (flat places)."""
        expected, actual = self.flat_expected[start:stop], self.flat_actual[start:stop]
        if not self.one_dtype:
            expected, actual = expected.astype(np.float64), actual.astype(np.float64)
        places = _different(expected, actual)
        if not places.size:
            return
        expected, actual, where = expected[places], actual[places], start + places
        self.differing += len(where)
        if self.dtype.kind == "f":
            measures = measure_floats(expected, actual, self.tolerance, ulps=self.one_dtype)
        elif self.dtype.kind in "iu":
            measures = measure_whole(expected, actual, self.tolerance)
        else:
            self._add_outside(where, expected, actual, np.ones(len(where), dtype=np.bool_), None)
            return
        self._add_extremes(where, expected, actual, measures)
        self._add_outside(where, expected, actual, measures.outside, measures)

    def look_at_tops(self) -> None:
        """Find the rows whose largest value is at another place: their label flips, tolerance or not."""
        classes = self.expected.shape[-1]
        expected, actual = self.expected.reshape(-1, classes), self.actual.reshape(-1, classes)
        step = max(1, CHUNK // classes)
        for start in range(0, len(expected), step):
            before = expected[start : start + step].argmax(axis=1)
            after = actual[start : start + step].argmax(axis=1)
            moved = np.flatnonzero(before != after)
            if not moved.size:
                continue
            self.tops_moved += len(moved)
            before, after = before[moved], after[moved]
            self.flips.update(zip(before.tolist(), after.tolist(), strict=True))
            where = (start + moved) * classes + before
            margin = margins(expected[start + moved])
            pairs = (where, self.flat_expected[where], self.flat_actual[where])
            self.worst.add(Level.TOP_MOVED, where, margin, partial(self._row, *pairs, None, margin))

    def _add_extremes(self, where: Places, expected: Array, actual: Array, measures: Measures) -> None:
        pairs = (where, expected, actual)
        measurable = measures.finite & (measures.absolute > 0) & np.isfinite(measures.absolute)
        self.absolute = self._larger(self.absolute, measures.absolute, measurable, *pairs)
        with np.errstate(all="ignore"):
            relative = measures.absolute / measures.size
        comparable = measurable & (measures.size > 0) & np.isfinite(relative)
        self.relative = self._larger(self.relative, relative, comparable, *pairs)
        if measures.ulp is None:
            self.beyond_ulp += len(where)
        else:
            near = np.uint64(min(self.tolerance.ulp, UNMEASURABLE - 1))
            self.beyond_ulp += int(np.count_nonzero(measures.ulp > near))
            self.ulp = self._larger(self.ulp, measures.ulp, measures.finite & (measures.ulp > 0), *pairs)
            self._notice("a zero has the other sign", where, measures.ulp == 0)
        if not measures.finite.all():
            absent, absent_actual = np.isnan(expected), np.isnan(actual)
            self._notice("NaN stands for a number", where, absent_actual)
            self._notice("a number stands for NaN", where, absent)
            self._notice(
                "an infinity is on one side only", where, ~(measures.finite | absent | absent_actual)
            )
        self._add_enough(measures, relative)

    def _add_enough(self, measures: Measures, relative: Floats) -> None:
        """Widen what would be enough to let everything pass; infinite where nothing is."""
        if not measures.outside.any():
            return
        absolute, size = measures.absolute[measures.outside], measures.size[measures.outside]
        if not (measures.finite[measures.outside].all() and np.isfinite(absolute).all()):
            self.enough_atol = self.enough_rtol = math.inf
            return
        self.enough_atol = max(self.enough_atol, float(absolute.max()))
        # Products with denormals are too coarse to promise anything.
        at_least = float(relative[measures.outside].max()) if size.min() >= _SMALLEST_NORMAL else math.inf
        self.enough_rtol = max(self.enough_rtol, at_least)

    def _add_outside(
        self, where: Places, expected: Array, actual: Array, outside: Truths, measures: Measures | None
    ) -> None:
        any_outside = bool(outside.any())
        self.count += int(np.count_nonzero(outside))
        if any_outside and self.tolerance.kind is Kind.LABEL and len(self.flips) < _FLIP_KINDS:
            self.flips.update(zip(expected[outside].tolist(), actual[outside].tolist(), strict=True))
        # Once anything is outside, what is within does not matter any more.
        chosen = np.flatnonzero(outside) if self.count else np.arange(len(where))
        if not chosen.size:
            return
        ranks, margin = np.zeros(len(where)), None
        if self.scores is not None:
            ranks = margin = margins(self.scores[where // self.width])
        elif measures is not None and self.tolerance.kind is not Kind.LABEL:
            ranks = np.where(measures.finite, measures.absolute.astype(np.float64), np.inf)
        make = partial(self._row, where, expected, actual, measures, margin)
        level = Level.OUTSIDE if any_outside else Level.WITHIN
        self.worst.add(level, where[chosen], ranks[chosen], lambda place: make(int(chosen[place])))

    def _row(
        self,
        where: Places,
        expected: Array,
        actual: Array,
        measures: Measures | None,
        margin: Floats | None,
        place: int,
    ) -> WorstRow:
        """Return the row of the value at `place` of a batch."""
        index = self._index(int(where[place]))
        absolute: float | int | None = None
        ulp = None
        if measures is not None:
            absolute = measures.absolute[place].item() if measures.finite[place] else math.inf
            if measures.ulp is not None and measures.finite[place]:
                ulp = int(measures.ulp[place])
        return WorstRow(
            row=index[0],
            index=index,
            expected=_plain(expected[place]),
            actual=_plain(actual[place]),
            absolute=absolute,
            ulp=ulp,
            margin=None if margin is None or np.isnan(margin[place]) else float(margin[place]),
        )

    def _index(self, place: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(place, self.expected.shape))

    def _larger(
        self,
        known: Extreme | None,
        distances: Array,
        mask: Truths,
        where: Places,
        expected: Array,
        actual: Array,
    ) -> Extreme | None:
        """Return the largest distance of those in `mask`, or the known one where that is as large."""
        candidates = np.flatnonzero(mask)
        if not candidates.size:
            return known
        place = int(candidates[distances[candidates].argmax()])
        value = distances[place].item()
        if known is not None and known.value >= value:
            return known
        return Extreme(
            value=value,
            index=self._index(int(where[place])),
            expected=_plain(expected[place]),
            actual=_plain(actual[place]),
        )

    def _notice(self, what: str, where: Places, mask: Truths) -> None:
        places = np.flatnonzero(mask)
        if places.size:
            count, first = self.oddities.get(what, (0, int(where[places[0]]) // self.width))
            self.oddities[what] = (count + len(places), first)

    def result(self, name: str) -> ColumnResult:
        """Return what was found."""
        rung = self._rung()
        notes = [f"{what}: {count} (first in row {row})" for what, (count, row) in self.oddities.items()]
        if self.tops_moved:
            notes.append(f"the largest of a row's values is another one in {self.tops_moved} rows")
        if len(self.flips) >= _FLIP_KINDS:
            notes.append(f"more than {_FLIP_KINDS} kinds of flip; those of the first rows are counted")
        return ColumnResult(
            name=name,
            rung=rung,
            expected_type=str(type_of(self.expected)),
            actual_type=str(type_of(self.actual)),
            size=self.expected.size,
            count=self.count or self.tops_moved,
            differing=self.differing,
            largest_absolute=self.absolute,
            largest_relative=self.relative,
            largest_ulp=self.ulp,
            worst=self.worst.rows(),
            flips=tuple(
                Flip(expected=before, actual=after, count=count)
                for (before, after), count in sorted(
                    self.flips.items(), key=lambda flip: (-flip[1], repr(flip[0]))
                )
            )[:_FLIPS],
            would_pass=self._would_pass() if rung is Rung.DRIFTED else "",
            note="; ".join(notes),
        )

    def _rung(self) -> Rung:
        if not self.differing:
            return Rung.IDENTICAL
        if self.tops_moved or (self.count and not self.tolerance.kind.numeric):
            return Rung.FLIPPED
        if self.count:
            return Rung.DRIFTED
        # An exact column's only difference that counts as none is the sign of zero: distance 0.
        return Rung.TOLERANCE if self.beyond_ulp else Rung.ULP

    def _would_pass(self) -> str:
        enough = {"rtol": _rounded_up(self.enough_rtol), "atol": _rounded_up(self.enough_atol)}
        return " or ".join(f"{name} >= {value:g}" for name, value in enough.items() if math.isfinite(value))


def _different(expected: Array, actual: Array) -> Places:
    """Return the places whose values are not identical: the same bits, or NaN on both sides."""
    if expected.dtype.kind != "f":
        return np.flatnonzero(expected != actual)
    # Whole numbers compare quicker than floats, and tell -0.0 from 0.0.
    unsigned = np.dtype(f"u{expected.dtype.itemsize}")
    places = np.flatnonzero(expected.view(unsigned) != actual.view(unsigned))
    if places.size:
        places = places[~(np.isnan(expected[places]) & np.isnan(actual[places]))]
    return places


def _plain(value: object) -> Value:
    if isinstance(value, np.generic):
        value = value.item()
    assert value is None or isinstance(value, bool | int | float | str)  # noqa: S101 - what a Table holds
    return value


def _rounded_up(value: float) -> float:
    """Return a number of two digits that is no smaller than `value`, however that was rounded on the way."""
    if not math.isfinite(value):
        return value
    enough = Decimal(value) * (1 + Decimal("1e-12"))
    return float(Context(prec=2, rounding=ROUND_CEILING).plus(enough))
