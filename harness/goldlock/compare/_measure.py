"""Distances of numbers that differ, and which of them a tolerance lets pass. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from goldlock.compare._ulp import UNMEASURABLE, ulp_distance
from goldlock.tables import Array
from goldlock.tolerance import Tolerance

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.uint64]

# The largest float64 below 2**64.
_MOST_WHOLE = float((1 << 64) - (1 << 11))


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


def measure_floats(expected: Array, actual: Array, tolerance: Tolerance, *, ulps: bool) -> Measures:
    """Measure floats of one dtype; with `ulps` false the distance in ULP is neither known nor accepted."""
    with np.errstate(all="ignore"):
        wide, wide_actual = expected.astype(np.float64), actual.astype(np.float64)
        absolute = np.abs(wide_actual - wide)
        size = np.abs(wide)
        finite = np.isfinite(wide) & np.isfinite(wide_actual)
        ulp = ulp_distance(expected, actual) if ulps else None
        if tolerance.kind.numeric:
            # A difference beyond float64 is infinite and never within a bound, which may be infinite as well.
            inside = (absolute <= tolerance.atol + tolerance.rtol * size) & np.isfinite(absolute) & finite
            if ulp is not None:
                inside |= ulp <= np.uint64(min(tolerance.ulp, UNMEASURABLE - 1))
        else:
            # Exact: only a zero of the other sign is the same value.
            inside = wide == wide_actual
    return Measures(absolute=absolute, size=size, ulp=ulp, finite=finite, outside=~inside)


def measure_whole(expected: Array, actual: Array, tolerance: Tolerance) -> Measures:
    """Measure whole numbers of one dtype; exact at every size, as nothing passes through a float but the bound."""
    common = np.int64 if expected.dtype.kind == "i" else np.uint64
    left, right = expected.astype(common), actual.astype(common)
    # Modulo 2**64, which the larger less the smaller always fits.
    absolute = np.where(left >= right, left - right, right - left).view(np.uint64)
    size = np.abs(expected.astype(np.float64))
    outside = np.ones(len(size), dtype=np.bool_)
    if tolerance.kind.numeric:
        with np.errstate(over="ignore"):
            bound = np.floor(tolerance.atol + tolerance.rtol * size)
        outside = absolute > np.minimum(bound, _MOST_WHOLE).astype(np.uint64)
    return Measures(
        absolute=absolute, size=size, ulp=None, finite=np.ones(len(size), dtype=np.bool_), outside=outside
    )


def margins(scores: Array) -> Floats:
    """Return, for each row of scores, the largest less the second largest.

    Shape (rows, classes); or (rows,) or (rows, 1) for the probability p of one of two classes, whose margin
    is |p - (1 - p)|. NaN where a score is NaN.
    """
    flat = scores.reshape(len(scores), -1).astype(np.float64)
    with np.errstate(all="ignore"):
        if flat.shape[1] == 1:
            return np.abs(2 * flat[:, 0] - 1)
        top = np.partition(flat, -2, axis=1)
        return np.asarray(top[:, -1] - top[:, -2], dtype=np.float64)
