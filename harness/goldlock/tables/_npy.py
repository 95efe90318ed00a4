"""NumPy's .npy files: headers that are checked before anything is believed, and arrays read row after row.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (NEP 1). The header is parsed here,
strictly, because numpy's reader allocates what a header claims. Nothing is ever unpickled.
"""

from __future__ import annotations

import ast
import math
import re
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

import numpy as np

from goldlock.tables._batches import BATCH_ROWS, Batches, fitting_rows, rechunked
from goldlock.tables._infer import check_found
from goldlock.tables._normal import check_name
from goldlock.tables._source import Source
from goldlock.tables._table import Table
from goldlock.tables._types import BFLOAT16, MOST_DIMENSIONS, Array, ColumnType, dtype_of, type_of
from goldlock_env.errors import CouldNotRunError

MAGIC = b"\x93NUMPY"
VALUE = "value"
"""Name of the column that an array without fields is."""

_LONGEST_HEADER = 1 << 16
_DESCR = re.compile(r"[<>|=](?:b1|[iu][1248]|f[248]|U[0-9]{1,9}|M8\[(?:[YMWDhms]|[munpfa]s)\])")
_HALF_VOID = re.compile(r"[<|]V2")
_PADDING = re.compile(r"\|V[0-9]{1,6}")
_PIECE_BYTES = 1 << 23
_HINT = "write it with numpy.save, one array of numbers, true/false, dates or unicode text, or one structured array"
HEADER_ERRORS = (
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    struct.error,
    RecursionError,
    MemoryError,
    OverflowError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a .npy file says of its array, checked against its size."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    is_columnar: bool
    """Whether the values of one row are apart: Fortran's order, in more than one dimension."""

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def row_size(self) -> int:
        """Bytes of one row."""
        return self.dtype.itemsize * math.prod(self.shape[1:])


def read_header(stream: IO[bytes], size: int, dtype_for: Callable[[object], np.dtype[np.generic]]) -> Header:
    """Read the header of a .npy file of `size` bytes; the stream stands at its data then.

    `dtype_for` makes the type of the header's ``descr``: `array_dtype`, or `fields_dtype` too where fields are read.
    Raises errors of several built-in kinds (`HEADER_ERRORS`) for what is no array that is read.
    """
    start = stream.read(8)
    if start[:6] != MAGIC or start[6] not in {1, 2, 3}:
        raise ValueError("no .npy file of version 1 to 3")
    layout, encoding = ("<H" if start[6] == 1 else "<I"), ("utf-8" if start[6] == 3 else "latin-1")
    packed = stream.read(struct.calcsize(layout))
    (length,) = struct.unpack(layout, packed)
    if length > _LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    header: object = ast.literal_eval(stream.read(length).decode(encoding).strip())
    if not isinstance(header, dict) or header.keys() != {"descr", "fortran_order", "shape"}:
        raise ValueError("an unknown header")
    shape = _shape(header["shape"])
    if len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"{len(shape)} dimensions")
    descr = header["descr"]
    dtype = dtype_for(descr)
    body = size - len(start) - len(packed) - length
    if math.prod(shape) * dtype.itemsize != body:
        raise ValueError(f"{body} bytes for {descr} of shape {shape!r}")
    np.zeros((0, *shape[1:]), dtype=dtype)  # lengths that no array can have, behind one that is 0
    return Header(dtype=dtype, shape=shape, is_columnar=bool(header["fortran_order"]) and len(shape) > 1)


def _shape(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"shape {shape!r}")
    return shape


def array_dtype(descr: object, known: ColumnType | None) -> np.dtype[np.generic]:
    """Return the type of an array; 16 bits that NumPy has no name for are bfloat16 where `known` says so."""
    if isinstance(descr, str) and _HALF_VOID.fullmatch(descr):
        if known is None or known.dtype != "bfloat16":
            raise ValueError(f"type {descr!r}, which may be bfloat16: write it as float32, or as Parquet")
        return BFLOAT16
    if not isinstance(descr, str) or not _DESCR.fullmatch(descr):
        raise ValueError(f"type {descr!r}, which goldlock does not read")
    return np.dtype(descr)


