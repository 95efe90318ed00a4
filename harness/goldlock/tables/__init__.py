"""Tables, and their text and binary forms: what a subject answers, and what a golden holds.

Types of columns are stated (a golden's) or inferred from untyped text:

- CSV: a column whose cells are all whole numbers that fit 64 bits is int64 (uint64 above); all numbers, or
  numbers and empty cells, float64 (an empty cell is NaN); all true/false, bool; anything else text. A number
  written with leading zeros is text: 007 is not 7.
- JSON: whole numbers int64 (uint64 above), whole and fractional numbers float64, true/false bool, text text.
  ``null`` among numbers makes the column float64 and is NaN, among text it is None. Any other mixture is an
  error that names the row. ``NaN``, ``Infinity`` and ``-Infinity`` are numbers.
- npz: the arrays' own types.
- A column without a value to infer from (no rows) is text.

Every fault of the bytes is a CouldNotRunError that says where, in which line and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping

from goldlock.formats import Format
from goldlock.tables._csv import decode_csv, encode_csv, fits_csv
from goldlock.tables._infer import from_columns
from goldlock.tables._json import decode_json, decode_jsonl, encode_json, encode_jsonl, parse_json
from goldlock.tables._npz import decode_npz, encode_npz, fits_npz
from goldlock.tables._source import DEFAULT_LIMITS, Limits, Source
from goldlock.tables._table import DTYPES, Array, ColumnType, Table, type_of

__all__ = [
    "DEFAULT_LIMITS",
    "DTYPES",
    "Array",
    "ColumnType",
    "Format",
    "Limits",
    "Table",
    "decode",
    "encode",
    "fits_csv",
    "fits_npz",
    "from_columns",
    "parse_json",
    "type_of",
]


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
    are exactly those, in that order, each value read as its type; without, types are inferred as this
    module's docstring says. Raises CouldNotRunError.
    """
    source = Source(data=data, where=where, limits=limits)
    match fmt:
        case Format.CSV:
            return decode_csv(source, types)
        case Format.JSON:
            return decode_json(source, types)
        case Format.JSONL:
            return decode_jsonl(source, types)
        case Format.NPZ:
            return decode_npz(source, types)


def encode(table: Table, fmt: Format) -> bytes:
    """Return `table` written down; `decode` with its `types` gives the same table back, bit for bit.

    The same table gives the same bytes: LF, columns in their order, the shortest digits that read back
    exactly. Raises CouldNotRunError for what the format cannot hold: CSV holds one value a row, without
    None, and npz text without None or trailing NUL (see `fits_csv`, `fits_npz`).
    """
    match fmt:
        case Format.CSV:
            return encode_csv(table)
        case Format.JSON:
            return encode_json(table)
        case Format.JSONL:
            return encode_jsonl(table)
        case Format.NPZ:
            return encode_npz(table)
