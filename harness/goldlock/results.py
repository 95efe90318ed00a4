"""What a comparison found: rungs, one result a column, one for the table. Values only."""

from __future__ import annotations

from enum import Enum

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A value of a report: written as JSON under kebab-case keys, and read back."""


Value = bool | int | float | str | None
"""One cell, as a plain Python value."""


class Rung(str, Enum):
    """How far an output is from its golden, from good to bad."""

    IDENTICAL = "identical"
    """The same dtype, shape and bits (NaN is NaN, whatever its payload)."""
    ULP = "ulp"
    """Every difference is within the stated number of ULP; -0.0 for 0.0 is distance 0 and stands here."""
    TOLERANCE = "tolerance"
    """Every difference is within rtol and atol."""
    EQUIVALENT = "equivalent"
    """Another answer that this case was told to take for the same one: signs, names of clusters, order of rows."""
    DRIFTED = "drifted"
    """A number is outside its tolerance."""
    FLIPPED = "flipped"
    """A label or an exact value is another one."""
    SCHEMA = "schema"
    """A column is missing, extra, moved, or of another dtype or shape; or the number of rows differs."""

    @property
    def rank(self) -> int:
        """Position on the ladder: 0 is identical."""
        return list(Rung).index(self)

    @property
    def passes(self) -> bool:
        """Whether this rung is a match."""
        return self in {Rung.IDENTICAL, Rung.ULP, Rung.TOLERANCE, Rung.EQUIVALENT}


class Extreme(Record, frozen=True, kw_only=True):
    """The largest of one distance, and where it is."""

    value: float | int
    """A whole number for integer columns and for ULP; otherwise the distance in float64."""
    index: tuple[int, ...]
    """Zero-based: the row, then the place inside it for a column with a shape."""
    expected: Value
    actual: Value


class WorstRow(Record, frozen=True, kw_only=True):
    """One row that differs, at its worst value."""

    row: int
    """Zero-based."""
    index: tuple[int, ...]
    """`row`, then the place inside it for a column with a shape."""
    expected: Value
    actual: Value
    absolute: float | int | None
    """None for text and true/false; infinite where NaN or an infinity stands on one side only."""
    ulp: int | None
    """None where a distance in ULP has no meaning: not floats, or not both finite."""
    margin: float | None
    """For a flip with known scores: the largest minus the second largest of the expected scores."""


class Flip(Record, frozen=True, kw_only=True):
    """How often one value became another."""

    expected: Value
    actual: Value
    count: int


class Bucket(Record, frozen=True, kw_only=True):
    """How many pairs of values lie at one distance from each other."""

    low: int
    """Smallest distance that is counted here; 0 counts identical pairs, and zeros of another sign."""
    high: int | None
    """Largest distance that is counted here; None: pairs without one, NaN or an infinity on one side only."""
    count: int


class Histogram(Record, frozen=True, kw_only=True):
    """Distances of all pairs of a column of numbers, in buckets that double: 0, 1, 2, 3 to 4, 5 to 8, ..."""

    unit: str
    """`ulp` for floats of one dtype, else `absolute`: whole numbers as they are, others rounded up."""
    buckets: tuple[Bucket, ...]
    """Rising, without empty ones; together they count every pair."""


class Point(Record, frozen=True, kw_only=True):
    """One pair of a column of numbers, for a plot."""

    row: int
    expected: float
    actual: float


class ColumnResult(Record, frozen=True, kw_only=True):
    """One column's comparison."""

    name: str
    rung: Rung
    """For an ignored column: what the default tolerance would have said (or schema)."""
    expected_type: str | None
    """Such as ``float32[3]``; None for a column that is not in the golden."""
    actual_type: str | None
    """None for a column that is missing from the output."""
    size: int = 0
    """Values compared: rows times the values of a row."""
    count: int = 0
    """Values outside their tolerance."""
    differing: int = 0
    """Values that are not identical, whether within tolerance or not."""
    largest_absolute: Extreme | None = None
    """Over pairs of finite numbers that differ; None where there are none."""
    largest_relative: Extreme | None = None
    """To the expected value; pairs whose expected value is zero have none."""
    largest_ulp: Extreme | None = None
    worst: tuple[WorstRow, ...] = ()
    """The worst first, at most as many as were asked for: those outside tolerance, then by distance; flips by margin."""
    flips: tuple[Flip, ...] = ()
    """At most ten kinds of flip, the most frequent first."""
    would_pass: str = ""
    """The tolerance at which the column would pass; empty when it passes or no tolerance can help."""
    ignored: bool = False
    note: str = ""
    tolerance: str = ""
    """What the column was judged by, in a few words: "probability, rtol 0.0001, atol 1e-06, ulp 4"."""
    tops_moved: int = 0
    """Rows of a probability column whose largest value is at another place: their label flips."""
    ranks_moved: int = 0
    """Rows of a probability column whose largest value stays and whose others are in another order."""
    distances: Histogram | None = None
    """None for text, true/false and dates."""
    points: tuple[Point, ...] = ()
    """Some hundred pairs of numbers, spread evenly over the rows, and the worst ones; in the order of rows."""

    @property
    def share(self) -> float:
        """Values outside their tolerance, of all compared: 0 to 1."""
        return self.count / self.size if self.size else 0.0

    @property
    def passes(self) -> bool:
        """Whether this column lets the case match."""
        return self.rung.passes or (self.ignored and self.rung is not Rung.SCHEMA)


class InputRows(Record, frozen=True, kw_only=True):
    """The inputs of the rows that a report shows."""

    names: tuple[str, ...]
    rows: dict[int, tuple[Value, ...]]
    """By zero-based row; a value with a shape is written as text."""


class TableResult(Record, frozen=True, kw_only=True):
    """All columns of the golden, in its order, then those it does not have."""

    rung: Rung
    """The worst of the columns that are not ignored, and of the table's own shape."""
    columns: tuple[ColumnResult, ...]
    notes: tuple[str, ...]
    """About the table: its rows, the order of its columns."""
    expected_rows: int
    actual_rows: int

    @property
    def passes(self) -> bool:
        """Whether the output matches its golden."""
        return self.rung.passes
