"""The table: named columns of equal length, each a NumPy array whose first axis is the row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from goldlock.tables._digits import plain_floats
from goldlock.tables._normal import check_name, normal
from goldlock.tables._types import Array, ColumnType, Mask, dtype_of, is_float, type_of
from goldlock_env.errors import CouldNotRunError


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns by name, in their order; all with the same number of rows.

    The arrays are made contiguous, native in byte order and read-only; unicode arrays become object arrays of `str`,
    coarser dates than a microsecond ``date`` or ``datetime``. Raises CouldNotRunError for columns of unequal length,
    for a column without a row axis, for types outside `DTYPES`, for dates that do not fit microseconds exactly, and
    for text that is not valid Unicode (lone surrogates).
    """

    columns: Mapping[str, Array]
    absent: Mapping[str, Mask] = field(default_factory=dict)
    """Where a value is absent (a null of Parquet or Arrow), for columns of numbers, true/false and dates that
    have any: True there, shape as the column's. The column's own value at that place means nothing and is made 0
    (a date's: NaT; and a NaT is always absent). Text holds None."""

    def __post_init__(self) -> None:
        columns: dict[str, Array] = {}
        absent: dict[str, Mask] = {}
        for name, array in self.columns.items():
            check_name(name)
            columns[name], mask = normal(name, array, self.absent.get(name))
            if mask is not None:
                absent[name] = mask
        lengths = {name: len(array) for name, array in columns.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
            raise CouldNotRunError(
                f"the columns differ in their number of rows: {listed}",
                hint="every column gives one value for each row of the input",
            )
        if unknown := sorted(self.absent.keys() - columns.keys()):
            raise CouldNotRunError(
                f"there are absent values for {unknown!r}, and no such column",
                hint="name columns of the table",
            )
        object.__setattr__(self, "columns", MappingProxyType(columns))
        object.__setattr__(self, "absent", MappingProxyType(absent))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    @property
    def rows(self) -> int:
        """The number of rows; 0 for a table without columns."""
        return next((len(array) for array in self.columns.values()), 0)

    @property
    def types(self) -> dict[str, ColumnType]:
        return {name: type_of(array) for name, array in self.columns.items()}

    def batches(self, names: Sequence[str] | None = None, *, rows: int = 1 << 16) -> Iterator[Table]:
        """See `goldlock.tables.Batches`; the batches are views."""
        chosen = self.names if names is None else names
        for start in range(0, self.rows, rows):
            yield self.part(start, start + rows, chosen)

    def part(self, start: int, stop: int, names: Sequence[str] | None = None) -> Table:
        """Return the rows from `start` to before `stop`, as views; with `names` only those columns, in that order."""
        chosen = self.names if names is None else names
        return assembled(
            {name: self.columns[name][start:stop] for name in chosen},
            {name: self.absent[name][start:stop] for name in chosen if name in self.absent},
        )

    @classmethod
    def joined(cls, names: Sequence[str], types: Mapping[str, ColumnType], batches: Sequence[Table]) -> Table:
        """Return one table of batches that hold columns `names` of `types`, in their order."""
        if len(batches) == 1 and batches[0].names == tuple(names):
            return batches[0]
        columns: dict[str, Array] = {}
        absent: dict[str, Mask] = {}
        for name in names:
            empty = np.zeros((0, *types[name].shape), dtype=dtype_of(types[name].dtype))
            columns[name] = np.concatenate([empty, *(batch.columns[name] for batch in batches)])
            if any(name in batch.absent for batch in batches):
                absent[name] = np.concatenate([batch.mask(name) for batch in batches])
        return assembled(columns, absent)

    def mask(self, name: str) -> Mask:
        """Return where a column's values are absent; all False where none is. For text too, which holds None."""
        column = self.columns[name]
        if column.dtype.kind == "O":
            return np.asarray(column == None, dtype=np.bool_)  # noqa: E711 - value for value
        found = self.absent.get(name)
        return np.zeros(column.shape, dtype=np.bool_) if found is None else found

    def plain(self, name: str) -> list[bool | int | float | str | None]:
        """Return a column as plain Python values, one for each row.

        Absent is None, dates are ISO 8601 text, and a row's value with a shape is text such as ``[1.0, 2.0]``.
        """
        values = nested(self.columns[name], self.absent.get(name))
        return [
            str(value) if isinstance(value, list) else value  # type: ignore[misc] # no other objects in a column
            for value in values
        ]

    def __eq__(self, other: object) -> bool:
        """Same names in the same order, same types, same bits, absent in the same places; any NaN equals any NaN."""
        if not isinstance(other, Table):
            return NotImplemented
        return (
            self.types == other.types
            and self.names == other.names
            and all(bool(same_bits(array, other.columns[name]).all()) for name, array in self.columns.items())
            and self.absent.keys() == other.absent.keys()
            and all(np.array_equal(mask, other.absent[name]) for name, mask in self.absent.items())
        )

    __hash__ = None  # type: ignore[assignment]


def assembled(columns: Mapping[str, Array], absent: Mapping[str, Mask]) -> Table:
    """Return the table of arrays that are as `Table` makes them already: nothing is checked, nothing is copied."""
    table = object.__new__(Table)
    for array in columns.values():
        array.flags.writeable = False
    object.__setattr__(table, "columns", MappingProxyType(dict(columns)))
    object.__setattr__(
        table, "absent", MappingProxyType({name: mask for name, mask in absent.items() if mask.any()})
    )
    return table


def same_bits(expected: Array, actual: Array) -> Mask:
    """Return, value for value, whether two arrays of one dtype hold the same bits; any NaN is the same NaN, any NaT too."""
    if expected.dtype.kind == "M":
        return np.asarray(expected.view(np.int64) == actual.view(np.int64), dtype=np.bool_)
    if not is_float(expected.dtype):
        return np.asarray(expected == actual, dtype=np.bool_)
    unsigned = np.dtype(f"u{expected.dtype.itemsize}")
    same: Mask = expected.view(unsigned) == actual.view(unsigned)
    if not same.all():
        same |= (expected != expected) & (actual != actual)  # noqa: PLR0124 - NaN is what is not itself
    return same


def nested(array: Array, absent: Mask | None) -> list[object]:
    """Return one plain value, or nested lists, for each row: floats of the fewest digits, ISO dates, None where absent."""
    flat: list[object]
    if is_float(array.dtype):
        flat = [*plain_floats(array)]
    elif array.dtype.kind == "M":
        flat = [*array.reshape(-1).astype(str).tolist()]
    else:
        flat = [*array.reshape(-1).tolist()]
    if absent is not None:
        for place in np.flatnonzero(absent):
            flat[place] = None
    if not array.size:
        return [*np.zeros(array.shape, dtype=np.bool_).tolist()]
    for length in reversed(array.shape[1:]):
        flat = [flat[start : start + length] for start in range(0, len(flat), length)]
    return flat
