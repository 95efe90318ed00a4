"""Arrow's arrays as columns: which types are read, and how their nulls and lists become absent values and shapes.

Layouts: https://arrow.apache.org/docs/format/Columnar.html. Buffers are read as NumPy arrays; no value is copied one
by one but text. Time zones: an instant with a zone is kept as its UTC time, one without is kept as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from goldlock.tables._normal import dates, without_absent
from goldlock.tables._pyarrow import pyarrow
from goldlock.tables._source import Source
from goldlock.tables._table import Table, assembled
from goldlock.tables._types import BFLOAT16, Array, ColumnType, Mask, dtype_of
from goldlock_env.errors import CouldNotRunError

DTYPE_KEY = b"goldlock.dtype"
"""Metadata of a field that says what it is where Arrow has no word for it: ``bfloat16``, written as its 16 bits in uint16."""
SHAPE_KEY = b"goldlock.shape"
"""Metadata of a field whose rows hold no values, which Parquet cannot hold: lengths of the shape, one of them 0, joined
by commas. The field itself holds a false for each row."""

_HALF = "float16"
_NUMBERS = {
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "halffloat": _HALF,
    "float": "float32",
    "double": "float64",
}
_NONE: Any = None
_DAY = 86_400_000
_INSTEAD = {
    "decimal": "float64 or text",
    "duration": "whole numbers",
    "time": "text or whole numbers",
    "struct": "a column for each field",
    "map": "columns of keys and values",
    "binary": "text, or a column of uint8 with a shape",
    "fixed_size_binary": "text, or a column of uint8 with a shape",
}


def column_type(source: Source, field: Any, pieces: Iterable[Any]) -> ColumnType:  # noqa: ANN401 - pyarrow
    """Return the type of the column that a pyarrow field is.

    `pieces` are the column's arrays: read only for lists, which do not state their length, up to the first that shows
    it. Raises CouldNotRunError, naming column and type, for types that no column has.
    """
    types = pyarrow("types")
    metadata = field.metadata or {}
    if SHAPE_KEY in metadata:
        return _empty_type(source, field)
    inner, lengths, is_stated = field.type, list[int](), True
    while types.is_list(inner) or types.is_large_list(inner) or types.is_fixed_size_list(inner):
        is_stated &= types.is_fixed_size_list(inner)
        lengths.append(inner.list_size if types.is_fixed_size_list(inner) else 0)
        inner = inner.value_type
    if isinstance(field.type, pyarrow().BaseExtensionType) or b"ARROW:extension:name" in metadata:
        raise _refused(source, field, "extension")
    value = inner.value_type if types.is_dictionary(inner) else inner
    dtype = _dtype(value)
    if dtype is None:
        raise _refused(source, field, next((kind for kind in _INSTEAD if str(value).startswith(kind)), ""))
    if metadata.get(DTYPE_KEY) == b"bfloat16" and dtype == "uint16":
        dtype = "bfloat16"
    shape = tuple(lengths) if is_stated else _first_shape(pieces, len(lengths))
    return ColumnType(dtype=dtype, shape=shape)


def _empty_type(source: Source, field: Any) -> ColumnType:  # noqa: ANN401 - pyarrow
    fault = source.fault(
        f"column {field.name!r} has metadata {SHAPE_KEY.decode()!r} that goldlock did not write",
        "write the file without it",
    )
    try:
        lengths = tuple(map(int, field.metadata[SHAPE_KEY].decode().split(",")))
        made = ColumnType(dtype=field.metadata[DTYPE_KEY].decode(), shape=lengths)
        np.zeros((1, *lengths), dtype=dtype_of(made.dtype))
    except (ValueError, KeyError, CouldNotRunError) as error:
        raise fault from error
    if 0 not in lengths:
        raise fault
    return made


def _dtype(value: Any) -> str | None:  # noqa: ANN401 - pyarrow
    types = pyarrow("types")
    if types.is_string(value) or types.is_large_string(value) or types.is_null(value) or _is_view(value):
        return "str"
    if types.is_boolean(value):
        return "bool"
    if types.is_date(value):
        return "date"
    if types.is_timestamp(value):
        return "datetime"
    return _NUMBERS.get(str(value))


def _is_view(value: Any) -> bool:  # noqa: ANN401 - pyarrow
    return str(value) == "string_view"


def _refused(source: Source, field: Any, kind: str) -> Exception:  # noqa: ANN401 - pyarrow
    return source.fault(
        f"column {field.name!r} is of Arrow's type {str(field.type)[:80]}, which goldlock does not compare",
        f"convert it to {_INSTEAD.get(kind, 'numbers, text, true/false or dates')} before it is written",
    )


def _first_shape(pieces: Iterable[Any], depth: int) -> tuple[int, ...]:
    """Return the shape of the first list that is there; zeros where none is."""
    types = pyarrow("types")
    for piece in pieces:
        shape: list[int] = []
        while len(shape) < depth and len(piece):
            if types.is_fixed_size_list(piece.type):
                shape.append(piece.type.list_size)
            else:
                lengths = piece.value_lengths().drop_null()
                if not len(lengths):
                    break
                shape.append(lengths[0].as_py())
            piece = piece.flatten()
        if len(shape) == depth or 0 in shape:
            return (*shape, *[0] * (depth - len(shape)))
    return (0,) * depth


def table_of(
    source: Source,
    batch: Any,  # noqa: ANN401 - pyarrow
    types: Mapping[str, ColumnType],
    first_row: int,
) -> Table:
    """Return the columns `types` of a pyarrow RecordBatch, whose first row is the file's row `first_row`.

    Raises CouldNotRunError for lists of other lengths than the type's shape, and for dates that cannot be kept.
    """
    columns: dict[str, Array] = {}
    absent: dict[str, Mask] = {}
    for name, column_type in types.items():
        array = batch.column(batch.schema.get_field_index(name))
        if 0 in column_type.shape and pyarrow("types").is_boolean(array.type):
            # Written with `SHAPE_KEY`.
            columns[name] = np.zeros((batch.num_rows, *column_type.shape), dtype=dtype_of(column_type.dtype))
            continue
        values, mask = _Reader(source, name, first_row).values(array, column_type.shape)
        if column_type.dtype == "bfloat16":
            values = values.view(BFLOAT16)
        columns[name], found = without_absent(name, np.ascontiguousarray(values), mask)
        if found is not None:
            absent[name] = found
    return assembled(columns, absent)


class _Reader:
    """The values of one column, and where they are absent."""

    def __init__(self, source: Source, name: str, first_row: int) -> None:
        self._source = source
        self._name = name
        self._row = first_row

    def values(self, array: Any, shape: tuple[int, ...]) -> tuple[Array, Mask | None]:  # noqa: ANN401 - pyarrow
        """Return the values of an array of `shape` a row, and where they are absent; text holds None instead."""
        if shape:
            return self._lists(array, shape)
        types = pyarrow("types")
        kind = array.type
        if types.is_dictionary(kind):
            return self._chosen(array)
        if types.is_null(kind):
            return np.full(len(array), None, dtype=object), None
        if types.is_string(kind) or types.is_large_string(kind):
            text: Array = array.to_numpy(zero_copy_only=False)
            return text, None
        if _is_view(kind):
            return self.values(array.cast(pyarrow().large_string()), shape)
        mask = _absent(array)
        if types.is_boolean(kind):
            return _bits(array.buffers()[1], array.offset, len(array)), mask
        if types.is_date(kind) or types.is_timestamp(kind):
            return self._dates(array, mask), mask
        return _fixed(array, np.dtype(_NUMBERS[str(kind)])), mask

    def _lists(self, array: Any, shape: tuple[int, ...]) -> tuple[Array, Mask | None]:  # noqa: ANN401 - pyarrow
        mask, count = _absent(array), len(array)
        if not pyarrow("types").is_fixed_size_list(array.type):
            lengths = np.diff(array.offsets.to_numpy())
            ragged = lengths != shape[0] if mask is None else (lengths != shape[0]) & ~mask
            if ragged.any():
                place = int(np.flatnonzero(ragged)[0])
                raise self._source.fault(
                    f"column {self._name!r} is ragged: a list of {lengths[place]} values, where the first has "
                    f"{shape[0]}, at or after row {self._row}",
                    "write lists of one length, or a column for each place",
                )
        if mask is not None and 0 in shape:
            raise self._source.fault(
                f"column {self._name!r} has a null among lists of no values, at or after row {self._row}",
                "write an empty list for it, or leave the column out",
            )
        # Not `values`: that has what stands under absent lists, and outside of the slice.
        flat, inner = self.values(array.flatten(), shape[1:])
        if mask is None:
            return flat.reshape((count, *shape)), None if inner is None else inner.reshape((count, *shape))
        held = np.flatnonzero(~mask)
        full = np.zeros((count, *shape), dtype=flat.dtype)
        full[held] = flat.reshape((len(held), *shape))
        if flat.dtype.kind == "O":
            full[mask] = _NONE
            return full, None
        gone = np.ones((count, *shape), dtype=np.bool_)
        gone[held] = False if inner is None else inner.reshape((len(held), *shape))
        return full, gone

    def _chosen(self, array: Any) -> tuple[Array, Mask | None]:  # noqa: ANN401 - pyarrow
        """Return the values of a dictionary-encoded array; equal texts are one Python object."""
        choice, inner = self.values(array.dictionary, ())
        indices, mask = self.values(array.indices, ())
        if mask is not None:
            indices = np.where(mask, 0, indices)
        # Of an empty dictionary nothing is chosen: all is absent.
        chosen = choice[indices] if len(choice) else np.zeros(len(indices), dtype=choice.dtype)
        if choice.dtype.kind == "O":
            if mask is not None:
                chosen[mask] = _NONE
            return chosen, None
        if inner is not None and len(choice):
            mask = inner[indices] if mask is None else mask | inner[indices]
        return chosen, mask

    def _dates(self, array: Any, mask: Mask | None) -> Array:  # noqa: ANN401 - pyarrow
        kind = array.type
        if str(kind).startswith("date32"):
            return _fixed(array, np.dtype(np.int32)).astype(np.int64).view(dtype_of("date"))
        numbers = _fixed(array, np.dtype(np.int64))
        if mask is not None:
            numbers = np.where(mask, 0, numbers)
        if str(kind).startswith("date64"):
            return (numbers // _DAY).view(dtype_of("date"))
        return dates(self._name, numbers.view(f"datetime64[{kind.unit}]"))


def _fixed(array: Any, dtype: np.dtype[Any]) -> Array:  # noqa: ANN401 - pyarrow
    """Return the values of an array of fixed width; those of nulls are what stands there."""
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return np.zeros(len(array), dtype=dtype)
    values: Array = np.frombuffer(buffer, dtype=dtype, count=len(array), offset=array.offset * dtype.itemsize)
    return values


def _absent(array: Any) -> Mask | None:  # noqa: ANN401 - pyarrow
    if not array.null_count:
        return None
    return ~_bits(array.buffers()[0], array.offset, len(array))


def _bits(buffer: Any, offset: int, count: int) -> Mask:  # noqa: ANN401 - pyarrow
    if buffer is None or not count:
        return np.zeros(count, dtype=np.bool_)
    start = offset // 8
    packed = np.frombuffer(buffer, dtype=np.uint8, count=(offset + count + 7) // 8 - start, offset=start)
    bits = np.unpackbits(packed, bitorder="little")[offset - start * 8 :][:count]
    return bits.view(np.bool_)
