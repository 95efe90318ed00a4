"""Tables that are read in batches, so that memory does not grow with their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from goldlock.tables._table import Table, assembled
from goldlock.tables._types import Array, ColumnType, Mask, dtype_of
from goldlock_env.errors import CouldNotRunError

BATCH_ROWS = 1 << 16
"""Rows of one batch unless told: a few megabytes for most tables."""

_BATCH_BYTES = 1 << 23
_TEXT_BYTES = 64  # a guess: what a text of a dozen characters takes as a Python object, with its reference


class Batches(Protocol):
    """A table on disk or in memory, to be read from the beginning as often as wanted."""

    @property
    def names(self) -> tuple[str, ...]:
        """Columns, in their order."""

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """Type of each column, in their order."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    def batches(self, names: Sequence[str] | None = None, *, rows: int = BATCH_ROWS) -> Iterator[Table]:
        """Yield the rows in order: exactly `rows` in each batch but the last; nothing where there are no rows.

        With `names` only those columns, in that order. Raises CouldNotRunError where the data turn out broken.
        """


def whole(batches: Batches) -> Table:
    """Return the table in memory."""
    if isinstance(batches, Table):
        return batches
    return Table.joined(batches.names, batches.types, list(batches.batches()))


def row_bytes(column_type: ColumnType) -> int:
    """Return about how much memory one row of a column takes."""
    size = _TEXT_BYTES if column_type.dtype == "str" else dtype_of(column_type.dtype).itemsize
    for length in column_type.shape:
        size *= length
    return size


def fitting_rows(types: Mapping[str, ColumnType], *, size: int = _BATCH_BYTES, most: int = BATCH_ROWS) -> int:
    """Return how many rows of these columns take about `size` bytes: 1 to `most`, for columns of large shapes."""
    each = sum(map(row_bytes, types.values()))
    return max(1, min(most, size // max(1, each)))


def rechunked(
    pieces: Iterable[Table], names: Sequence[str], types: Mapping[str, ColumnType], rows: int
) -> Iterator[Table]:
    """Yield the rows of `pieces` of any lengths, exactly `rows` in each table but the last."""
    waiting: list[Table] = []
    held = 0
    for piece in pieces:
        start = 0
        while held + piece.rows - start >= rows:
            stop = start + rows - held
            waiting.append(piece if stop - start == piece.rows else piece.part(start, stop))
            yield Table.joined(names, types, waiting)
            waiting, held, start = [], 0, stop
        if start < piece.rows:
            waiting.append(piece.part(start, piece.rows) if start else piece)
            held += piece.rows - start
    if held:
        yield Table.joined(names, types, waiting)


def take(batches: Batches, places: Sequence[int]) -> Table:
    """Return the rows at `places`: zero-based, each greater than the one before; the rest is read past.

    Raises CouldNotRunError for a place that is not there, and where the data turn out broken.
    """
    wanted = np.asarray(places, dtype=np.int64)
    if wanted.size and (wanted[0] < 0 or wanted[-1] >= batches.rows or bool((np.diff(wanted) <= 0).any())):
        raise CouldNotRunError(
            f"rows {list(places)[:10]!r} cannot be taken of a table of {batches.rows} rows",
            hint="give rising numbers of rows, from 0",
        )
    found: list[Table] = []
    start = 0
    size = fitting_rows(batches.types)
    for batch in batches.batches(rows=size) if wanted.size else ():
        inside = wanted[(wanted >= start) & (wanted < start + batch.rows)] - start
        if inside.size:
            columns: dict[str, Array] = {name: array[inside] for name, array in batch.columns.items()}
            absent: dict[str, Mask] = {name: mask[inside] for name, mask in batch.absent.items()}
            found.append(assembled(columns, absent))
        start += batch.rows
        if start > wanted[-1]:
            break
    return Table.joined(batches.names, batches.types, found)
