"""Tables as CSV: RFC 4180 with a header line, in UTF-8, written with LF, read with any line ending."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO, cast

import numpy as np

from goldlock.tables._batches import Batches, fitting_rows
from goldlock.tables._digits import plain_floats
from goldlock.tables._infer import check_names, to_array, whole_number_type
from goldlock.tables._normal import check_name
from goldlock.tables._source import Source
from goldlock.tables._table import Table, assembled
from goldlock.tables._text import Block, KeptBlocks, TextBatches, lines
from goldlock.tables._types import Array, ColumnType, is_float
from goldlock_env.errors import CouldNotRunError

_BLOCK_ROWS = 1 << 14
_BLOCK_CELLS = 1 << 18
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


def open_csv(
    source: Source, types: Mapping[str, ColumnType] | None, *, cells: int | None = None
) -> TextBatches:
    """Return the table of a CSV text, of at most `cells` values; see `goldlock.tables` for the inference of types."""
    source.check_text("CSV")
    reader = _Reader(source, cells, is_inferred=types is None)
    names, kept = reader.names(), KeptBlocks()
    check_names(names, types, source.fault)
    for name in names:
        check_name(name)
    for name, column_type in (types or {}).items():
        if column_type.shape:
            raise source.fault(f"column {name!r} is {column_type}, which CSV cannot hold", "use jsonl or npz")
    guesses = {name: _Guess() for name in names}
    for block in reader.blocks():
        kept.add(block)
        if types is None:
            for name, column in block.columns.items():
                guesses[name].add(column)
    if types is None:
        types = {name: ColumnType(dtype=guess.dtype) for name, guess in guesses.items()}
    return TextBatches(source, reader, types, kept)


class _Reader:
    """See `goldlock.tables._text.Reader`."""

    def __init__(self, source: Source, most: int | None, *, is_inferred: bool) -> None:
        self._source = source
        self._most = most
        self._is_inferred = is_inferred

    def names(self) -> list[str]:
        """Return the header."""
        header, _ = next(self._records())
        if header and header[0].lstrip()[:1] in {"{", "["}:
            start = next(lines(self._source, ""))
            if start.lstrip()[:1] in {"{", "["}:
                raise self._source.fault(
                    f"looks like JSON, not CSV: {start[:60]!r}", 'if JSON is meant, say output = "json"'
                )
        self._source.check_columns(len(header))
        return header

    def _records(self) -> Iterator[tuple[list[str], int]]:
        """Yield each record, the header first, and the line it ends in; empty lines at the end are left out."""
        reader = csv.reader(lines(self._source, ""), strict=True)
        blank = 0
        try:
            for record in reader:
                if not record and reader.line_num > 1:
                    blank = blank or reader.line_num
                    continue
                if blank:
                    yield [], blank
                yield record, reader.line_num
        except csv.Error as error:
            raise self._source.fault(
                f"is not CSV: {error}, in line {max(1, reader.line_num)}", _HINT
            ) from error

    def blocks(self) -> Iterator[Block]:
        records = self._records()
        header, _ = next(records)
        width, first = len(header), 0
        size = max(1, min(_BLOCK_ROWS, _BLOCK_CELLS // max(1, width)))
        while taken := list(islice(records, size)):
            for record, line in taken:
                if len(record) != width:
                    raise self._source.fault(
                        f"line {line} has {len(record)} cells where the header has {width}", _HINT
                    )
            cells = (first + len(taken)) * width
            if self._most is not None and cells > self._most:
                raise self._source.too_large("cells", cells, self._most)
            columns = zip(*(record for record, _ in taken), strict=True)
            yield Block(
                first=first,
                lines=[line for _, line in taken],
                columns=dict(zip(header, columns, strict=True)),
            )
            first += len(taken)

    def table(self, block: Block, types: Mapping[str, ColumnType]) -> Table:
        def row(position: int) -> str:
            return f"line {block.lines[position]}"

        columns: dict[str, Array] = {}
        for name, column_type in types.items():
            cells, dtype = cast("Sequence[str]", block.columns[name]), column_type.dtype
            if self._is_inferred and dtype == "float64":
                columns[name] = np.array(
                    [float(cell) if cell else np.nan for cell in cells], dtype=np.float64
                )
            else:
                columns[name] = to_array(name, _typed(cells, dtype), dtype, row, self._source.fault)
        # The text was decoded, so that it is valid.
        return assembled(columns, {})


class _Guess:
    """The type of a column of cells, from one block of rows after another."""

    def __init__(self) -> None:
        self._any = False
        self._truth = self._whole = self._number = True
        self._longest = 0
        self._low = self._high = 0

    def add(self, cells: Sequence[Any]) -> None:
        different = set(cells)
        self._any |= different != {""}
        self._truth = self._truth and all(map(_TRUTH.__contains__, different))
        self._whole = self._whole and all(map(_WHOLE.fullmatch, different))
        if self._whole:
            self._longest = max(self._longest, *map(len, different))
            if self._longest <= _LONGEST_WHOLE:
                found = [int(cell) for cell in different]
                self._low, self._high = min(self._low, *found), max(self._high, *found)
        # A whole number that float64 would round is an identifier, or a value to be kept as it is.
        self._number = self._number and all(_is_real(cell) for cell in different if cell)

    @property
    def dtype(self) -> str:
        """What all cells so far are."""
        if not self._any:
            return "str"
        if self._truth:
            return "bool"
        if self._whole:
            fits = self._longest <= _LONGEST_WHOLE
            return (whole_number_type((self._low, self._high)) if fits else None) or "str"
        return "float64" if self._number else "str"


def _is_real(cell: str) -> bool:
    if not _NUMBER.fullmatch(cell):
        return False
    return (
        len(cell) <= 15 or not _WHOLE.fullmatch(cell) or (len(cell) <= 300 and int(float(cell)) == int(cell))
    )


def _typed(cells: Sequence[Any], dtype: str) -> Sequence[object]:
    """Return each cell as a value of `dtype` where it is one, and as the text it is where not."""
    if dtype in {"str", "date", "datetime"}:
        return cells
    if dtype == "bool":
        return [_TRUTH.get(cell, cell) for cell in cells]
    if dtype.startswith(("float", "bfloat")):
        return [float(cell or "nan") if not cell or _NUMBER.fullmatch(cell) else cell for cell in cells]
    return [int(cell) if len(cell) <= _LONGEST_WHOLE and _WHOLE.fullmatch(cell) else cell for cell in cells]


def fits_csv(batches: Batches) -> bool:
    """Whether `write_csv` can write the table so that it reads back the same, and reads well."""
    types = batches.types
    if not types or any(found.shape for found in types.values()):
        return False
    if isinstance(batches, Table) and all(found.dtype != "str" for found in types.values()):
        return not batches.absent
    return all(_fits(batch) for batch in batches.batches(rows=fitting_rows(types)))


def _fits(table: Table) -> bool:
    return not table.absent and all(
        array.dtype.kind != "O" or all(map(_fits_cell, array)) for array in table.columns.values()
    )


def _fits_cell(value: str | None) -> bool:
    return value is not None and "\0" not in value and len(value) < _LONGEST_CELL


def write_csv(batches: Batches, sink: BinaryIO) -> None:
    """Write a table as CSV; raises CouldNotRunError for what `fits_csv` says no to."""
    types = batches.types
    if not types or any(found.shape for found in types.values()):
        raise _unfit()
    _write_lines(sink, [",".join(map(_quoted, types))], len(types))
    for batch in batches.batches(rows=fitting_rows(types)):
        if not _fits(batch):
            raise _unfit()
        columns = [_texts(array) for array in batch.columns.values()]
        _write_lines(sink, map(",".join, zip(*columns, strict=True)), len(types))


def _unfit() -> CouldNotRunError:
    return CouldNotRunError(
        "this table cannot be written as CSV, which holds text and single values only, without null",
        hint="use jsonl or npz for it",
    )


def _write_lines(sink: BinaryIO, written: Iterable[str], columns: int) -> None:
    if columns == 1:
        # A line without anything is no row to a reader.
        written = (line or '""' for line in written)
    sink.write("".join(f"{line}\n" for line in written).encode())


def _texts(array: Array) -> list[str]:
    write: Callable[[object], str]
    values: list[object]
    if array.dtype.kind == "b":
        return ["true" if value else "false" for value in array.tolist()]
    if array.dtype.kind == "M":
        return [*array.astype(str).tolist()]
    if is_float(array.dtype):
        values, write = [*plain_floats(array)], repr
    else:
        values = array.tolist()
        write = _quoted if array.dtype.kind == "O" else str
    return list(map(write, values))


def _quoted(value: object) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
