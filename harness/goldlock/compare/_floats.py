"""Floats of one dtype, in chunks: whole-number arithmetic on their bits, and exact distances where they matter.

Two floats of one sign are as many ULP apart as their bits, read as integers. From the largest such distance of
a chunk and its largest magnitude follow bounds on every distance in it; a chunk whose bounds cannot reach the
largest distances known so far, nor a tolerance, nor the worst rows, is done after a handful of integer
operations. Everything else is measured exactly, so the result is that of measuring each pair.

Bounds, for pairs of one sign with `d` ULP between them, at most 2**m (m bits of fraction), |expected| normal:
|a - e| <= d * spacing(max(|a|, |e|)), as no step is wider. With e = (1 + f) * 2**x, 0 <= f < 1, the d steps are
2**(x - m) wide at most, and |a - e| / |e| <= d * 2**-m / (1 + f), where they do not lead beyond 2**(x + 1); where
they do, k >= 1 of them lead there and the others are twice as wide, and (2d - k) / (2 - k * 2**-m) * 2**-m is
largest for k = 1: about (d - 1/2) * 2**-m. Both are d * 2**-m at most. There a / 2 <= e <= 2a, so a - e is exact in
their own dtype (Sterbenz).
"""

from __future__ import annotations

import threading
from math import ldexp
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from goldlock.compare._seen import Scores, Seen
from goldlock.compare._ulp import Layout, layout
from goldlock.compare._worst import Level, Places
from goldlock.tables import Array

# Chunks in which fewer values differ are compressed to those.
_SPARSE = 8
# What a quotient in float32, or the product with a tolerance, may be off by, and more.
_SLACK = 1e-6

Whole: TypeAlias = npt.NDArray[np.signedinteger]
Numbers: TypeAlias = npt.NDArray[Any]
"""Floats or whole numbers, of one of several widths."""


