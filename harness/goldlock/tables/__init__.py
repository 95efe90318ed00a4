"""Tables, and their text and binary forms: what a subject answers, and what a golden holds.

Types of columns are stated (a golden's) or inferred from untyped text:

- CSV: a column whose cells are all whole numbers that fit 64 bits is int64 (uint64 above); all numbers, or
  numbers and empty cells, float64 (an empty cell is NaN); all true/false, bool; anything else text. A number
  written with leading zeros is text: 007 is not 7.
- JSON: whole numbers int64 (uint64 above), whole and fractional numbers float64, true/false bool, text text.
  ``null`` among numbers makes the column float64 and is NaN, among text it is None. Any other mixture, and a whole
  number that float64 would round, is an error that names the row. ``NaN``, ``Infinity`` and ``-Infinity`` are numbers. Objects inside a record are columns
  of their own, named by their path.
- npz, npy: the arrays' own types; NaT is an absent date. Two bytes that NumPy has no name for are bfloat16 where
  the types stated say so.
- Parquet, Arrow: their own types; null is an absent value, lists of one length are a shape, a time zone is dropped
  with the time kept in UTC, nanoseconds are kept where they are whole microseconds and refused where not.
- Dates are text in CSV and JSON, and ISO 8601 without a time zone where the types stated say date or datetime.
- A column without a value to infer from (no rows) is text.

Every fault of the bytes is a CouldNotRunError that says where, in which line and what to do.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from goldlock.formats import Format
from goldlock.tables._arrow import Arrow, write_arrow
from goldlock.tables._batches import BATCH_ROWS, Batches, fitting_rows, take, whole
from goldlock.tables._content import content
from goldlock.tables._csv import fits_csv, open_csv, write_csv
from goldlock.tables._infer import from_columns
from goldlock.tables._json import check_cells, decode_json, open_jsonl, parse_json, write_json, write_jsonl
from goldlock.tables._npy import Npy, fits_npy, write_npy
from goldlock.tables._npz import Npz, fits_npz, write_npz
from goldlock.tables._parquet import Parquet, write_parquet
from goldlock.tables._source import DEFAULT_LIMITS, FILE_LIMITS, Limits, Source
from goldlock.tables._table import Table
from goldlock.tables._types import (
    DTYPES,
    Array,
    ColumnType,
    Mask,
    dtype_of,
    is_date,
    is_float,
    is_whole,
    type_of,
)

__all__ = [
    "BATCH_ROWS",
    "DEFAULT_LIMITS",
    "DTYPES",
    "FILE_LIMITS",
    "Array",
    "Batches",
    "ColumnType",
    "Format",
    "Limits",
    "Mask",
    "Table",
    "content",
    "decode",
    "dtype_of",
    "encode",
    "fits_csv",
    "fits_npy",
    "fits_npz",
    "fitting_rows",
    "from_columns",
    "is_date",
    "is_float",
    "is_whole",
    "open_table",
    "parse_json",
    "take",
    "type_of",
    "whole",
    "write_table",
]


def open_table(
    path: Path,
    fmt: Format,
    *,
    where: str,
    types: Mapping[str, ColumnType] | None = None,
    limits: Limits = FILE_LIMITS,
) -> Batches:
    """Return the table of an untrusted file, to be read in batches, so that memory does not grow with its rows.

    `where` and `types` are as `decode` has them. Text is read once through here, to find its types and its rows;
    JSON (not JSON Lines) is held in memory, with `DEFAULT_LIMITS`. Of the other formats only what the file declares
    is read here, and faults of its values come where they are met, in `batches`. The file must stay as it is.

    Raises CouldNotRunError, and ConfigurationError for Parquet and Arrow where pyarrow is not installed.
    """
    if fmt is Format.JSON:
        limits = Limits(
            size=min(limits.size, DEFAULT_LIMITS.size), cells=limits.cells, columns=limits.columns
        )
    return _opened(Source(data=path, where=where, limits=limits), fmt, types, cells=None)


def decode(
    data: bytes,
    fmt: Format,
    *,
    where: str,
    types: Mapping[str, ColumnType] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Table:
    """Return the table that untrusted `data` holds.

    `where` names the data in messages ("the output of case 'mlp'"). With `types` (a golden's) the columns
    are exactly those, in that order, each value read as its type, and null in JSON is an absent value; without,
    types are inferred as this module's docstring says. Raises CouldNotRunError, and ConfigurationError for Parquet
    and Arrow where pyarrow is not installed.
    """
    source = Source(data=data, where=where, limits=limits)
    if fmt is Format.JSONL:
        check_cells(source)
    return whole(_opened(source, fmt, types, cells=limits.cells))


def _opened(
    source: Source, fmt: Format, types: Mapping[str, ColumnType] | None, *, cells: int | None
) -> Batches:
    match fmt:
        case Format.CSV:
            return open_csv(source, types, cells=cells)
        case Format.JSON:
            return decode_json(source, types)
        case Format.JSONL:
            return open_jsonl(source, types)
        case Format.NPZ:
            return Npz(source, types)
        case Format.NPY:
            return Npy(source, types)
        case Format.PARQUET:
            return Parquet(source, types)
        case Format.ARROW:
            return Arrow(source, types)


def encode(table: Table, fmt: Format) -> bytes:
    """Return `table` written down as `write_table` does."""
    sink = io.BytesIO()
    _write(table, sink, fmt)
    return sink.getvalue()


def write_table(batches: Batches, path: Path, fmt: Format) -> None:
    """Write a table to a file, batch by batch; reading it with its `types` gives the same table back, bit for bit.

    The same table gives the same bytes, whatever it is read from (Parquet and Arrow: with one version of pyarrow):
    LF, columns in their order, the shortest digits that read back exactly, batches of a size that the types decide.
    A file that could not be written to its end is removed.

    Raises CouldNotRunError for what the format cannot hold: CSV holds one value a row, without None; npz and npy no
    absent value but a date's, and text without None or trailing NUL (see `fits_csv`, `fits_npz`, `fits_npy`).
    Raises OSError where the file cannot be written.
    """
    with path.open("wb") as sink:
        try:
            _write(batches, sink, fmt)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _write(batches: Batches, sink: BinaryIO, fmt: Format) -> None:
    match fmt:
        case Format.CSV:
            write_csv(batches, sink)
        case Format.JSON:
            write_json(batches, sink)
        case Format.JSONL:
            write_jsonl(batches, sink)
        case Format.NPZ:
            write_npz(batches, sink)
        case Format.NPY:
            write_npy(batches, sink)
        case Format.PARQUET:
            write_parquet(batches, sink)
        case Format.ARROW:
            write_arrow(batches, sink)
