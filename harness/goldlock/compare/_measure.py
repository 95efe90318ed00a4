"""Distances of numbers that differ, and which of them a tolerance lets pass. Arrays in, arrays out.

NaN, infinities and overflow are part of the data here: the caller has NumPy's warnings about them off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from goldlock.compare._ulp import UNMEASURABLE, ulp_distance
from goldlock.tables import Array, is_float, is_whole
from goldlock.tolerance import Tolerance

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.uint64]

MOST_WHOLE = float((1 << 64) - (1 << 11))
"""The largest float64 below 2**64: no bound lets whole numbers pass that are further apart."""
# What float64 holds exactly of a whole number of 64 bits, and the rest.
_LOW_BITS = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What is known of pairs of numbers that differ; arrays of one length."""

    absolute: Floats | Distances
    """|actual - expected|: exact (uint64) for whole numbers; meaningless where not `finite`."""
    size: Floats
    """|expected|."""
    ulp: Distances | None
    """None for whole numbers and for columns of two dtypes."""
    finite: Truths
    """Neither NaN nor infinite, on both sides."""
    outside: Truths
    """Outside the tolerance."""


def measure(expected: Array, actual: Array, tolerance: Tolerance) -> Measures | None:
    """Measure pairs that differ by the rules of their dtypes; None where there are no distances."""
    if is_float(expected.dtype) and expected.dtype == actual.dtype:
        return measure_floats(expected, actual, tolerance)
    if is_whole(expected.dtype) and is_whole(actual.dtype):
        return measure_whole(expected, actual, tolerance)
    if expected.dtype.kind in "OMb" or actual.dtype.kind in "OMb":
        return None
    return measure_mixed(expected, actual, tolerance)


def measure_floats(expected: Array, actual: Array, tolerance: Tolerance) -> Measures:
    """Measure floats of one dtype."""
    wide, wide_actual = expected.astype(np.float64), actual.astype(np.float64)
    absolute = np.abs(wide_actual - wide)
    finite = np.isfinite(wide) & np.isfinite(wide_actual)
    ulp = ulp_distance(expected, actual)
    return Measures(
        absolute=absolute,
        size=np.abs(wide),
        ulp=ulp,
        finite=finite,
        outside=~_inside(wide, wide_actual, absolute, finite, ulp, tolerance),
    )


def measure_mixed(expected: Array, actual: Array, tolerance: Tolerance) -> Measures:
    """Measure numbers of two dtypes by value, within rtol and atol only: a distance in ULP has no meaning.

    The distance is float64's; it is zero where the values are the same number, and nowhere else.
    """
    absolute, wide, wide_actual = _mixed(expected, actual)
    finite = np.isfinite(wide) & np.isfinite(wide_actual)
    if tolerance.kind.numeric:
        inside = _inside(wide, wide_actual, absolute, finite, None, tolerance)
    else:
        inside = (absolute == 0) | ((wide == wide_actual) & ~finite)
    size = np.abs(wide)
    return Measures(absolute=absolute, size=size, ulp=None, finite=finite, outside=~inside)


def differ_mixed(expected: Array, actual: Array) -> Truths:
    """Return which numbers of two dtypes are not the same value, or zeros of another sign."""
    if is_whole(expected.dtype) and is_whole(actual.dtype):
        return np.asarray(_apart(expected, actual) != 0, dtype=np.bool_)
    absolute, wide, wide_actual = _mixed(expected, actual)
    same = (absolute == 0) | ((wide == wide_actual) & ~np.isfinite(wide))
    if is_float(expected.dtype) and is_float(actual.dtype):
        same &= np.signbit(wide) == np.signbit(wide_actual)
    return np.asarray(~(same | (np.isnan(wide) & np.isnan(wide_actual))), dtype=np.bool_)


