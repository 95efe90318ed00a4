"""Tables as CSV: RFC 4180 with a header line, in UTF-8, written with LF, read with any line ending."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from goldlock.tables._digits import plain_floats
from goldlock.tables._infer import check_names, to_array, whole_number_type
from goldlock.tables._source import Source
from goldlock.tables._table import Array, ColumnType, Table
from goldlock_env.errors import CouldNotRunError

_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
# No leading zeros, which are a sign of an identifier; "-0" is the float.
_NUMBER = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity|nan)",
    re.IGNORECASE,
)
_TRUTH = {"true": True, "True": True, "false": False, "False": False}
# Python's int() refuses longer texts; no column type holds them either.
_LONGEST_WHOLE = 20
# The csv module's own limit for a cell.
_LONGEST_CELL = 131_072
# An opening bracket is quoted too: a text that begins with one looks like JSON or HTML.
_QUOTED = re.compile(r'[",\r\n\ufeff]|^[\s{\[<]|\s$')
_HINT = "write one value for each column of the header in every line"


def decode_csv(source: Source, types: Mapping[str, ColumnType] | None) -> Table:
    """Return the table of a CSV text; see `goldlock.tables` for the inference of types."""
    text = source.text("CSV")
    if text.lstrip()[:1] in {"{", "["}:
        raise source.fault(
            f"looks like JSON, not CSV: {text[:60]!r}", 'if JSON is meant, say output = "json"'
        )
    header, rows, lines = _records(source, text)
    check_names(header, types, source.fault)
    cells = list(zip(*rows, strict=True)) if rows else [() for _ in header]

    def row(position: int) -> str:
        return f"line {lines[position]}"

    if types is None:
        return Table({name: _guess(column) for name, column in zip(header, cells, strict=True)})
    columns = dict(zip(header, cells, strict=True))
    for name, column_type in types.items():
        if column_type.shape:
            raise source.fault(f"column {name!r} is {column_type}, which CSV cannot hold", "use jsonl or npz")
    return Table(
        {
            name: to_array(
                name, _typed(columns[name], types[name].dtype), types[name].dtype, row, source.fault
            )
            for name in types
        }
    )


def _records(source: Source, text: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Return the header, the rows, and the line each row ends in."""
    reader = csv.reader(io.StringIO(text.rstrip("\r\n"), newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = next(reader)
        source.check_columns(len(header))
        most = source.limits.cells // max(1, len(header))
        for record in reader:
            if len(record) != len(header):
                raise source.fault(
                    f"line {reader.line_num} has {len(record)} cells where the header has {len(header)}",
                    _HINT,
                )
            rows.append(record)
            lines.append(reader.line_num)
            if len(rows) > most:
                raise source.too_large("cells", len(rows) * len(header), source.limits.cells)
    except csv.Error as error:
        raise source.fault(f"is not CSV: {error}, in line {max(1, reader.line_num)}", _HINT) from error
    return header, rows, lines


def _guess(cells: Sequence[str]) -> Array:
    dtype = _inferred(cells)
    values = _typed(cells, dtype)
    return np.array(values, dtype=object if dtype == "str" else dtype)


def _inferred(cells: Sequence[str]) -> str:
    if not any(cells):
        return "str"
    if all(map(_TRUTH.__contains__, cells)):
        return "bool"
    if all(map(_WHOLE.fullmatch, cells)):
        if max(map(len, cells)) <= _LONGEST_WHOLE:
            return whole_number_type([int(cell) for cell in cells]) or "str"
        return "str"
    if all(_NUMBER.fullmatch(cell) or not cell for cell in cells):
        # A whole number that float64 would round is an identifier, or a value to be kept as it is.
        return "str" if any(map(_is_rounded, cells)) else "float64"
    return "str"


def _is_rounded(cell: str) -> bool:
    return (
        len(cell) > 15 and bool(_WHOLE.fullmatch(cell)) and (len(cell) > 300 or int(float(cell)) != int(cell))
    )


def _typed(cells: Sequence[str], dtype: str) -> Sequence[object]:
    """Return each cell as a value of `dtype` where it is one, and as the text it is where not."""
    if dtype == "str":
        return cells
    if dtype == "bool":
        return [_TRUTH.get(cell, cell) for cell in cells]
    if dtype.startswith("float"):
        return [float(cell or "nan") if not cell or _NUMBER.fullmatch(cell) else cell for cell in cells]
    return [int(cell) if len(cell) <= _LONGEST_WHOLE and _WHOLE.fullmatch(cell) else cell for cell in cells]


def fits_csv(table: Table) -> bool:
    """Whether `encode_csv` can write `table` so that it reads back the same, and reads well."""
    return table.names != () and all(
        array.ndim == 1 and (array.dtype.kind != "O" or all(map(_fits_cell, array)))
        for array in table.columns.values()
    )


def _fits_cell(value: str | None) -> bool:
    return value is not None and "\0" not in value and len(value) < _LONGEST_CELL


def encode_csv(table: Table) -> bytes:
    """Return `table` as CSV; raises CouldNotRunError for what `fits_csv` says no to."""
    if not fits_csv(table):
        raise CouldNotRunError(
            "this table cannot be written as CSV, which holds text and single values only, without null",
            hint="use jsonl or npz for it",
        )
    columns = [_texts(array) for array in table.columns.values()]
    lines = [",".join(map(_quoted, table.names)), *map(",".join, zip(*columns, strict=True))]
    if len(columns) == 1:
        # A line without anything is no row to a reader.
        lines = [line or '""' for line in lines]
    return "".join(f"{line}\n" for line in lines).encode()


def _texts(array: Array) -> list[str]:
    write: Callable[[object], str]
    values: list[object] = array.tolist()
    if array.dtype.kind == "f":
        values = [*plain_floats(array)]
        write = repr
    elif array.dtype.kind == "b":
        return ["true" if value else "false" for value in values]
    else:
        write = _quoted if array.dtype.kind == "O" else str
    return list(map(write, values))


def _quoted(value: object) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
