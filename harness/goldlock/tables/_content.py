"""The digest of what a column holds, whatever file it stands in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from goldlock.tables._batches import Batches, fitting_rows
from goldlock.tables._types import Array, ColumnType, Mask, is_float

if TYPE_CHECKING:
    from hashlib import _Hash

_TITLE = "goldlock content 1"
_ABSENT = -1
_MOST_THREADS = 8
_PIECE = 1 << 20


def content(batches: Batches, *, threads: int | None = None) -> dict[str, str]:
    r"""Return ``sha256:`` and the digest of each column's content, in hexadecimal.

    The same for the same type, shape, number of rows and values, whatever the file's format, the size of batches or
    the order of bytes. Any NaN is one NaN; -0.0 is not 0.0, None is not "", an absent value is not 0.

    The digest is that of: the lines ``goldlock content 1``, dtype, lengths of the shape joined by commas, and number
    of rows, in UTF-8, each ending in LF; then two raw SHA-256 digests. For text: of the lengths of the texts in UTF-8
    (int64, -1 for None), and of the texts one after the other. For the rest: of the values (absent ones as 0, dates
    as int64 of days or microseconds with NaT where absent, bool as one byte, bfloat16 as its 16 bits, a NaN with only
    its exponent and highest fraction bit set), and, where any is absent, of one byte for each value, 1 for absent;
    of nothing where none is. All little-endian, in C order.

    Columns are read together, in batches of bounded size, and hashed in `threads` threads (all cores unless told).
    Raises CouldNotRunError where the data turn out broken.
    """
    types = batches.types
    hashers = {name: _Column(types[name]) for name in batches.names}
    workers = max(1, min(threads or os.cpu_count() or 1, len(hashers), _MOST_THREADS))
    with ThreadPoolExecutor(workers) as pool:
        running: list[Future[None]] = []
        for batch in batches.batches(rows=fitting_rows(types)):
            # The batch after is read while this one is hashed; one column's batches stay in order.
            for done in running:
                done.result()
            running = [
                pool.submit(hashers[name].add, array, batch.absent.get(name))
                for name, array in batch.columns.items()
            ]
        for done in running:
            done.result()
    return {name: hasher.digest() for name, hasher in hashers.items()}


class _Column:
    """A running digest of one column."""

    def __init__(self, column_type: ColumnType) -> None:
        self._type = column_type
        self._values = hashlib.sha256()
        self._second = hashlib.sha256()
        self._rows = 0
        self._cells = 0
        self._any_absent = False

    def add(self, array: Array, absent: Mask | None) -> None:
        if array.dtype.kind == "O":
            self._add_text(array.reshape(-1).tolist())
        else:
            self._values.update(_little_endian(_one_nan(array)).data)
            if absent is not None and not self._any_absent:
                self._any_absent = True
                _zeros(self._second, self._cells)
            if self._any_absent:
                self._second.update(
                    bytes(array.size) if absent is None else np.ascontiguousarray(absent).view(np.uint8).data
                )
        self._rows += len(array)
        self._cells += array.size

    def _add_text(self, texts: list[str | None]) -> None:
        joined = "".join(text for text in texts if text) if None in texts else "".join(texts)  # type: ignore[arg-type]
        if joined.isascii():
            lengths = [_ABSENT if text is None else len(text) for text in texts]
        else:
            lengths = [_ABSENT if text is None else len(text.encode()) for text in texts]
        self._values.update(np.array(lengths, dtype="<i8").data)
        self._second.update(joined.encode())

    def digest(self) -> str:
        title = "".join(
            f"{line}\n"
            for line in (_TITLE, self._type.dtype, ",".join(map(str, self._type.shape)), self._rows)
        )
        whole = hashlib.sha256(title.encode())
        whole.update(self._values.digest())
        whole.update(self._second.digest())
        return f"sha256:{whole.hexdigest()}"


def _zeros(hasher: _Hash, count: int) -> None:
    for piece in _pieces(count):
        hasher.update(bytes(piece))


def _pieces(count: int) -> Iterator[int]:
    for start in range(0, count, _PIECE):
        yield min(_PIECE, count - start)


def _one_nan(array: Array) -> Array:
    """Return the bits of `array`, with one NaN for all."""
    if not is_float(array.dtype):
        return array
    bits: Array = array.view(np.dtype(f"u{array.dtype.itemsize}"))
    nan = array != array  # noqa: PLR0124 - NaN is what is not itself
    if not nan.any():
        return bits
    bits = bits.copy()
    one = np.array(np.nan, dtype=np.float64).astype(array.dtype)
    bits[nan] = np.abs(one).view(bits.dtype)
    return bits


def _little_endian(array: Array) -> Array:
    if array.dtype.kind == "M":
        array = array.view(np.int64)
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1)
