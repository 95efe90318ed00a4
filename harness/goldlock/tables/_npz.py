"""Tables as npz: a zip of .npy members, read without ever unpickling or trusting a declared size.

Formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (NEP 1) and PKWARE's
APPNOTE. The .npy header is parsed here, strictly, because numpy's reader allocates what a header claims.
"""

from __future__ import annotations

import ast
import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from goldlock.tables._infer import check_names
from goldlock.tables._source import Source
from goldlock.tables._table import Array, ColumnType, Table
from goldlock_env.errors import CouldNotRunError

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
_DESCR = re.compile(r"[<>|=](?:b1|[iu][1248]|f[248]|U[0-9]{1,9})")
_MOST_DIMENSIONS = 16
# The oldest date a zip can hold: the bytes do not depend on the clock.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_HINT = "write it with numpy.savez, arrays of numbers, true/false or unicode text only"


def decode_npz(source: Source, types: Mapping[str, ColumnType] | None) -> Table:
    """Return the table of an npz archive's arrays, in the archive's order (or that of `types`)."""
    if not source.data:
        raise source.fault("is empty; npz is expected", "see whether the subject wrote its output at all")
    if source.data.startswith(_MAGIC):
        raise source.fault(
            "is a single .npy array, without a column name", "write it with numpy.savez(file, name=array)"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            members = archive.infolist()
            source.check_columns(len(members))
            declared = sum(member.file_size for member in members)
            if declared > source.limits.size:
                raise source.too_large("bytes unpacked", declared, source.limits.size)
            names = [_column_name(source, member) for member in members]
            check_names(names, types, source.fault)
            arrays = {
                name: _array(source, name, _unpacked(source, archive, member))
                for name, member in zip(names, members, strict=True)
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, struct.error) as error:
        raise source.fault(f"is not a whole npz archive: {error}", _HINT) from error
    if types is None:
        return Table(arrays)
    table = Table({name: arrays[name] for name in types})
    for name, found in table.types.items():
        if found != types[name]:
            raise source.fault(f"column {name!r} is {found}, not the recorded {types[name]}", _HINT)
    return table


def _column_name(source: Source, member: zipfile.ZipInfo) -> str:
    if not member.filename.endswith(".npy"):
        raise source.fault(f"holds {member.filename!r}, which is not a .npy array", _HINT)
    if member.flag_bits & 1 or member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise source.fault(f"holds {member.filename!r}, encrypted or packed in an unusual way", _HINT)
    return member.filename.removesuffix(".npy")


def _unpacked(source: Source, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as stream:
        # Never more than declared, whatever the packed bytes unpack to.
        data = stream.read(member.file_size)
        if len(data) != member.file_size:
            raise source.fault(f"{member.filename!r} is shorter than declared", _HINT)
    return data


def _array(source: Source, name: str, data: bytes) -> Array:
    """Return the array of one .npy file; every claim of its header is checked against its bytes."""
    try:
        if data[:6] != _MAGIC or data[6] not in {1, 2}:
            raise ValueError("no .npy file of version 1 or 2")
        start, length_format = (10, "<H") if data[6] == 1 else (12, "<I")
        (length,) = struct.unpack(length_format, data[8:start])
        if length > _LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        header: object = ast.literal_eval(data[start : start + length].decode("latin-1").strip())
        if not isinstance(header, dict) or header.keys() != {"descr", "fortran_order", "shape"}:
            raise ValueError("an unknown header")
        descr, shape = header["descr"], header["shape"]
        if not isinstance(descr, str) or not _DESCR.fullmatch(descr):
            raise ValueError(f"type {descr!r}, which goldlock does not read")
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"shape {shape!r}")
        if len(shape) > _MOST_DIMENSIONS:
            raise ValueError(f"{len(shape)} dimensions")
        dtype = np.dtype(descr)
        body = memoryview(data)[start + length :]
        if math.prod(shape) * dtype.itemsize != len(body):
            raise ValueError(f"{len(body)} bytes for {descr} of shape {shape!r}")
        if not body:
            # No values, or text of width 0: a buffer has nothing to count by.
            return np.zeros(shape, dtype=dtype)
        flat: Array = np.frombuffer(body, dtype=dtype)
        return flat.reshape(shape, order="F" if header["fortran_order"] else "C")
    except (
        ValueError,
        SyntaxError,
        TypeError,
        IndexError,
        struct.error,
        RecursionError,
        MemoryError,
    ) as error:
        raise source.fault(f"column {name!r} is not a readable array: {error}", _HINT) from error


def fits_npz(table: Table) -> bool:
    """Whether npz holds `table` exactly: unicode arrays have no None and lose NUL at an end."""
    return all(
        array.dtype.kind != "O" or all(value is not None and not value.endswith("\0") for value in array.flat)
        for array in table.columns.values()
    )


def encode_npz(table: Table) -> bytes:
    """Return `table` as a packed npz; raises CouldNotRunError for what `fits_npz` says no to."""
    if not fits_npz(table):
        raise CouldNotRunError(
            "this table cannot be written as npz, which holds no null and no text ending in NUL",
            hint="use jsonl for it",
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in table.columns.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            stored = array.astype(np.str_) if array.dtype.kind == "O" else array
            with archive.open(member, "w", force_zip64=stored.nbytes > 1 << 30) as stream:
                np.lib.format.write_array(stream, stored, allow_pickle=False)
    return buffer.getvalue()
