"""What to compare: one column of the golden with one of the output, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from goldlock.results import Value
from goldlock.tables import ColumnType
from goldlock.tolerance import Kind, Tolerance

SAMPLES = 300
"""Pairs of a column that are kept for a plot, beside the worst ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One column to compare."""

    name: str
    """In the golden."""
    output: str
    """Its name in the output."""
    expected: ColumnType
    actual: ColumnType
    rows: int
    """Rows that both sides have."""
    tolerance: Tolerance
    """What it is judged by: never to be ignored."""
    scores: tuple[str, ...] = ()
    """The golden's columns from which a label's margins are taken."""
    signs: npt.NDArray[np.int8] | None = None
    """+1 or -1 for each value of a row, by which the output is multiplied."""
    names: Mapping[Value, Value] | None = None
    """The output's label for each of the golden's."""

    @property
    def width(self) -> int:
        """Values of a row; 1 for rows without any."""
        return max(1, prod(self.expected.shape))

    @property
    def size(self) -> int:
        return self.rows * prod(self.expected.shape)

    @property
    def numbers(self) -> bool:
        """Whether both sides are numbers, which have distances."""
        return _number(self.expected.dtype) and _number(self.actual.dtype)

    @property
    def one_float(self) -> bool:
        """Whether both sides are floats of one dtype, whose distances are in ULP."""
        return self.expected.dtype == self.actual.dtype and "float" in self.expected.dtype

    @property
    def classes(self) -> int:
        """Values of which a row of probabilities has one largest; 0 where there is nothing to rank."""
        if self.tolerance.kind is not Kind.PROBABILITY:
            return 0
        return next((length for length in reversed(self.expected.shape) if length != 1), 0)

    def samples(self) -> npt.NDArray[np.intp]:
        """Return the flat places of the pairs to keep: evenly spread, the first and the last among them."""
        if not self.numbers:
            return np.zeros(0, dtype=np.intp)
        if self.size <= SAMPLES:
            return np.arange(self.size)
        return np.arange(SAMPLES) * (self.size - 1) // (SAMPLES - 1)


def _number(dtype: str) -> bool:
    return "int" in dtype or "float" in dtype