def fields_dtype(descr: Sequence[object], types: Mapping[str, ColumnType]) -> np.dtype[np.generic]:
    """Return the type of a structured array: fields of readable types, and nameless padding between them."""
    names: list[str] = []
    formats: list[object] = []
    offsets: list[int] = []
    place = 0
    for field in descr:
        if not isinstance(field, tuple) or len(field) not in {2, 3} or not isinstance(field[0], str):
            raise ValueError(f"field {field!r}, which goldlock does not read")
        name, kind = field[0], field[1]
        shape = _shape(field[2]) if len(field) == 3 else ()
        if not name and isinstance(kind, str) and _PADDING.fullmatch(kind):
            place += int(kind[2:]) * math.prod(shape)
            continue
        dtype = array_dtype(kind, types.get(name))
        names.append(name)
        formats.append((dtype, shape))
        offsets.append(place)
        place += dtype.itemsize * math.prod(shape)
    if not names or "" in names:
        raise ValueError("fields without a name")
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": place})


def found_type(name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> ColumnType:
    """Return the type of the column that an array is, whose rows have a shape."""
    return type_of(Table({name: np.zeros((0, *shape), dtype=dtype)}).columns[name])


def pieces(stream: IO[bytes], header: Header, rows: int) -> Iterator[Array]:
    """Yield the array's rows, `rows` at a time, from a stream that stands at its data.

    Raises EOFError where it ends before them.
    """
    if header.is_columnar and header.row_size:
        yield from _columnar_pieces(stream, header, rows)
        return
    for start in range(0, header.rows, rows):
        count = min(rows, header.rows - start)
        shape = (count, *header.shape[1:])
        yield _values(stream.read(count * header.row_size), header.dtype, shape)


def _values(data: bytes, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> Array:
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise EOFError("the array is cut off")
    if not data:
        # No values, or text of width 0: a buffer has nothing to count by.
        return np.zeros(shape, dtype=dtype)
    values: Array = np.frombuffer(data, dtype=dtype)
    return values.reshape(shape)


def _columnar_pieces(stream: IO[bytes], header: Header, rows: int) -> Iterator[Array]:
    """Rows of an array in Fortran's order, each from many places: by way of a file, as a packed stream cannot seek."""
    dtype, inner = header.dtype, math.prod(header.shape[1:])
    with tempfile.TemporaryFile(prefix="goldlock-") as spool:
        shutil.copyfileobj(stream, spool)
        for start in range(0, header.rows, rows):
            count = min(rows, header.rows - start)
            piece = np.empty((inner, count), dtype=dtype)
            for column in range(inner):
                spool.seek((column * header.rows + start) * dtype.itemsize)
                piece[column] = _values(spool.read(count * dtype.itemsize), dtype, (count,))
            yield piece.T.reshape((count, *header.shape[1:]), order="F")


def check_rows(source: Source, header: Header) -> None:
    """Raise for more rows than a file of the largest size could hold: rows without a value take no byte."""
    if header.rows > source.limits.size:
        raise source.too_large("rows", header.rows, source.limits.size)


def piece_rows(row_size: int, rows: int) -> int:
    """Return how many rows of `row_size` bytes are read at once, where `rows` are wanted."""
    return max(1, min(rows, _PIECE_BYTES // max(1, row_size)))


class Npy:
    """A .npy file, as `Batches`."""

    def __init__(self, source: Source, types: Mapping[str, ColumnType] | None) -> None:
        self._source = source
        if not source.size:
            raise source.fault("is empty; npy is expected", "see whether the subject wrote its output at all")
        try:
            with source.open() as file:
                self._header = header = read_header(
                    file, source.size, lambda descr: _dtype(descr, types or {})
                )
                self._start = file.tell()
        except HEADER_ERRORS as error:
            raise source.fault(f"is not a readable array: {error}", _HINT) from error
        if not header.shape:
            raise source.fault("is a single value, without rows", "save an array whose first axis is the row")
        check_rows(source, header)
        fields: Mapping[str, tuple[np.dtype[np.generic], int]] = header.dtype.fields or {
            VALUE: (header.dtype, 0)
        }  # type: ignore[assignment]
        source.check_columns(len(fields))
        for name in fields:
            check_name(name)
        found = {
            name: found_type(name, dtype.base, (*header.shape[1:], *dtype.shape))
            for name, (dtype, *_) in fields.items()
        }
        self.types: Mapping[str, ColumnType] = check_found(found, types, source.fault, _HINT)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.types)

    @property
    def rows(self) -> int:
        return self._header.rows

    def batches(self, names: Sequence[str] | None = None, *, rows: int = BATCH_ROWS) -> Iterator[Table]:
        chosen = self.names if names is None else tuple(names)
        return rechunked(self._tables(chosen, rows), chosen, self.types, rows)

    def _tables(self, chosen: Sequence[str], rows: int) -> Iterator[Table]:
        header = self._header
        with self._source.open() as file:
            file.seek(self._start)
            try:
                for piece in pieces(file, header, piece_rows(header.row_size, rows)):
                    yield Table({name: _field(piece, name) for name in chosen})
            except EOFError as error:
                raise self._source.fault(f"is not a readable array: {error}", _HINT) from error


def _field(piece: Any, name: str) -> Array:  # noqa: ANN401 - a structured array has no type of its own
    column: Array = piece if piece.dtype.fields is None else piece[name]
    return column


def _dtype(descr: object, types: Mapping[str, ColumnType]) -> np.dtype[np.generic]:
    return fields_dtype(descr, types) if isinstance(descr, list) else array_dtype(descr, types.get(VALUE))


def fits_array(batches: Batches) -> bool:
    """Whether NumPy's arrays hold the table exactly: they hold no absent value but a date's, no None, no NUL at an end."""
    types = batches.types
    if all(found.dtype != "str" for found in types.values()) and isinstance(batches, Table):
        return all(types[name].dtype in {"date", "datetime"} for name in batches.absent)
    for batch in batches.batches(rows=fitting_rows(types)):
        if any(types[name].dtype not in {"date", "datetime"} for name in batch.absent):
            return False
        for array in batch.columns.values():
            if array.dtype.kind == "O" and any(value is None or value.endswith("\0") for value in array.flat):
                return False
    return True


def fits_npy(batches: Batches) -> bool:
    """Whether `write_npy` can write the table: as `fits_array` says, in columns that all have a name."""
    return bool(batches.names) and "" not in batches.names and fits_array(batches)


def widths(batches: Batches, names: Sequence[str]) -> dict[str, int]:
    """Return the length of the longest text of each column `names`, and at least 1."""
    found = dict.fromkeys(names, 1)
    if names:
        for batch in batches.batches(names, rows=fitting_rows({name: batches.types[name] for name in names})):
            for name, array in batch.columns.items():
                found[name] = max(found[name], max(map(len, array.flat), default=1))
    return found


def stored_dtype(column_type: ColumnType, width: int) -> np.dtype[np.generic]:
    """Return the type that a column has in a .npy file; `width` is that of text."""
    return (
        np.dtype(f"<U{width}")
        if column_type.dtype == "str"
        else dtype_of(column_type.dtype).newbyteorder("<")
    )


def header_bytes(descr: object, shape: tuple[int, ...]) -> bytes:
    """Return the header of a .npy file in C order, as any NumPy writes it, padded to 64 bytes."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    data, version = text.encode(), 3
    if text.isascii() and len(data) < 60_000:
        version = 1
    layout = "<H" if version == 1 else "<I"
    before = len(MAGIC) + 2 + struct.calcsize(layout)
    data += b" " * (-(before + len(data) + 1) % 64) + b"\n"
    return MAGIC + bytes((version, 0)) + struct.pack(layout, len(data)) + data


def write_npy(batches: Batches, sink: BinaryIO) -> None:
    """Write a table as .npy: the column ``value`` alone as an array, others as a structured array's fields.

    Raises CouldNotRunError for what `fits_npy` says no to.
    """
    if not fits_npy(batches):
        raise CouldNotRunError(
            "this table cannot be written as npy, which holds no null, no text ending in NUL and no nameless column",
            hint="use jsonl or Parquet for it",
        )
    types = batches.types
    known = widths(batches, [name for name, found in types.items() if found.dtype == "str"])
    dtypes = {name: stored_dtype(found, known.get(name, 1)) for name, found in types.items()}
    if batches.names == (VALUE,):
        sink.write(header_bytes(dtypes[VALUE].str, (batches.rows, *types[VALUE].shape)))
        sink.writelines(
            np.ascontiguousarray(batch.columns[VALUE].astype(dtypes[VALUE])).tobytes()
            for batch in batches.batches(rows=fitting_rows(types))
        )
        return
    fields = [(name, dtypes[name].str, types[name].shape) for name in batches.names]
    sink.write(header_bytes([field if field[2] else field[:2] for field in fields], (batches.rows,)))
    record = np.dtype([(name, dtypes[name], types[name].shape) for name in batches.names])
    for batch in batches.batches(rows=fitting_rows(types)):
        made = np.zeros(batch.rows, dtype=record)
        for name, array in batch.columns.items():
            made[name] = array
        sink.write(made.tobytes())
