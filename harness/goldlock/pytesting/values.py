"""Values of tests as tables: what `golden.check` stores and compares.

==========================  ==========================================================================
array of one or more axes   one column, ``value``; its first axis is the row
number, text-free scalar    one column, ``value``, with one row
text                        one column, ``line``; a row for each line
table, dict of arrays       its columns; an index that is not 0, 1, 2, ... comes first
nested dicts and lists      one row; a column for each leaf, named by its path: ``metrics.f1``, ``runs[0].seed``;
                            a list of numbers, of true/false or of text is one leaf with a shape;
                            the order of a dict's keys makes no difference
==========================  ==========================================================================

A complex column becomes two, ``NAME.real`` and ``NAME.imag``; a structured one becomes one for each field.
Which library holds a table or an array makes no difference; dtype, shape and content do.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeGuard

import numpy as np

from goldlock.errors import ConfigurationError
from goldlock.pytesting import frames
from goldlock.tables import Array, Mask, Table

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_EXACT = 1 << 53
"""Whole numbers up to here are exact in float64."""

About: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A value as a table, and what the table does not say of it."""

    table: Table
    about: About
    """`kind`, and of nested values where empty lists and dicts stand; what two values must have in common."""
    text: str | None = None
    """The value itself where it is text."""


@dataclass(slots=True)
class _Columns:
    """Columns on their way into a table."""

    arrays: dict[str, Array] = field(default_factory=dict)
    absent: dict[str, Mask] = field(default_factory=dict)

    def add(self, name: str, array: Array, absent: Mask | None = None) -> None:
        if name in self.arrays:
            raise ConfigurationError(f"the value has two columns named {name!r}", hint="rename one of them")
        if array.dtype.names is not None:
            for part in array.dtype.names:
                self.add(f"{name}.{part}", np.asarray(array[part]), absent)  # type: ignore[call-overload]
        elif array.dtype.kind == "c":
            self.add(f"{name}.real", array.real, absent)
            self.add(f"{name}.imag", array.imag, absent)
        else:
            self.arrays[name] = array
            if absent is not None and absent.any() and array.dtype.kind != "O":
                self.absent[name] = absent

    def table(self) -> Table:
        return Table(self.arrays, self.absent)


def taken(value: object) -> Taken:
    """Return a value as a table.

    Raises ConfigurationError for what is no array, table or plain value; CouldNotRunError for a dtype that no
    column can have.
    """
    columns = _Columns()
    if isinstance(value, str):
        columns.add("line", _objects(value.split("\n")))
        return Taken(table=columns.table(), about={"kind": "text"}, text=value)
    if (frame := frames.columns_of(value)) is not None:
        for name, array, absent in frame:
            columns.add(name, array, absent)
        return Taken(table=columns.table(), about={"kind": "table"})
    if _is_columns(value):
        for key, each in value.items():
            columns.add(str(key), *_parts(each))
        return Taken(table=columns.table(), about={"kind": "table"})
    if isinstance(value, Mapping | list | tuple):
        return _nested(value, columns)
    array, absent = _parts(_leaf(value, "the value"))
    if array.ndim:
        columns.add("value", array, absent)
        return Taken(table=columns.table(), about={"kind": "array"})
    columns.add("value", array[np.newaxis], None if absent is None else absent[np.newaxis])
    return Taken(table=columns.table(), about={"kind": "scalar"})


def _parts(array: Array) -> tuple[Array, Mask | None]:
    """An array's values, and where a masked one has none."""
    if isinstance(array, np.ma.MaskedArray):
        return np.asarray(array.data), np.ma.getmaskarray(array)
    return array, None


