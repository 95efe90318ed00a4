"""The table: named columns of equal length, each a NumPy array whose first axis is the row."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from goldlock_env.errors import CouldNotRunError

Array: TypeAlias = npt.NDArray[np.generic]

_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = frozenset(("bool", "str", *_WHOLE, "float16", "float32", "float64"))
"""The types a column can have. ``str`` is held as an object array of `str`, and None where a value is absent."""

_MOST_DIMENSIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """A column's type: dtype, and the shape of one row's value."""

    dtype: str
    """One of `DTYPES`."""
    shape: tuple[int, ...] = ()
    """Empty for a column with one value a row."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            message = f"{self.dtype!r} is not a type a column can have"
            raise CouldNotRunError(message, hint=f"the types are: {', '.join(sorted(DTYPES))}")
        if len(self.shape) >= _MOST_DIMENSIONS or any(length < 0 for length in self.shape):
            raise CouldNotRunError(
                f"{list(self.shape)!r} is not the shape of a value",
                hint=f"a shape has at most {_MOST_DIMENSIONS - 1} lengths, none of them negative",
            )

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]" if self.shape else self.dtype


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns by name, in their order; all with the same number of rows.

    The arrays are made contiguous, native in byte order and read-only; unicode arrays become object
    arrays of `str`. Raises CouldNotRunError for columns of unequal length, for a column without a row
    axis, for types outside `DTYPES`, and for text that is not valid Unicode (lone surrogates).
    """

    columns: Mapping[str, Array]

    def __post_init__(self) -> None:
        columns = {}
        for name, array in self.columns.items():
            check_name(name)
            columns[name] = _normal(name, array)
        lengths = {name: len(array) for name, array in columns.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
            raise CouldNotRunError(
                f"the columns differ in their number of rows: {listed}",
                hint="every column gives one value for each row of the input",
            )
        object.__setattr__(self, "columns", MappingProxyType(columns))

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

    def __eq__(self, other: object) -> bool:
        """Same names in the same order, same types, same bits; any NaN equals any NaN."""
        if not isinstance(other, Table):
            return NotImplemented
        return (
            self.types == other.types
            and self.names == other.names
            and all(bool(same_bits(array, other.columns[name]).all()) for name, array in self.columns.items())
        )

    __hash__ = None  # type: ignore[assignment]


def type_of(array: Array) -> ColumnType:
    """Return the type of a column of a `Table`."""
    return ColumnType(dtype="str" if array.dtype.kind == "O" else array.dtype.name, shape=array.shape[1:])


def same_bits(expected: Array, actual: Array) -> npt.NDArray[np.bool_]:
    """Return, value for value, whether two arrays of one dtype hold the same bits; any NaN is the same NaN."""
    if expected.dtype.kind != "f":
        return np.asarray(expected == actual, dtype=np.bool_)
    unsigned = np.dtype(f"u{expected.dtype.itemsize}")
    same: npt.NDArray[np.bool_] = expected.view(unsigned) == actual.view(unsigned)
    if not same.all():
        same |= (expected != expected) & (actual != actual)  # noqa: PLR0124 - NaN is what is not itself
    return same


def check_name(name: str) -> None:
    """Raise CouldNotRunError for a column name that could not be written down again."""
    if "\0" in name or not _encodable(name):
        raise CouldNotRunError(
            f"{name!r} cannot be a column's name",
            hint="use valid Unicode without NUL characters",
        )


def _normal(name: str, array: Array) -> Array:
    if array.ndim == 0:
        raise CouldNotRunError(
            f"column {name!r} is a single value, without rows",
            hint="give one value for each row, also when there is one row only",
        )
    if array.ndim > _MOST_DIMENSIONS:
        raise CouldNotRunError(
            f"column {name!r} has {array.ndim} dimensions", hint=f"at most {_MOST_DIMENSIONS} are supported"
        )
    if array.dtype.kind == "U":
        array = _text(name, array)
    elif array.dtype.kind == "O":
        _check_text(name, array)
    elif array.dtype.name not in DTYPES:
        raise CouldNotRunError(
            f"column {name!r} is of type {array.dtype}, which goldlock does not compare",
            hint=f"convert it to one of: {', '.join(sorted(DTYPES))}",
        )
    native = array.dtype.newbyteorder("=")
    normal = np.ascontiguousarray(array, dtype=native)
    if normal is array and array.flags.writeable:
        normal = array.view()
    normal.flags.writeable = False
    return normal


def _text(name: str, array: Array) -> Array:
    native = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    points = (
        np.frombuffer(native.tobytes(), dtype=np.uint32) if native.nbytes else np.zeros(1, dtype=np.uint32)
    )
    # Python's own error for these is a SystemError.
    if points.max() > sys.maxunicode:
        raise CouldNotRunError(f"column {name!r} holds text that is not Unicode", hint="write valid Unicode")
    text: Array = native.astype(object)
    _check_text(name, text)
    return text


def _check_text(name: str, array: Array) -> None:
    for place, value in enumerate(array.flat):
        if value is not None and not isinstance(value, str):
            raise CouldNotRunError(
                f"column {name!r} holds a {type(value).__name__} at value {place}, among text",
                hint="an object column holds text, or None where there is none",
            )
        if value is not None and not _encodable(value):
            raise CouldNotRunError(
                f"column {name!r} holds text that is not valid Unicode at value {place}: {value!r}",
                hint="write valid Unicode, without lone surrogates",
            )


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
