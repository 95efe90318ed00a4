"""Tables and arrays of other libraries as columns; none of these libraries is imported for it.

An object is asked only where its class comes from that library, which is then there already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from goldlock.errors import ConfigurationError
from goldlock.tables import Array, Mask

Column = tuple[str, Array, Mask | None]


def columns_of(value: object) -> list[Column] | None:
    """The columns of a table of pandas, polars or pyarrow; None for anything else.

    Raises ConfigurationError for a column that goldlock does not compare.
    """
    frame: Any = value
    match _library(value), type(value).__name__:
        case "pandas", "DataFrame":
            return [
                *_pandas_index(frame),
                *(_pandas(str(n), frame.iloc[:, i]) for i, n in enumerate(frame.columns)),
            ]
        case "polars", "DataFrame":
            return [_polars(series.name, series) for series in frame.get_columns()]
        case "polars", "LazyFrame":
            raise ConfigurationError("a LazyFrame has no rows yet", hint="give frame.collect()")
        case "pyarrow", "Table" | "RecordBatch":
            return [
                _arrow(name, column) for name, column in zip(frame.schema.names, frame.columns, strict=True)
            ]
    return None


def array_of(value: object) -> Array | None:
    """An array of another library, masked where values are absent; None for what is none."""
    series: Any = value
    found: Column
    match _library(value), type(value).__name__:
        case "pandas", "Series":
            if list(_pandas_index(series.to_frame(name="value"))):
                raise ConfigurationError(
                    "the Series has an index that is not 0, 1, 2, ...",
                    hint="give series.to_frame() to compare it, or series.to_numpy() to leave it out",
                )
            found = _pandas("value", series)
        case "polars", "Series":
            found = _polars("value", series)
        case "pyarrow", name if name.endswith("Array"):
            found = _arrow("value", series)
        case _:
            if not hasattr(value, "__array__"):
                return None
            return np.asarray(value)
    _, array, absent = found
    return array if absent is None else np.ma.MaskedArray(array, absent)


def _library(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _text(values: Iterable[object], name: str) -> Array:
    listed = list(values)
    for value in listed:
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(
                f"column {name!r} holds a {type(value).__name__} among its values",
                hint="convert it to numbers, true/false, dates or text",
            )
    array: Array = np.empty(len(listed), dtype=object)
    array[:] = listed  # type: ignore[assignment]
    return array


# -- pandas -----------------------------------------------------------------------------------------


def _pandas_index(frame: Any) -> Iterator[Column]:  # noqa: ANN401
    """The index as columns, but for 0, 1, 2, ..."""
    index = frame.index
    counted = index.nlevels == 1 and index.name is None and index.dtype.kind == "i"
    if counted and np.array_equal(index.to_numpy(), np.arange(len(index))):
        return
    plain = index.to_frame(index=False)
    for place, name in enumerate(index.names):
        yield _pandas("index" if name is None else str(name), plain.iloc[:, place])


def _pandas(name: str, series: Any) -> Column:  # noqa: ANN401
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        array: Array = series.to_numpy()
        if array.dtype.kind == "O":
            gone = series.isna().to_numpy()
            values = (None if g and not isinstance(v, str) else v for v, g in zip(array, gone, strict=True))
            return name, _text(values, name), None
        return name, array, None
    gone = series.isna().to_numpy()
    kind = type(dtype).__name__
    if kind in {"StringDtype", "CategoricalDtype"}:
        values = series.astype(object).to_numpy()
        if kind == "CategoricalDtype" and dtype.categories.dtype.kind in "iufb":
            return _pandas(name, series.astype(dtype.categories.dtype if not gone.any() else "float64"))
        return name, _text((None if g else v for v, g in zip(values, gone, strict=True)), name), None
    if kind == "DatetimeTZDtype":
        return name, series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), None
    held = getattr(dtype, "numpy_dtype", None)
    if kind == "ArrowDtype" or held is None:
        import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]

        return _arrow(name, pa.array(series))
    return name, series.fillna(0).to_numpy(dtype=held), gone if gone.any() else None


# -- polars -----------------------------------------------------------------------------------------


def _polars(name: str, series: Any) -> Column:  # noqa: ANN401
    dtype = type(series.dtype).__name__ if not isinstance(series.dtype, type) else series.dtype.__name__
    if dtype in {"String", "Utf8", "Categorical", "Enum", "Null"}:
        return name, _text(series.to_list(), name), None
    gone: Array = series.is_null().to_numpy()
    if dtype == "Datetime":
        array = series.to_physical().to_numpy(allow_copy=True) if not gone.any() else None
        filled = series.to_physical().fill_null(0).to_numpy() if array is None else array
        return name, filled.astype("int64").view(f"datetime64[{series.dtype.time_unit}]"), _mask(gone)
    if dtype == "Date":
        days = series.to_physical().fill_null(0).to_numpy().astype("int64")
        return name, days.view("datetime64[D]"), _mask(gone)
    if dtype in {"List", "Array"}:
        lengths = (series.list if dtype == "List" else series.arr).len().to_list()
        _, values, absent = _polars(name, series.explode())
        return name, *_stacked(name, lengths, values, absent)
    if dtype == "Boolean":
        return name, series.fill_null(value=False).to_numpy(), _mask(gone)
    if not series.dtype.is_numeric() or dtype == "Decimal":
        raise ConfigurationError(
            f"column {name!r} is of type {series.dtype}, which goldlock does not compare",
            hint="convert it to numbers, true/false, dates or text",
        )
    return name, series.fill_null(0).to_numpy(), _mask(gone)


# -- pyarrow ----------------------------------------------------------------------------------------


def _arrow(name: str, column: Any) -> Column:  # noqa: ANN401
    if hasattr(column, "combine_chunks") and hasattr(column, "chunks"):
        column = column.combine_chunks()
        if hasattr(column, "chunks"):
            column = column.chunk(0) if column.num_chunks else column.chunks
    kind = str(column.type)
    if kind.startswith("dictionary"):
        return _arrow(name, column.dictionary_decode())
    if kind in {"string", "large_string", "string_view", "null"}:
        return name, _text(column.to_pylist(), name), None
    gone: Array = np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=bool)
    if kind.startswith(("list", "large_list", "fixed_size_list")):
        lengths = [None if row is None else len(row) for row in column.to_pylist()]
        _, values, absent = _arrow(name, column.flatten())
        return name, *_stacked(name, lengths, values, absent)
    if kind == "bool":
        return name, column.fill_null(False).to_numpy(zero_copy_only=False), _mask(gone)
    if kind.startswith(("int", "uint", "float", "double", "halffloat")):
        return name, column.fill_null(0).to_numpy(zero_copy_only=False), _mask(gone)
    if kind.startswith(("date", "timestamp")):
        # Absent ones become NaT, which a table takes for absent.
        return name, column.to_numpy(zero_copy_only=False), None
    raise ConfigurationError(
        f"column {name!r} is of type {kind}, which goldlock does not compare",
        hint="convert it to numbers, true/false, dates or text",
    )


def _mask(gone: Array) -> Mask | None:
    return np.asarray(gone, dtype=bool) if gone.any() else None


def _stacked(
    name: str, lengths: list[int | None], values: Array, absent: Mask | None
) -> tuple[Array, Mask | None]:
    """The values of lists of one length, a row for each list."""
    if len(set(lengths)) > 1 or None in lengths:
        raise ConfigurationError(
            f"column {name!r} holds lists of several lengths, or none", hint="give lists of one length"
        )
    shape = (len(lengths), lengths[0] if lengths and lengths[0] is not None else 0)
    if not shape[1]:
        # Polars explodes an empty list into a null.
        return np.empty(shape, dtype=values.dtype), None
    return values.reshape(shape), None if absent is None else absent.reshape(shape)
