"""One part of a column, in chunks that fit the processor's caches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goldlock.compare._equivalent import differ_by_name, turned
from goldlock.compare._floats import look_at_floats, same_bits
from goldlock.compare._measure import differ_mixed, margins
from goldlock.compare._seen import Scores, Seen, as_floats, plain_list
from goldlock.compare._tops import find_moves
from goldlock.compare._worst import Level, Side
from goldlock.tables import Array, Mask, is_float
from goldlock.tolerance import UpTo

CHUNK = 1 << 18
"""Values looked at together: few enough for the processor's caches, whatever the column's size."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a column, on both sides."""

    row: int
    """The first one's number."""
    expected: Array
    actual: Array
    absent: Mask | None
    """Where the golden has no value; None for nowhere. Shape as the arrays'."""
    absent_actual: Mask | None
    scores: Sequence[Array]
    """The golden's scores of these rows, for a label."""


def look_at(seen: Seen, part: Part) -> None:
    """Add a part of a column to what was seen of it."""
    plan = seen.plan
    expected, actual = part.expected.reshape(-1), part.actual.reshape(-1)
    first = part.row * plan.width
    absent, absent_actual = (
        None if mask is None else mask.reshape(-1) for mask in (part.absent, part.absent_actual)
    )
    before = seen.differing
    for start in range(0, expected.size, CHUNK):
        piece = slice(start, start + CHUNK)
        left, right = expected[piece], actual[piece]
        if plan.signs is not None:
            right = turned(right, plan.signs, first + start)
        scores = (part.row, list(part.scores)) if part.scores else None
        either = None
        if absent is not None or absent_actual is not None:
            either = _add_absent(seen, first + start, left, right, absent, absent_actual, piece)
            if either.any():
                left, right = _alike(left, right, either)
        _look_at_chunk(seen, first + start, left, right, scores, either)
        _sample(seen, first + start, left, right, either)
    if plan.classes and seen.differing > before:
        _look_at_tops(seen, part)


def _look_at_chunk(
    seen: Seen, start: int, expected: Array, actual: Array, scores: Scores | None, absent: Mask | None
) -> None:
    tolerance = seen.tolerance
    if tolerance.up_to is UpTo.SIGN and seen.plan.signs is None:
        seen.dots.add(expected, actual, start)
    if tolerance.up_to is UpTo.NAMES:
        if seen.plan.names is not None:
            _look_at_names(seen, start, expected, actual, scores, absent)
            return
        named = slice(None) if absent is None else ~absent
        seen.pairs.add(zip(plain_list(expected[named]), plain_list(actual[named]), strict=True))
    dtype = expected.dtype
    if dtype != actual.dtype:
        places = np.flatnonzero(differ_mixed(expected, actual))
    elif dtype.kind == "O":
        # Lists are compared by identity first, and by value only then.
        if expected.tolist() == actual.tolist():
            return
        places = np.flatnonzero(expected != actual)
    elif not seen.drifting and same_bits(expected, actual):
        if seen.plan.numbers:
            seen.distances.add_zeros(len(expected))
        return
    elif is_float(dtype):
        # Where one chunk differs the next one likely does: then one look less.
        seen.drifting = look_at_floats(seen, start, expected, actual, scores)
        return
    else:
        # Dates are compared as the whole numbers that they are: an absent one is itself.
        bits = np.dtype(f"i{dtype.itemsize}")
        places = np.flatnonzero(expected.view(bits) != actual.view(bits))
    seen.differing += len(places)
    if seen.plan.numbers:
        seen.distances.add_zeros(len(expected) - len(places))
    if len(places):
        seen.judge(start + places, expected[places], actual[places], scores)


def _look_at_names(
    seen: Seen, start: int, expected: Array, actual: Array, scores: Scores | None, absent: Mask | None
) -> None:
    """Compare labels under their other names; what is absent has none."""
    differ = differ_by_name(plain_list(expected), plain_list(actual), seen.plan.names or {})
    places = np.flatnonzero(differ if absent is None else differ & ~absent)
    seen.differing += int(np.count_nonzero(expected != actual))
    if seen.plan.numbers:
        seen.distances.add_zeros(len(expected) - len(places))
    if len(places):
        seen.judge(start + places, expected[places], actual[places], scores)


def _add_absent(
    seen: Seen,
    start: int,
    expected: Array,
    actual: Array,
    absent: Mask | None,
    absent_actual: Mask | None,
    piece: slice,
) -> Mask:
    """Add the values that are absent on one side, and return which are absent on either."""
    nowhere = np.zeros(len(expected), dtype=np.bool_)
    left = nowhere if absent is None else absent[piece]
    right = nowhere if absent_actual is None else absent_actual[piece]
    only_actual, only_expected = np.flatnonzero(left & ~right), np.flatnonzero(right & ~left)
    seen.add_absent(start + only_actual, actual[only_actual], Side.EXPECTED)
    seen.add_absent(start + only_expected, expected[only_expected], Side.ACTUAL)
    return left | right


def _alike(expected: Array, actual: Array, either: Mask) -> tuple[Array, Array]:
    """Return copies whose values are the same where any side has none: what stands there means nothing."""
    expected, actual = expected.copy(), actual.copy()
    expected[either] = np.zeros(1, dtype=expected.dtype)[0]
    actual[either] = np.zeros(1, dtype=actual.dtype)[0]
    return expected, actual


def _sample(seen: Seen, start: int, expected: Array, actual: Array, absent: Mask | None) -> None:
    """Keep the pairs that a plot shows."""
    low, high = np.searchsorted(seen.samples, (start, start + len(expected)))
    chosen = seen.samples[low:high]
    if absent is not None:
        chosen = chosen[~absent[chosen - start]]
    if len(chosen):
        seen.points.append((chosen, expected[chosen - start], actual[chosen - start]))


def _look_at_tops(seen: Seen, part: Part) -> None:
    """Find the rows whose largest value is at another place: their label flips, tolerance or not."""
    classes, first = seen.plan.classes, part.row * seen.plan.width
    expected, actual = part.expected.reshape(-1, classes), part.actual.reshape(-1, classes)
    for mask in (part.absent, part.absent_actual):
        if mask is not None:
            # A row without one of its values has no order.
            expected = np.where(mask.reshape(-1, classes), np.nan, as_floats(expected))
    step = max(1, CHUNK // classes)
    for start in range(0, len(expected), step):
        left, right = expected[start : start + step], actual[start : start + step]
        if left.dtype == right.dtype and same_bits(left.reshape(-1), right.reshape(-1)):
            continue
        moves = find_moves(as_floats(left), as_floats(right))
        seen.ranks_moved += moves.others
        moved = len(moves.tops)
        seen.tops_moved += moved
        if not moved:
            continue
        seen.flips.add(zip(moves.before.tolist(), moves.after.tolist(), strict=True))
        places = moves.tops * classes + moves.before
        margin = margins([left[moves.tops]])
        seen.worst.add(
            Level.TOP_MOVED,
            first + start * classes + places,
            margin,
            part.expected.reshape(-1)[start * classes + places],
            part.actual.reshape(-1)[start * classes + places],
            margin=margin,
        )
