"""Opt-in equivalences: signs of components, and names of groups."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import starmap

import numpy as np
import numpy.typing as npt

from goldlock.compare._flips import Pair
from goldlock.results import Value
from goldlock.tables import Array, Mask

_DIGITS = 53
_HALF = 27
# No product of two floats has a smaller power of two.
_FARTHEST = 2200


class Dots:
    """The dot product of the golden and the output, for each value of a row; exact, so that parts can be added.

    Each product is rounded to 53 bits and held as a whole number of 53 bits and a power of two; the
    whole numbers of one power are added as such.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._sums: list[dict[int, int]] = []

    def add(self, expected: Array, actual: Array, start: int) -> None:
        """Add flat values from the flat place `start` on; pairs that are not both finite count for nothing."""
        if not self._sums:
            self._sums = [{} for _ in range(self._width)]
        left, right = expected.astype(np.float64), actual.astype(np.float64)
        known = np.isfinite(left) & np.isfinite(right)
        left, right = np.where(known, left, 0.0), np.where(known, right, 0.0)
        for place in range(min(self._width, len(left))):
            piece = slice(place, None, self._width)
            self._add(self._sums[(start + place) % self._width], left[piece], right[piece])

    def merge(self, other: Dots) -> None:
        if not self._sums:
            self._sums = [{} for _ in range(self._width)]
        for mine, others in zip(self._sums, other._sums, strict=False):
            for power, total in others.items():
                mine[power] = mine.get(power, 0) + total

    def signs(self) -> npt.NDArray[np.int8]:
        """Return -1 for each value of a row whose dot product is below 0, else 1."""
        totals = [
            sum(total << (power + _FARTHEST) for power, total in sums.items()) for sums in self._sums
        ] or [0] * self._width
        return np.array([-1 if total < 0 else 1 for total in totals], dtype=np.int8)

    @staticmethod
    def _add(sums: dict[int, int], left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> None:
        # Fractions and powers by themselves: no product is too large, nor too small.
        (fractions, powers), (others, other_powers) = np.frexp(left), np.frexp(right)
        fractions, more = np.frexp(fractions * others)
        powers = powers + other_powers + more
        whole = np.ldexp(fractions, _DIGITS).astype(np.int64)
        order = np.argsort(powers, kind="stable")
        powers, whole = powers[order], whole[order]
        starts = np.flatnonzero(np.diff(powers, prepend=powers[0] - 1))
        high = np.add.reduceat(whole >> _HALF, starts)
        low = np.add.reduceat(whole & ((1 << _HALF) - 1), starts)
        for power, above, below in zip(powers[starts].tolist(), high.tolist(), low.tolist(), strict=True):
            sums[power] = sums.get(power, 0) + (above << _HALF) + below


def one_to_one(counts: Mapping[Pair, int]) -> dict[Value, Value]:
    """Return the output's name for each of the golden's: the pairs seen most often first, each name once."""
    chosen: dict[Value, Value] = {}
    taken: set[Value] = set()
    for expected, actual in counts:
        if expected not in chosen and actual not in taken:
            chosen[expected] = actual
            taken.add(actual)
    return chosen


def differ_by_name(expected: list[Value], actual: list[Value], names: Mapping[Value, Value]) -> Mask:
    """Return which of the output's labels are not the golden's under its new name."""
    unknown = object()
    pairs = zip(expected, actual, strict=True)
    return np.fromiter(
        starmap(lambda before, after: names.get(before, unknown) != after, pairs),
        dtype=np.bool_,
        count=len(expected),
    )


def turned(values: Array, signs: npt.NDArray[np.int8], start: int) -> Array:
    """Return flat values from the flat place `start` on, times the signs of their components."""
    components = (start + np.arange(len(values))) % len(signs)
    product: Array = values * signs[components].astype(values.dtype)
    # A zero has no sign to turn.
    return np.where(values == 0, values, product)
