"""Probabilities of several classes: rows whose largest one moved, and rows in which the others changed places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from goldlock.compare._measure import Truths
from goldlock.compare._worst import Places
from goldlock.tables import Array

# Up to as many classes, comparing each with each is quicker than sorting.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Moves:
    """Rows in which something moved, by number in the arrays that were given."""

    tops: Places
    """Whose largest value, the first of several, is at another place."""
    before: Places
    """Where it was, one for each of `tops`."""
    after: Places
    others: int
    """Rows whose largest stays while two others changed places; a tie that was broken, or arose, is none."""


def find_moves(expected: Array, actual: Array) -> Moves:
    """Return what moved in rows of shape (rows, classes); rows with a NaN have no order, and are left out."""
    rows = _candidates(expected, actual)
    left, right = expected[rows], actual[rows]
    before, after = left.argmax(axis=1), right.argmax(axis=1)
    moved = before != after
    others = int(np.count_nonzero(_reordered(left[~moved], right[~moved])))
    return Moves(rows[moved], before[moved], after[moved], others)


def _candidates(expected: Array, actual: Array) -> Places:
    classes = expected.shape[1]
    if classes <= _FEW:
        left, right = np.ascontiguousarray(expected.T), np.ascontiguousarray(actual.T)
        mask = np.zeros(len(expected), dtype=np.bool_)
        for first in range(classes):
            for second in range(first + 1, classes):
                mask |= (left[second] > left[first]) != (right[second] > right[first])
        rows = np.flatnonzero(mask)
    else:
        rows = np.flatnonzero((expected != actual).any(axis=1))
    if rows.size:
        absent = np.isnan(expected[rows]).any(axis=1) | np.isnan(actual[rows]).any(axis=1)
        rows = rows[~absent]
    return rows


def _reordered(expected: Array, actual: Array) -> Truths:
    """Return in which rows some two values stand the other way round."""
    order: npt.NDArray[np.intp] = np.lexsort((actual, expected), axis=-1)
    ordered: npt.NDArray[np.floating] = np.take_along_axis(actual, order, axis=1).astype(np.float64)
    return np.asarray((ordered[:, 1:] < ordered[:, :-1]).any(axis=1), dtype=np.bool_)