class _Buffers(threading.local):
    """Arrays of one chunk, used again for the next one; each thread has its own."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[str, np.dtype[Any]], Numbers] = {}

    def get(self, name: str, dtype: np.dtype[Any], length: int) -> Numbers:
        key = (name, dtype)
        array = self._arrays.get(key)
        if array is None or len(array) < length:
            array = self._arrays[key] = np.empty(length, dtype=dtype)
        return array[:length]


_BUFFERS = _Buffers()
_TRUTH = np.dtype(np.bool_)


def same_bits(expected: Array, actual: Array) -> bool:
    """Return whether two contiguous arrays of one dtype, flat, hold the same bits."""
    wide = np.dtype(np.int64) if expected.nbytes % 8 == 0 else np.dtype(f"i{_unit(expected.dtype)}")
    left, right = expected.view(wide), actual.view(wide)
    mask = _BUFFERS.get("mask", _TRUTH, len(left))
    np.not_equal(left, right, out=mask)
    return not mask.any()


def _unit(dtype: np.dtype[np.generic]) -> int:
    return dtype.itemsize if dtype.itemsize in {1, 2, 4, 8} else 1


def look_at_floats(
    seen: Seen, start: int, expected: Array, actual: Array, scores: Scores | None = None
) -> bool:
    """Add a chunk of floats of one dtype, flat, whose first place is `start`; return whether any differ."""
    form = layout(expected.dtype)
    left, right = expected.view(form.whole), actual.view(form.whole)
    length = len(left)
    chunk = _Chunk(seen, form, start, expected, actual, left, right, None, 0, scores)
    # Read without a sign, negative numbers are larger than any that is not.
    top = max(int(left.view(form.unsigned).max()), int(right.view(form.unsigned).max()))
    mask = _BUFFERS.get("mask", _TRUTH, length)
    np.not_equal(left, right, out=mask)
    chunk.differing = int(np.count_nonzero(mask))
    seen.differing += chunk.differing
    seen.distances.add_zeros(length - chunk.differing)
    if not chunk.differing:
        return False
    if chunk.differing < length // _SPARSE:
        _look_at_any(chunk.taken(np.flatnonzero(mask)))
    elif top < form.infinity:
        _look_at_near(chunk, int(left.min()), top)
    else:
        _look_at_any(chunk)
    return True


class _Chunk:
    """Pairs of a chunk: all of it, or (with `places`) some that differ."""

    def __init__(
        self,
        seen: Seen,
        form: Layout,
        start: int,
        expected: Array,
        actual: Array,
        left: Whole,
        right: Whole,
        places: Places | None,
        differing: int,
        scores: Scores | None,
    ) -> None:
        self.seen = seen
        self.form = form
        self.start = start
        self.expected = expected
        self.actual = actual
        self.left = left
        self.right = right
        self.places = places
        """Places in the chunk, rising; None for all of it."""
        self.differing = differing
        self.scores = scores

    def taken(self, chosen: Places) -> _Chunk:
        """Return only some of the pairs, all of which differ."""
        return _Chunk(
            self.seen,
            self.form,
            self.start,
            self.expected[chosen],
            self.actual[chosen],
            self.left[chosen],
            self.right[chosen],
            chosen if self.places is None else self.places[chosen],
            len(chosen),
            self.scores,
        )

    def flat(self, chosen: Places) -> Places:
        """Return the flat places in the column of some pairs."""
        return self.start + (chosen if self.places is None else self.places[chosen])

    def place(self, chosen: int) -> int:
        return self.start + (chosen if self.places is None else int(self.places[chosen]))

    def judge(self, chosen: Places, *, counted: bool) -> None:
        """Measure some pairs, all of which differ, one by one."""
        if len(chosen):
            self.seen.judge(
                self.flat(chosen), self.expected[chosen], self.actual[chosen], self.scores, counted=counted
            )


def _look_at_any(chunk: _Chunk) -> None:
    """Set apart what has no order among its bits: another sign, NaN, infinities."""
    form, length = chunk.form, len(chunk.left)
    if not length:
        return
    crossed = _BUFFERS.get("crossed", form.whole, length)
    size = _BUFFERS.get("size", form.whole, length)
    size_actual = _BUFFERS.get("distance", form.whole, length)
    np.bitwise_xor(chunk.left, chunk.right, out=crossed)
    np.bitwise_and(chunk.left, form.magnitude, out=size)
    np.bitwise_and(chunk.right, form.magnitude, out=size_actual)
    top = max(int(size.max()), int(size_actual.max()))
    if top >= form.infinity or int(crossed.min()) < 0:
        odd = (crossed < 0) | (size >= form.infinity) | (size_actual >= form.infinity)
        differs = crossed != 0
        strange = np.flatnonzero(odd & differs)
        both = (size[strange] > form.infinity) & (size_actual[strange] > form.infinity)
        # NaN is NaN, whatever its bits.
        chunk.seen.differing -= int(np.count_nonzero(both))
        chunk.seen.distances.add_zeros(int(np.count_nonzero(both)))
        chunk.judge(strange[~both], counted=False)
        chunk = chunk.taken(np.flatnonzero(differs & ~odd))
        if not chunk.differing:
            return
        _look_at_any(chunk)
        return
    _look_at_near(chunk, int(size.min()), top)


def _look_at_near(chunk: _Chunk, low: int, top: int) -> None:
    """Count distances, and set apart those for which the bounds do not hold: far away, or next to zero."""
    seen, form, length = chunk.seen, chunk.form, len(chunk.left)
    distance = _BUFFERS.get("distance", form.whole, length)
    np.subtract(chunk.left, chunk.right, out=distance)
    np.abs(distance, out=distance)
    largest = int(distance.max())
    seen.distances.add_near(distance, largest, chunk.differing, _BUFFERS.get("mask", _TRUTH, length))
    if seen.ulp is None or (largest, -chunk.start) > (seen.ulp.value, -seen.ulp.place):
        place = int(distance.argmax())
        seen.add_peak_ulp(largest, chunk.place(place), chunk.expected[place], chunk.actual[place])
    if not seen.tolerance.kind.numeric:
        chunk.judge(np.flatnonzero(distance), counted=True)
        return
    far, small = 1 << form.mantissa, _smallest(form)
    if largest > far or low < small:
        size = np.bitwise_and(chunk.left, form.magnitude)
        special = (distance > far) | (size < small)
        chunk.judge(np.flatnonzero(special & (distance > 0)), counted=True)
        chunk = chunk.taken(np.flatnonzero(~special & (distance > 0)))
        if not chunk.differing:
            return
        distance = np.abs(chunk.left - chunk.right)
        largest = int(distance.max())
        pair = (chunk.left, chunk.right)
        top = max(int(np.bitwise_and(side, form.magnitude).max()) for side in pair)
    _bound(chunk, distance, largest, top)


def _smallest(form: Layout) -> int:
    """Return the bits of the smallest magnitude for which the relative bound is used.

    It is far above float64's smallest normal number, so that no product with a tolerance becomes a denormal.
    """
    return (124 if form.mantissa == 52 else 1) << form.mantissa


def _bound(chunk: _Chunk, distance: Whole, largest: int, top: int) -> None:
    """Measure what the bounds of the chunk do not rule out."""
    seen, form, tolerance = chunk.seen, chunk.form, chunk.seen.tolerance
    widest = ldexp(largest, max(top >> form.mantissa, 1) - form.bias - form.mantissa)
    widest_share = ldexp(largest, -form.mantissa)
    row = chunk.start // seen.plan.width
    inside = largest <= tolerance.ulp
    seen.beyond_ulp |= not inside
    inside = inside or widest <= tolerance.atol or widest_share <= tolerance.rtol * (1 - _SLACK)
    step: Numbers | None = None
    if not inside or _may_be_largest_share(chunk, largest):
        step = _step(chunk)
        share = _BUFFERS.get("share", step.dtype, len(step))
        np.divide(step, _wide(chunk.expected), out=share)
        np.abs(share, out=share)
        largest_share = float(share.max())
        inside = inside or largest_share * (1 + _SLACK) <= tolerance.rtol
        if seen.relative is None or largest_share * (1 + _SLACK) >= seen.relative.value:
            _add_relative(chunk, np.flatnonzero(share >= largest_share * (1 - _SLACK)))
    if not inside:
        chunk.judge(np.flatnonzero(distance > tolerance.ulp), counted=True)
    known = seen.absolute
    may_be_worst = not seen.count and seen.worst.may_enter(Level.WITHIN, widest, row)
    if known is not None and (widest, -chunk.start) <= (known.value, -known.place) and not may_be_worst:
        return
    step = _step(chunk) if step is None else step
    np.abs(step, out=step)
    place = int(step.argmax())
    farthest = float(step[place])
    seen.add_peak_absolute(farthest, chunk.place(place), chunk.expected[place], chunk.actual[place])
    if not seen.count and seen.worst.may_enter(Level.WITHIN, farthest, row):
        # The others were judged above, one by one.
        chosen = np.flatnonzero(distance if inside else (distance > 0) & (distance <= tolerance.ulp))
        seen.worst.add(
            Level.WITHIN,
            chunk.flat(chosen),
            step[chosen].astype(np.float64),
            chunk.expected[chosen],
            chunk.actual[chosen],
        )


def _may_be_largest_share(chunk: _Chunk, largest: int) -> bool:
    """Whether a relative distance may be the largest one known so far, or larger."""
    known, form = chunk.seen.relative, chunk.form
    if known is None:
        return True
    if ldexp(largest - 0.5, -form.mantissa) * (1 + _SLACK) >= known.value:
        return ldexp(largest, -form.mantissa) >= known.value
    one = 1 << form.mantissa
    fraction = _BUFFERS.get("crossed", form.whole, len(chunk.left))
    np.bitwise_and(chunk.left, one - 1, out=fraction)
    return largest / (one + int(fraction.min())) >= known.value * (1 - 2.0**-50)


def _add_relative(chunk: _Chunk, chosen: Places) -> None:
    """Consider some pairs for the largest relative distance, in float64."""
    expected = chunk.expected[chosen].astype(np.float64)
    shares = np.abs(chunk.actual[chosen].astype(np.float64) - expected) / np.abs(expected)
    first = int(shares.argmax())
    place = int(chosen[first])
    chunk.seen.add_peak_relative(
        float(shares[first]), chunk.place(place), chunk.expected[place], chunk.actual[place]
    )


def _step(chunk: _Chunk) -> Numbers:
    """Return actual - expected; exact, but for float64, where it is the rounded difference."""
    wide, wide_actual = _wide(chunk.expected), _wide(chunk.actual)
    step = _BUFFERS.get("step", wide.dtype, len(wide))
    np.subtract(wide_actual, wide, out=step)
    return step


def _wide(values: Array) -> Numbers:
    return values if values.dtype.itemsize >= 4 else values.astype(np.float32)
