"""Arrays from Python values: nested lists of numbers, text, true/false and None."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Protocol

import numpy as np

from goldlock.tables._table import Array, ColumnType, Table
from goldlock_env.errors import CouldNotRunError

_DEEPEST = 15
_NONE = type(None)
_HINT = "write one value, or one list of equal length, for each row, all of one type"


class _Fault(Protocol):
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
    return Table(
        {name: _column(name, mapping[name], None if types is None else types[name], fault) for name in names}
    )


def check_names(found: Sequence[str], types: Mapping[str, ColumnType] | None, fault: _Fault) -> None:
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


def _column(name: str, values: object, column_type: ColumnType | None, fault: _Fault) -> Array:
    if isinstance(values, np.ndarray):
        return values
    if not isinstance(values, list | tuple):
        raise fault(f"column {name!r} is {_named(values)}, not a list with one value for each row", _HINT)
    cells, shape = _flatten(name, values, fault)
    if column_type is not None:
        found, shape = shape, (len(values), *column_type.shape)
        # Lists without a value cannot show lengths that stand behind an empty one.
        if found != shape and (cells or 0 not in shape):
            raise fault(f"column {name!r} does not hold values of shape {list(column_type.shape)!r}", _HINT)
    row = _row_of(cells, shape)
    dtype = _inferred(name, cells, row, fault) if column_type is None else column_type.dtype
    return to_array(name, cells, dtype, row, fault).reshape(shape)


class _RowOf(Protocol):
    def __call__(self, position: int) -> str: ...


def _row_of(cells: Sequence[object], shape: tuple[int, ...]) -> _RowOf:
    width = max(1, len(cells) // max(1, shape[0]))

    def row(position: int) -> str:
        return f"row {position // width}"

    return row


def _flatten(name: str, values: Sequence[object], fault: _Fault) -> tuple[list[object], tuple[int, ...]]:
    """Return the leaves in order, and the shape; level by level, so that depth costs no recursion."""
    level = list(values)
    shape = [len(level)]
    while level:
        kinds = set(map(type, level))
        if not kinds & {list, tuple}:
            break
        row = _row_of(level, (shape[0],))
        if not kinds <= {list, tuple}:
            place = next(i for i, value in enumerate(level) if not isinstance(value, list | tuple))
            raise fault(f"column {name!r} is ragged: {row(place)} mixes lists and single values", _HINT)
        lists = [value for value in level if isinstance(value, list | tuple)]
        length = len(lists[0])
        place = next((i for i, value in enumerate(lists) if len(value) != length), -1)
        if place >= 0:
            raise fault(
                f"column {name!r} is ragged: {row(place)} has {len(lists[place])} values where row 0 has {length}",
                _HINT,
            )
        shape.append(length)
        if len(shape) > _DEEPEST:
            raise fault(f"column {name!r} is nested more than {_DEEPEST} lists deep", _HINT)
        level = list(chain.from_iterable(lists))
    return level, tuple(shape)


def _inferred(name: str, cells: Sequence[object], row: _RowOf, fault: _Fault) -> str:
    kinds = set(map(type, cells))
    if kinds <= {str, _NONE}:
        return "str"
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return whole_number_type([cell for cell in cells if isinstance(cell, int)]) or "int64"
    if kinds <= {int, float, _NONE}:
        return "float64"
    first = cells[0]
    alike = {int, float, _NONE} if type(first) in {int, float} else {type(first)}
    place = next((i for i, cell in enumerate(cells) if type(cell) not in alike), 0)
    if place == 0:
        raise fault(
            f"column {name!r} holds {_named(first)} in {row(0)}",
            "pick numbers, text or true/false out of it, each in a column of its own",
        )
    raise fault(
        f"column {name!r} mixes types: {_named(first)} in row 0, {_named(cells[place])} in {row(place)}",
        _HINT,
    )


def whole_number_type(values: Sequence[int]) -> str | None:
    """Return int64, uint64 where that is too small, or None where both are."""
    low, high = min(values), max(values)
    if low >= -(1 << 63) and high < 1 << 63:
        return "int64"
    return "uint64" if low >= 0 and high < 1 << 64 else None


def to_array(name: str, cells: Sequence[object], dtype: str, row: _RowOf, fault: _Fault) -> Array:
    """Return `cells` as a flat array of `dtype`; raises for the first that is not such a value."""
    accepted: tuple[type, ...]
    if dtype == "str":
        accepted = (str, _NONE)
    elif dtype == "bool":
        accepted = (bool,)
    elif dtype.startswith("float"):
        accepted = (int, float, _NONE)
    else:
        accepted = (int,)
    if not set(map(type, cells)) <= set(accepted):
        place = next(i for i, cell in enumerate(cells) if type(cell) not in accepted)
        raise fault(f"column {name!r} is {dtype}, and {row(place)} holds {_named(cells[place])}", _HINT)
    if dtype == "str":
        text = np.empty(len(cells), dtype=object)
        text[:] = cells
        return text
    try:
        if dtype.startswith("float"):
            # Through float64, so that a number beyond float16 or float32 is infinite as it is in NumPy.
            wide = np.array([math.nan if cell is None else cell for cell in cells], dtype=np.float64)
            with np.errstate(over="ignore"):
                return wide.astype(dtype)
        if dtype != "bool" and not _fits(cells, dtype):
            raise OverflowError
        return np.array(cells, dtype=dtype)
    except OverflowError as error:
        raise fault(f"column {name!r} is {dtype} and holds a number too large for it", _HINT) from error


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
