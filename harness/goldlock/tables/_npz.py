"""Tables as npz: a zip of .npy members, read without ever unpickling or trusting a declared size.

Formats: `goldlock.tables._npy`, and PKWARE's APPNOTE for the zip.
"""

from __future__ import annotations

import contextlib
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np

from goldlock.tables._batches import BATCH_ROWS, Batches, fitting_rows, rechunked
from goldlock.tables._infer import check_found, check_names
from goldlock.tables._normal import check_name
from goldlock.tables._npy import (
    HEADER_ERRORS,
    MAGIC,
    Header,
    array_dtype,
    check_rows,
    fits_array,
    found_type,
    header_bytes,
    piece_rows,
    pieces,
    read_header,
    stored_dtype,
    widths,
)
from goldlock.tables._source import Source
from goldlock.tables._table import Table
from goldlock.tables._types import Array, ColumnType
from goldlock_env.errors import CouldNotRunError

# The oldest date a zip can hold: the bytes do not depend on the clock.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_HINT = "write it with numpy.savez, arrays of numbers, true/false, dates or unicode text only"
# Columns that are gathered in one pass over the rows, each in a file of its own.
_TOGETHER = 64
_IN_MEMORY = 1 << 20
_PIECE = 1 << 20


class Npz:
    """An npz archive's arrays, in the archive's order, as `Batches`."""

    def __init__(self, source: Source, types: Mapping[str, ColumnType] | None) -> None:
        self._source = source
        with source.open() as file:
            start = file.read(len(MAGIC))
        if not start:
            raise source.fault("is empty; npz is expected", "see whether the subject wrote its output at all")
        if start == MAGIC:
            raise source.fault(
                "is a single .npy array, without a column name", "write it with numpy.savez(file, name=array)"
            )
        with self._opened() as archive, self._faults():
            members = archive.infolist()
            source.check_columns(len(members))
            declared = sum(member.file_size for member in members)
            if declared > source.limits.size:
                raise source.too_large("bytes unpacked", declared, source.limits.size)
            names = [self._column_name(member) for member in members]
            check_names(names, types, source.fault)
            self._members = dict(zip(names, members, strict=True))
            self._headers = {name: self._header(archive, name, types or {}) for name in names}
        found = {
            name: found_type(name, header.dtype, header.shape[1:]) for name, header in self._headers.items()
        }
        rows = {name: header.rows for name, header in self._headers.items()}
        if len(set(rows.values())) > 1:
            listed = ", ".join(f"{name!r} has {count}" for name, count in rows.items())
            raise source.fault(
                f"the columns differ in their number of rows: {listed}",
                "every column gives one value for each row of the input",
            )
        self.rows = next(iter(rows.values()), 0)
        self.types: Mapping[str, ColumnType] = check_found(found, types, source.fault, _HINT)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.types)

    def batches(self, names: Sequence[str] | None = None, *, rows: int = BATCH_ROWS) -> Iterator[Table]:
        chosen = self.names if names is None else tuple(names)
        return rechunked(self._tables(chosen, rows), chosen, self.types, rows)

    def _tables(self, chosen: Sequence[str], rows: int) -> Iterator[Table]:
        step = piece_rows(sum(self._headers[name].row_size for name in chosen), rows)
        with self._opened() as archive, contextlib.ExitStack() as stack:
            with self._faults():
                columns = {name: self._pieces(stack, archive, name, step) for name in chosen}
            for _ in range(0, self.rows if chosen else 0, step):
                with self._faults():
                    arrays = {name: next(column) for name, column in columns.items()}
                yield Table(arrays)

    def _pieces(
        self, stack: contextlib.ExitStack, archive: zipfile.ZipFile, name: str, step: int
    ) -> Iterator[Array]:
        member, header = self._members[name], self._headers[name]
        stream = stack.enter_context(archive.open(member))
        # Up to the data; it was found to be readable when the archive was opened.
        stream.read(member.file_size - header.rows * header.row_size)
        return pieces(stream, header, step)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        with self._source.open() as file:
            with self._faults():
                archive = zipfile.ZipFile(file)
            with archive:
                yield archive

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            OSError,
            ValueError,
            struct.error,
        ) as error:
            raise self._source.fault(f"is not a whole npz archive: {error}", _HINT) from error

    def _column_name(self, member: zipfile.ZipInfo) -> str:
        if not member.filename.endswith(".npy"):
            raise self._source.fault(f"holds {member.filename!r}, which is not a .npy array", _HINT)
        if member.flag_bits & 1 or member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise self._source.fault(
                f"holds {member.filename!r}, encrypted or packed in an unusual way", _HINT
            )
        name = member.filename.removesuffix(".npy")
        check_name(name)
        return name

    def _header(self, archive: zipfile.ZipFile, name: str, types: Mapping[str, ColumnType]) -> Header:
        member = self._members[name]
        with archive.open(member) as stream:
            try:
                header = read_header(
                    stream, member.file_size, lambda descr: array_dtype(descr, types.get(name))
                )
            except HEADER_ERRORS as error:
                raise self._source.fault(
                    f"column {name!r} is not a readable array: {error}", _HINT
                ) from error
        if not header.shape:
            raise self._source.fault(
                f"column {name!r} is a single value, without rows",
                "give one value for each row, also when there is one row only",
            )
        check_rows(self._source, header)
        return header


def fits_npz(batches: Batches) -> bool:
    """Whether npz holds the table exactly: no absent value but a date's, no None, no text ending in NUL."""
    return fits_array(batches)


def write_npz(batches: Batches, sink: BinaryIO) -> None:
    """Write a table as a packed npz; raises CouldNotRunError for what `fits_npz` says no to."""
    if not fits_npz(batches):
        raise CouldNotRunError(
            "this table cannot be written as npz, which holds no null and no text ending in NUL",
            hint="use jsonl or Parquet for it",
        )
    types = batches.types
    known = widths(batches, [name for name, found in types.items() if found.dtype == "str"])
    with zipfile.ZipFile(sink, "w") as archive:
        for first in range(0, len(batches.names), _TOGETHER):
            together = batches.names[first : first + _TOGETHER]
            with contextlib.ExitStack() as stack:
                spools = {
                    name: stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="goldlock-"))
                    for name in together
                }
                dtypes = {name: stored_dtype(types[name], known.get(name, 1)) for name in together}
                for batch in batches.batches(together, rows=fitting_rows(types)):
                    for name, array in batch.columns.items():
                        spools[name].write(np.ascontiguousarray(array.astype(dtypes[name])).tobytes())
                for name, spool in spools.items():
                    header = header_bytes(dtypes[name].str, (batches.rows, *types[name].shape))
                    size = spool.tell() + len(header)
                    spool.seek(0)
                    member = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
                    member.compress_type = zipfile.ZIP_DEFLATED
                    with archive.open(member, "w", force_zip64=size > 1 << 30) as stream:
                        stream.write(header)
                        shutil.copyfileobj(spool, stream, _PIECE)
