"""Arrays from Python values: nested lists of numbers, text, true/false and None."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Literal, NoReturn, Protocol

import numpy as np

from goldlock.tables._table import Table
from goldlock.tables._types import Array, ColumnType, Mask, dtype_of
from goldlock_env.errors import CouldNotRunError

_DEEPEST = 15
_EXACT = 1 << 53
"""Up to here float64 holds every whole number."""
_NONE = type(None)
_ALIKE: tuple[set[type], ...] = ({str, _NONE}, {bool}, {int, float, _NONE})
_DAY_0 = "1970-01-01"
_ISO_HINT = "write dates as ISO 8601 says, without a time zone: 2024-02-29, 2024-02-29T12:30:00.5"
# NumPy writes the years before the first one with three digits.
_ISO = {
    "date": re.compile(r"(?:-[0-9]{3}|[+-]?[0-9]{4,17})-[0-9]{2}-[0-9]{2}"),
    "datetime": re.compile(
        r"(?:-[0-9]{3}|[+-]?[0-9]{4,6})-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?"
    ),
}
_HINT = "write one value, or one list of equal length, for each row, all of one type"


class Fault(Protocol):
    """Return the error that says what is wrong, and where."""

    def __call__(self, what: str, hint: str) -> CouldNotRunError: ...


def from_columns(
    mapping: Mapping[str, object], *, where: str = "the answer", types: Mapping[str, ColumnType] | None = None
) -> Table:
    """Return the table of columns given as nested Python lists (HTTP answers) or as NumPy arrays.

    Types are inferred as `goldlock.tables` says for JSON, or are those of `types`. Raises CouldNotRunError
    for lists of unequal length ("ragged"), mixed types and columns that are no lists, naming column and row.
    """

    def fault(what: str, hint: str) -> CouldNotRunError:
        return CouldNotRunError(f"{where}: {what}", hint=hint)

    check_names(tuple(mapping), types, fault)
    names = tuple(mapping) if types is None else tuple(types)
    made = {
        name: _column(name, mapping[name], None if types is None else types[name], fault) for name in names
    }
    return Table(
        {name: array for name, (array, _) in made.items()},
        {name: mask for name, (_, mask) in made.items() if mask is not None},
    )


def check_names(found: Sequence[str], types: Mapping[str, ColumnType] | None, fault: Fault) -> None:
    """Raise where the columns found are not those of `types`, or one name stands twice."""
    if len(set(found)) != len(found):
        twice = next(name for name in found if found.count(name) > 1)
        raise fault(f"column {twice!r} stands there twice", "give every column a name of its own")
    if types is not None and set(types) != set(found):
        missing = sorted(set(types) - set(found))
        extra = sorted(set(found) - set(types))
        raise fault(
            f"the columns are not the recorded ones: missing {missing!r}, extra {extra!r}",
            "restore the file from version control, or record it again",
        )


def check_found(
    found: Mapping[str, ColumnType], types: Mapping[str, ColumnType] | None, fault: Fault, hint: str
) -> Mapping[str, ColumnType]:
    """Return the types found, in the order of `types` where those are given; raise where they are others."""
    check_names(tuple(found), types, fault)
    if types is None:
        return found
    for name, column_type in types.items():
        if found[name] != column_type:
            raise fault(f"column {name!r} is {found[name]}, not the recorded {column_type}", hint)
    return types


def _column(
    name: str, values: object, column_type: ColumnType | None, fault: Fault
) -> tuple[Array, Mask | None]:
    if isinstance(values, np.ndarray):
        return values, None
    if not isinstance(values, list | tuple):
        raise fault(f"column {name!r} is {_named(values)}, not a list with one value for each row", _HINT)
    if column_type is None:
        guess = Guess(name, fault)
        guess.add(values, 0)
        column_type = guess.column_type
        return as_column(name, values, column_type, fault)[0], None
    return as_recorded(name, values, column_type, fault)


def as_column(
    name: str, values: Sequence[object], column_type: ColumnType, fault: Fault, first: int = 0
) -> tuple[Array, list[object]]:
    """Return nested lists, from row `first` on, as the array of a type, and its leaves as they were.

    Raises what `fault` returns for lists of another shape, and for values that are not of the type. None among
    floats is NaN.
    """
    cells, found = flatten(name, values, fault, first)
    shape = (len(values), *column_type.shape)
    # Lists without a value cannot show lengths that stand behind an empty one.
    if found != shape and (cells or 0 not in shape):
        raise fault(f"column {name!r} does not hold values of shape {list(column_type.shape)!r}", _HINT)
    row = row_of(cells, len(values), first)
    return to_array(name, cells, column_type.dtype, row, fault).reshape(shape), cells


def as_recorded(
    name: str, values: Sequence[object], column_type: ColumnType, fault: Fault, first: int = 0
) -> tuple[Array, Mask | None]:
    """Return nested lists as a column of a recorded type, in which None is an absent value, and where those are."""
    cells, _ = flatten(name, values, fault, first)
    if column_type.dtype == "str" or None not in cells:
        return as_column(name, values, column_type, fault, first)[0], None
    mask = np.array([cell is None for cell in cells], dtype=np.bool_)
    filler: object = {"bool": False, "date": _DAY_0, "datetime": _DAY_0}.get(column_type.dtype, 0)
    full = [filler if cell is None else cell for cell in cells]
    row = row_of(cells, len(values), first)
    array = to_array(name, full, column_type.dtype, row, fault)
    shape = (len(values), *column_type.shape)
    if array.size != math.prod(shape):
        raise fault(f"column {name!r} does not hold values of shape {list(column_type.shape)!r}", _HINT)
    return array.reshape(shape), mask.reshape(shape)


class RowOf(Protocol):
    """Say in which row, or line, the value at a position stands."""

    def __call__(self, position: int) -> str: ...


def row_of(cells: Sequence[object], rows: int, first: int) -> RowOf:
    """Return what names the row of one of the cells that `rows` rows have from row `first` on."""
    width = max(1, len(cells) // max(1, rows))

    def row(position: int) -> str:
        return f"row {first + position // width}"

    return row


def flatten(
    name: str, values: Sequence[object], fault: Fault, first: int = 0
) -> tuple[list[object], tuple[int, ...]]:
    """Return the leaves in order, and the shape; level by level, so that depth costs no recursion."""
    level = list(values)
    shape = [len(level)]
    while level:
        kinds = set(map(type, level))
        if not kinds & {list, tuple}:
            break
        row = row_of(level, shape[0], first)
        if not kinds <= {list, tuple}:
            place = next(i for i, value in enumerate(level) if not isinstance(value, list | tuple))
            raise fault(f"column {name!r} is ragged: {row(place)} mixes lists and single values", _HINT)
        lists = [value for value in level if isinstance(value, list | tuple)]
        length = len(lists[0])
        place = next((i for i, value in enumerate(lists) if len(value) != length), -1)
        if place >= 0:
            raise fault(
                f"column {name!r} is ragged: {row(place)} has {len(lists[place])} values where row {first} has {length}",
                _HINT,
            )
        shape.append(length)
        if len(shape) > _DEEPEST:
            raise fault(f"column {name!r} is nested more than {_DEEPEST} lists deep", _HINT)
        level = list(chain.from_iterable(lists))
    return level, tuple(shape)


class Guess:
    """The type of a column of Python values, from one block of rows after another."""

    def __init__(self, name: str, fault: Fault) -> None:
        self._name = name
        self._fault = fault
        self._shape: tuple[int, ...] | None = None
        self._kinds: set[type] = set()
        self._first: object = None
        self._low = self._high = 0

    def add(self, values: Sequence[object], first: int) -> None:
        """Take in the values of the rows from row `first` on. Raises for mixed types and for ragged lists."""
        if not values:
            return
        cells, (_, *lengths) = flatten(self._name, values, self._fault, first)
        row = row_of(cells, len(values), first)
        if self._shape is None:
            self._shape = tuple(lengths)
            self._first = cells[0] if cells else None
        elif self._shape != tuple(lengths):
            raise self._fault(
                f"column {self._name!r} is ragged: row {first} has the shape {lengths!r} where row 0 has "
                f"{list(self._shape)!r}",
                _HINT,
            )
        self._kinds |= set(map(type, cells))
        if not any(self._kinds <= alike for alike in _ALIKE):
            self._mixed(cells, row)
        if int in self._kinds:
            whole = [cell for cell in cells if type(cell) is int]
            self._low, self._high = min(self._low, *whole, 0), max(self._high, *whole, 0)

    def _mixed(self, cells: Sequence[object], row: RowOf) -> NoReturn:
        kind = type(self._first)
        alike = {int, float, _NONE} if kind in {int, float} else {kind}
        place = next((i for i, cell in enumerate(cells) if type(cell) not in alike), 0)
        if kind not in set().union(*_ALIKE):
            raise self._fault(
                f"column {self._name!r} holds {_named(self._first)} in {row(0)}",
                "pick numbers, text or true/false out of it, each in a column of its own",
            )
        raise self._fault(
            f"column {self._name!r} mixes types: {_named(self._first)} in row 0, {_named(cells[place])} in {row(place)}",
            _HINT,
        )

    @property
    def column_type(self) -> ColumnType:
        """What all values so far are."""
        if self._kinds <= {str, _NONE}:
            dtype = "str"
        elif self._kinds == {bool}:
            dtype = "bool"
        elif self._kinds == {int}:
            dtype = whole_number_type((self._low, self._high)) or "int64"
        else:
            dtype = "float64"
        return ColumnType(dtype=dtype, shape=self._shape or ())


def whole_number_type(values: Sequence[int]) -> str | None:
    """Return int64, uint64 where that is too small, or None where both are."""
    low, high = min(values), max(values)
    if low >= -(1 << 63) and high < 1 << 63:
        return "int64"
    return "uint64" if low >= 0 and high < 1 << 64 else None


def to_array(name: str, cells: Sequence[object], dtype: str, row: RowOf, fault: Fault) -> Array:
    """Return `cells` as a flat array of `dtype`; raises for the first that is not such a value."""
    accepted: tuple[type, ...]
    is_real = dtype.startswith(("float", "bfloat"))
    if dtype == "str":
        accepted = (str, _NONE)
    elif dtype == "bool":
        accepted = (bool,)
    elif dtype in _ISO:
        return _dates(name, cells, dtype, row, fault)
    elif is_real:
        accepted = (int, float, _NONE)
    else:
        accepted = (int,)
    kinds = set(map(type, cells))
    if not kinds <= set(accepted):
        place = next(i for i, cell in enumerate(cells) if type(cell) not in accepted)
        raise fault(f"column {name!r} is {dtype}, and {row(place)} holds {_named(cells[place])}", _HINT)
    if dtype == "str":
        text = np.empty(len(cells), dtype=object)
        text[:] = cells
        return text
    try:
        if is_real:
            if int in kinds:
                _check_digits(name, cells, row, fault)
            # Through float64, so that a number beyond float16 or float32 is infinite as it is in NumPy.
            wide = np.array([math.nan if cell is None else cell for cell in cells], dtype=np.float64)
            with np.errstate(over="ignore"):
                return wide.astype(dtype_of(dtype))
        if dtype != "bool" and not _fits(cells, dtype):
            raise OverflowError
        return np.array(cells, dtype=dtype)
    except OverflowError as error:
        raise fault(f"column {name!r} is {dtype} and holds a number too large for it", _HINT) from error


def _check_digits(name: str, cells: Sequence[object], row: RowOf, fault: Fault) -> None:
    """Raise for a whole number of which a float would lose digits: it is an identifier, or a value to be kept."""
    for place, cell in enumerate(cells):
        if type(cell) is int and abs(cell) > _EXACT:
            nearest = float(cell)
            # Some programs write a large float as its shortest digits and zeros.
            if cell not in {int(nearest), int(Decimal(repr(nearest)))}:
                raise fault(
                    f"column {name!r} mixes fractions or null with {_named(cell)} in {row(place)}, which a"
                    " float cannot hold",
                    "write such numbers as text, or all of the column as whole numbers",
                )


def _dates(name: str, cells: Sequence[object], dtype: str, row: RowOf, fault: Fault) -> Array:
    """Return ISO 8601 texts, without a time zone, as dates."""
    made = np.empty(len(cells), dtype=dtype_of(dtype))
    unit: Literal["D", "us"] = "D" if dtype == "date" else "us"
    for place, cell in enumerate(cells):
        try:
            if not isinstance(cell, str) or not _ISO[dtype].fullmatch(cell):
                raise ValueError
            made[place] = np.datetime64(cell, unit)
        except (ValueError, OverflowError):
            raise fault(
                f"column {name!r} is {dtype}, and {row(place)} holds {_named(cell)}", _ISO_HINT
            ) from None
    return made


def _fits(cells: Sequence[object], dtype: str) -> bool:
    """Whether every whole number is in the range of `dtype`; NumPy 1 would wrap it round."""
    numbers = [cell for cell in cells if isinstance(cell, int)]
    limits = np.iinfo(dtype)
    return not numbers or (int(limits.min) <= min(numbers) and max(numbers) <= int(limits.max))


def _named(value: object) -> str:
    """Say what `value` is, in a few words."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str | bool | int | float):
        shown = repr(value) if not isinstance(value, int) or value.bit_length() < 256 else "a huge number"
        return f"{type(value).__name__} {shown if len(shown) <= 60 else shown[:57] + '...'}"
    return f"a {type(value).__name__}"