def _mixed(expected: Array, actual: Array) -> tuple[Floats, Floats, Floats]:
    """Return the distances, and both sides as float64."""
    (high, low), (high_actual, low_actual) = _split(expected), _split(actual)
    return np.abs((high_actual - high) + (low_actual - low)), high + low, high_actual + low_actual


def measure_whole(expected: Array, actual: Array, tolerance: Tolerance) -> Measures:
    """Measure whole numbers; exact at every size, as nothing passes through a float but the bound.

    The distance of an int64 and a uint64 can be above 64 bits; it is 2**64 - 1 then.
    """
    absolute = _apart(expected, actual)
    size = np.abs(expected.astype(np.float64))
    outside = np.ones(len(size), dtype=np.bool_)
    if tolerance.kind.numeric:
        bound = np.floor(tolerance.atol + tolerance.rtol * size)
        outside = absolute > np.minimum(bound, MOST_WHOLE).astype(np.uint64)
    return Measures(
        absolute=absolute, size=size, ulp=None, finite=np.ones(len(size), dtype=np.bool_), outside=outside
    )


def _apart(expected: Array, actual: Array) -> Distances:
    """Return the distances of whole numbers."""
    if expected.dtype.kind == actual.dtype.kind:
        common = np.int64 if expected.dtype.kind == "i" else np.uint64
        left, right = expected.astype(common), actual.astype(common)
        # Modulo 2**64, which the larger less the smaller always fits.
        absolute = np.where(left >= right, left - right, right - left).view(np.uint64)
    else:
        signed, unsigned = (expected, actual) if expected.dtype.kind == "i" else (actual, expected)
        below = signed.astype(np.int64) < 0
        here, there = signed.astype(np.int64).view(np.uint64), unsigned.astype(np.uint64)
        absolute = np.where(here >= there, here - there, there - here)
        negative = there + (np.uint64(0) - here)
        absolute = np.where(below, np.where(negative < there, np.uint64(UNMEASURABLE), negative), absolute)
    return absolute


def margins(scores: Sequence[Array]) -> Floats:
    """Return, for each row of scores, the largest less the second largest.

    One array of shape (rows, classes), or several, one a class; or one of shape (rows,) or (rows, 1) for the
    probability p of one of two classes, whose margin is |p - (1 - p)|. NaN where a score is NaN.
    """
    flat = np.concatenate([each.reshape(len(each), -1).astype(np.float64) for each in scores], axis=1)
    if flat.shape[1] == 1:
        return np.asarray(np.abs(2 * flat[:, 0] - 1), dtype=np.float64)
    top = np.partition(flat, -2, axis=1)
    return np.asarray(top[:, -1] - top[:, -2], dtype=np.float64)


def _inside(
    expected: Floats,
    actual: Floats,
    absolute: Floats,
    finite: Truths,
    ulp: Distances | None,
    tolerance: Tolerance,
) -> Truths:
    if not tolerance.kind.numeric:
        # Exact: only a zero of the other sign is the same value.
        return np.asarray(expected == actual, dtype=np.bool_)
    # A difference beyond float64 is infinite and never within a bound, which may be infinite as well.
    bound = tolerance.atol + tolerance.rtol * np.abs(expected)
    inside = (absolute <= bound) & np.isfinite(absolute) & finite
    if ulp is not None:
        inside |= ulp <= np.uint64(min(tolerance.ulp, UNMEASURABLE - 1))
    else:
        inside |= (expected == actual) & ~finite
    return np.asarray(inside, dtype=np.bool_)


def _split(values: Array) -> tuple[Floats, Floats]:
    """Return two float64 arrays whose sum is exactly `values`."""
    if not is_whole(values.dtype):
        wide = values.astype(np.float64)
        return wide, np.zeros_like(wide)
    if values.dtype.itemsize < 8:  # float64 holds them exactly
        return values.astype(np.float64), np.zeros(values.shape)
    high = values >> values.dtype.type(_LOW_BITS) << values.dtype.type(_LOW_BITS)
    return high.astype(np.float64), (values - high).astype(np.float64)
