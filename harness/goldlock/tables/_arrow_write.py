"""Columns as Arrow's arrays: numbers and dates as their own types, shapes as lists of fixed size, absent as null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from goldlock.tables._arrow_read import DTYPE_KEY, SHAPE_KEY
from goldlock.tables._normal import unit_of
from goldlock.tables._pyarrow import pyarrow
from goldlock.tables._table import Table
from goldlock.tables._types import Array, ColumnType, Mask
from goldlock_env.errors import CouldNotRunError

_OWN = {"bool": "bool_", "str": "string", "float16": "float16", "bfloat16": "uint16", "date": "date32"}


def schema(types: Mapping[str, ColumnType]) -> Any:  # noqa: ANN401 - pyarrow
    """Return the pyarrow schema of columns of these types."""
    pa = pyarrow()
    return pa.schema(
        [
            pa.field(name, _arrow_type(column_type), metadata=_metadata(column_type))
            for name, column_type in types.items()
        ]
    )


def _metadata(column_type: ColumnType) -> dict[bytes, bytes] | None:
    if 0 in column_type.shape:
        shape = ",".join(map(str, column_type.shape))
        return {DTYPE_KEY: column_type.dtype.encode(), SHAPE_KEY: shape.encode()}
    return {DTYPE_KEY: b"bfloat16"} if column_type.dtype == "bfloat16" else None


def _arrow_type(column_type: ColumnType) -> Any:  # noqa: ANN401 - pyarrow
    pa = pyarrow()
    dtype = column_type.dtype
    if 0 in column_type.shape:
        return pa.bool_()
    made = pa.timestamp("us") if dtype == "datetime" else getattr(pa, _OWN.get(dtype, dtype))()
    for length in reversed(column_type.shape):
        made = pa.list_(made, length)
    return made


def record_batch(table: Table, wanted: Any) -> Any:  # noqa: ANN401 - pyarrow
    """Return a table as a pyarrow RecordBatch of the schema `wanted` (see `schema`).

    Raises CouldNotRunError for what Arrow's types cannot hold: dates some million years away.
    """
    arrays = [
        _array(name, array, table.absent.get(name), wanted.field(place).type)
        for place, (name, array) in enumerate(table.columns.items())
    ]
    return pyarrow().RecordBatch.from_arrays(arrays, schema=wanted)


def _array(name: str, column: Array, absent: Mask | None, wanted: Any) -> Any:  # noqa: ANN401 - pyarrow
    pa = pyarrow()
    if 0 in column.shape[1:]:
        return pa.array(np.zeros(len(column), dtype=np.bool_))
    flat = column.reshape(-1)
    mask = None if absent is None else absent.reshape(-1)
    if column.dtype.kind == "O":
        made = pa.array(flat, type=pa.string(), from_pandas=False)
        if isinstance(made, pa.ChunkedArray):
            raise CouldNotRunError(
                f"column {name!r} has more than 2 GiB of text in {len(column)} rows",
                hint="shorten the texts, or use jsonl",
            )
    elif column.dtype.kind == "M":
        made = _dates(name, flat, mask)
    elif column.dtype.kind == "V":
        made = pa.array(flat.view(np.uint16), mask=mask)
    else:
        made = pa.array(flat, mask=mask, from_pandas=False)
    lengths = column.shape
    # From the innermost list outwards.
    for depth in range(len(lengths) - 1, 0, -1):
        inner = wanted
        for _ in range(depth - 1):
            inner = inner.value_type
        count = int(np.prod(lengths[:depth]))
        made = pa.Array.from_buffers(inner, count, [None], null_count=0, children=[made])
    return made


def _dates(name: str, flat: Array, mask: Mask | None) -> Any:  # noqa: ANN401 - pyarrow
    pa = pyarrow()
    numbers = flat.view(np.int64)
    if mask is not None:
        numbers = np.where(mask, 0, numbers)
    if unit_of(flat.dtype) != "D":
        return pa.array(numbers, mask=mask).view(pa.timestamp("us"))
    days = numbers.astype(np.int32)
    if not np.array_equal(days, numbers):
        raise CouldNotRunError(
            f"column {name!r} holds a date that Arrow cannot hold, which counts days in 32 bits",
            hint="use npz or jsonl for it",
        )
    return pa.array(days, mask=mask).view(pa.date32())