def _is_columns(value: object) -> TypeGuard[Mapping[object, Array]]:
    """Whether it is a dict of arrays of one length."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(each, np.ndarray) and each.ndim for each in value.values())
        and len({len(each) for each in value.values()}) == 1
    )


def _leaf(value: object, where: str) -> Array:
    """A value that is no list and no dict, as an array; of no dimension where it is a single one."""
    if value is None or isinstance(value, str):
        return _objects(value)
    if isinstance(value, bool | np.generic | np.ndarray):
        return value if isinstance(value, np.ndarray) else np.asarray(value)
    if isinstance(value, int):
        return _whole_numbers(value, where)
    if isinstance(value, float | complex):
        return np.asarray(value)
    if isinstance(value, bytes | bytearray):
        return np.frombuffer(bytes(value), dtype=np.uint8)
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            raise ConfigurationError(
                f"{where} is a time with a time zone", hint="give it in UTC, without tzinfo"
            )
        return np.asarray(np.datetime64(value, "us"))
    if isinstance(value, dt.date):
        return np.asarray(np.datetime64(value, "D"))
    if (array := frames.array_of(value)) is not None:
        return array
    raise ConfigurationError(
        f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which goldlock does not compare",
        hint="give an array, a table, text, a number, or dicts and lists of these",
    )


def _whole_numbers(value: object, where: str) -> Array:
    array = np.asarray(value)
    if array.dtype == object or array.dtype.kind not in "iu":
        raise ConfigurationError(
            f"{where} holds a whole number of more than 64 bits", hint="give it as text or as a float"
        )
    return array.astype(np.int64) if array.dtype.kind == "i" else array


def _objects(value: object) -> Array:
    """Text, None, or a list of them as an object array."""
    if not isinstance(value, list):
        array: Array = np.empty((), dtype=object)
        array[()] = value  # type: ignore[assignment]
        return array
    array = np.empty(len(value), dtype=object)
    array[:] = value
    return array


# -- nested values ----------------------------------------------------------------------------------


def _nested(value: object, columns: _Columns) -> Taken:
    empty: dict[str, str] = {}
    for path, leaf in _leaves(value, "", frozenset()):
        if isinstance(leaf, Mapping | list | tuple):
            empty[path or "value"] = "object" if isinstance(leaf, Mapping) else "list"
        elif (frame := frames.columns_of(leaf)) is not None:
            for name, array, absent in frame:
                columns.add(
                    f"{path}.{name}", array[np.newaxis], None if absent is None else absent[np.newaxis]
                )
        else:
            array, absent = _parts(_leaf(leaf, path or "the value"))
            columns.add(path or "value", array[np.newaxis], None if absent is None else absent[np.newaxis])
    about: About = {"kind": "nested"}
    if empty:
        about["empty"] = dict(sorted(empty.items()))
        if not columns.arrays:
            # A golden has a column: an empty value is told by what it is.
            columns.add("value", _objects(["empty"]))
    return Taken(table=columns.table(), about=about)


def _leaves(value: object, path: str, above: frozenset[int]) -> Iterator[tuple[str, object]]:
    """Every leaf with its path; empty dicts and lists are leaves as they are."""
    if not isinstance(value, Mapping | list | tuple) or not value:
        yield path, value
        return
    if id(value) in above:
        raise ConfigurationError(f"{path} holds what holds it", hint="give a value without cycles")
    within = above | {id(value)}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ConfigurationError(
                    f"{path or 'the value'} has the key {key!r}, a {type(key).__name__}", hint="make it text"
                )
        # Their order says nothing: two dicts are the same in any.
        for key, each in sorted(value.items()):
            step = key if _PLAIN_KEY.fullmatch(key) else f"[{json.dumps(key, ensure_ascii=False)}]"
            yield from _leaves(each, f"{path}.{step}" if path and step[0] != "[" else path + step, within)
    elif (array := _list_of_one_kind(value, within)) is not None:
        yield path, array
    else:
        for place, each in enumerate(value):
            yield from _leaves(each, f"{path}[{place}]", within)


def _list_of_one_kind(values: Sequence[object], above: frozenset[int]) -> Array | None:
    """A list of numbers, of true/false, of text or of equal such lists as an array; None for any other."""
    kinds = {type(value) for value in values}
    if kinds <= {str, type(None)}:
        return _objects(list(values)) if str in kinds else None
    if kinds in ({bool}, {float}):
        return np.asarray(values)
    if kinds <= {int, float}:
        if kinds == {int}:
            array = np.asarray(values)
            return array if array.dtype.kind in "iu" else None
        if all(abs(value) <= _EXACT for value in values if isinstance(value, int)):
            return np.asarray(values, dtype=np.float64)
        return None
    if kinds <= {list, tuple}:
        parts = [
            _list_of_one_kind(value, above | {id(value)})
            if isinstance(value, list | tuple) and value and id(value) not in above
            else None
            for value in values
        ]
        arrays = [part for part in parts if part is not None]
        if len(arrays) == len(values) and len({(a.dtype, a.shape) for a in arrays}) == 1:
            return np.stack(arrays)
        return None
    if len(kinds) == 1 and issubclass(next(iter(kinds)), np.generic):
        return np.asarray(values)
    return None
