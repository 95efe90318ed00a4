"""What a comparison found: rungs, one result a column, one for the table. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

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
        return self in {Rung.IDENTICAL, Rung.ULP, Rung.TOLERANCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extreme:
    """The largest of one distance, and where it is."""

    value: float | int
    """A whole number for integer columns and for ULP; otherwise the distance in float64."""
    index: tuple[int, ...]
    """Zero-based: the row, then the place inside it for a column with a shape."""
    expected: Value
    actual: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstRow:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """How often one value became another."""

    expected: Value
    actual: Value
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnResult:
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
    """At most ten: those outside tolerance first, then by distance; flips by margin, the clearest first."""
    flips: tuple[Flip, ...] = ()
    """At most ten kinds of flip, the most frequent first."""
    would_pass: str = ""
    """The tolerance at which the column would pass; empty when it passes or no tolerance can help."""
    ignored: bool = False
    note: str = ""

    @property
    def share(self) -> float:
        """Values outside their tolerance, of all compared: 0 to 1."""
        return self.count / self.size if self.size else 0.0

    @property
    def passes(self) -> bool:
        """Whether this column lets the case match."""
        return self.rung.passes or (self.ignored and self.rung is not Rung.SCHEMA)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableResult:
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
