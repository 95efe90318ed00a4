"""Distances in units in the last place (ULP): how many representable numbers lie between two floats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from goldlock.tables import Array

UNMEASURABLE = (1 << 64) - 1
"""The distance of NaN or an infinity to anything but itself. No two numbers are so far apart."""

_LOWEST = {2: -(1 << 15), 4: -(1 << 31), 8: -(1 << 63)}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a binary float of IEEE 754's kind lies in its bits."""

    whole: np.dtype[np.signedinteger]
    """The signed integer of its size."""
    mantissa: int
    """Bits of the fraction."""
    bias: int
    """What is added to the exponent."""

    @property
    def unsigned(self) -> np.dtype[np.unsignedinteger]:
        """The integer of its size without a sign."""
        return np.dtype(f"u{self.whole.itemsize}")

    @property
    def magnitude(self) -> int:
        """Mask of all bits but the sign."""
        return int((1 << (8 * self.whole.itemsize - 1)) - 1)

    @property
    def infinity(self) -> int:
        """The bits of infinity: what is as large or larger, without the sign, is not finite."""
        return self.magnitude >> self.mantissa << self.mantissa


_LAYOUTS = {
    "float16": Layout(np.dtype(np.int16), 10, 15),
    "bfloat16": Layout(np.dtype(np.int16), 7, 127),
    "float32": Layout(np.dtype(np.int32), 23, 127),
    "float64": Layout(np.dtype(np.int64), 52, 1023),
}


@cache
def layout(dtype: np.dtype[np.generic]) -> Layout:
    """Return how the floats of `dtype` lie in their bits."""
    return _LAYOUTS[dtype.name]


def ulp_distance(expected: Array, actual: Array) -> npt.NDArray[np.uint64]:
    """Return the distances of two arrays of one float dtype and shape, as uint64.

    IEEE 754 numbers of one sign are ordered as their bits are when read as integers; mirroring the negative
    ones gives one order over all of them, in which -0.0 and 0.0 are the same integer, 0 (Bruce Dawson,
    "Comparing Floating Point Numbers, 2012 Edition", randomascii.wordpress.com). Denormals count one by one.
    NaN against NaN and an infinity against itself are 0 apart; see `UNMEASURABLE` for the other pairs.
    """
    left, right = _ordered(expected), _ordered(actual)
    # The difference of two int64 fits uint64, and arithmetic modulo 2**64 finds it.
    distance = np.where(left >= right, left - right, right - left).view(np.uint64)
    finite = np.isfinite(expected) & np.isfinite(actual)
    if not finite.all():
        alike = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
        distance[~finite] = UNMEASURABLE
        distance[~finite & alike] = 0
    return distance


def _ordered(array: Array) -> npt.NDArray[np.int64]:
    size = array.dtype.itemsize
    bits: npt.NDArray[np.int64] = np.ascontiguousarray(array).view(np.dtype(f"i{size}")).astype(np.int64)
    return np.where(bits < 0, np.int64(_LOWEST[size]) - bits, bits)
