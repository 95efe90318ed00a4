"""Tables as Arrow IPC: a file (also called Feather) or a stream, read record batch by record batch."""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from goldlock.tables._arrow_read import column_type, table_of
from goldlock.tables._arrow_write import record_batch, schema
from goldlock.tables._batches import BATCH_ROWS, Batches, fitting_rows, rechunked
from goldlock.tables._infer import check_found, check_names
from goldlock.tables._ipc import filed_messages, messages
from goldlock.tables._normal import check_name
from goldlock.tables._pyarrow import pyarrow, pyarrow_faults
from goldlock.tables._source import Source
from goldlock.tables._table import Table
from goldlock.tables._types import ColumnType

_FORMAT = "Arrow IPC"
_HINT = "write it again with pyarrow, pandas or polars; the file must be closed before it is read"
_MAGIC = b"ARROW1\0\0"
_FIRST_FEATHER = b"FEA1"
# A record batch larger than this is mapped rather than read, so that memory can be given back.
_LARGEST_READ = 1 << 26


class Arrow:
    """An Arrow IPC file or stream, as `Batches`."""

    def __init__(self, source: Source, types: Mapping[str, ColumnType] | None) -> None:
        self._source = source
        self._is_file, self.rows, self._largest = _measured(source)
        with pyarrow_faults(source, _FORMAT, _HINT), self._opened() as reader:
            fields = list(reader.schema)
            source.check_columns(len(fields))
            check_names([field.name for field in fields], None, source.fault)
            for field in fields:
                check_name(field.name)
        if self.rows > source.limits.size:
            raise source.too_large("rows", self.rows, source.limits.size)
        self.rows = self.rows if fields else 0
        found = {field.name: column_type(source, field, self._pieces(field.name)) for field in fields}
        self.types: Mapping[str, ColumnType] = check_found(found, types, source.fault, _HINT)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.types)

    def batches(self, names: Sequence[str] | None = None, *, rows: int = BATCH_ROWS) -> Iterator[Table]:
        chosen = {name: self.types[name] for name in (self.names if names is None else names)}
        return rechunked(self._tables(chosen, rows), tuple(chosen), self.types, rows)

    def _tables(self, chosen: Mapping[str, ColumnType], rows: int) -> Iterator[Table]:
        read, step = 0, min(rows, fitting_rows(chosen))
        for batch in self._record_batches():
            for start in range(0, batch.num_rows, step):
                part = batch.slice(start, step)
                with pyarrow_faults(self._source, _FORMAT, _HINT):
                    table = table_of(self._source, part, chosen, read)
                yield table
                read += part.num_rows
        if chosen and read != self.rows:
            raise self._source.fault(f"holds {read} rows where it declares {self.rows}", _HINT)

    def _pieces(self, name: str) -> Iterator[Any]:
        for batch in self._record_batches():
            yield batch.column(batch.schema.get_field_index(name))

    def _record_batches(self) -> Iterator[Any]:
        with contextlib.ExitStack() as stack:
            with pyarrow_faults(self._source, _FORMAT, _HINT):
                reader = stack.enter_context(self._opened())
                count = reader.num_record_batches if self._is_file else None
            for number in itertools.count() if count is None else range(count):
                with pyarrow_faults(self._source, _FORMAT, _HINT):
                    batch = next(reader, None) if count is None else reader.get_batch(number)
                    if batch is None:
                        return
                    # pyarrow trusts offsets, indices and text of IPC as they stand.
                    batch.validate(full=True)
                yield batch

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        pa, ipc, data = pyarrow(), pyarrow("ipc"), self._source.data
        if not isinstance(data, Path):
            file = pa.BufferReader(data)
        elif self._largest > _LARGEST_READ:
            file = pa.memory_map(str(data))
        else:
            file = pa.OSFile(str(data))
        with file, ipc.open_file(file) if self._is_file else ipc.open_stream(file) as reader:
            yield reader


def _measured(source: Source) -> tuple[bool, int, int]:
    """Return whether it is a file (not a stream), its rows, and the bytes of its largest message."""
    rows = largest = unpacked = 0
    with source.open() as file:
        head = file.read(len(_MAGIC))
        if head.startswith(_FIRST_FEATHER):
            raise source.fault(
                "is Feather of version 1", "write version 2, which is what pyarrow and pandas do unless told"
            )
        is_file = head == _MAGIC
        if source.size <= (len(_MAGIC) if is_file else 0):
            raise source.fault(
                f"is empty; {_FORMAT} is expected", "see whether the subject wrote its output at all"
            )
        file.seek(0)
        try:
            for message in (filed_messages if is_file else messages)(file, source.size):
                rows += message.rows if message.is_batch else 0
                largest = max(largest, message.packed, message.unpacked)
                unpacked += message.unpacked
                if unpacked > source.limits.size:
                    raise source.too_large("bytes unpacked", unpacked, source.limits.size)
        except struct.error as error:
            raise source.fault(f"is not whole {_FORMAT}: a message is cut off", _HINT) from error
        except ValueError as error:
            raise source.fault(f"is not whole {_FORMAT}: {error}", _HINT) from error
    return is_file, rows, largest


def write_arrow(batches: Batches, sink: BinaryIO) -> None:
    """Write a table as an Arrow IPC file, unpacked, in record batches of a size that only the types decide.

    Raises CouldNotRunError for what Arrow's types cannot hold.
    """
    types = batches.types
    wanted = schema(types)
    with pyarrow("ipc").new_file(sink, wanted) as writer:
        for batch in batches.batches(rows=fitting_rows(types)):
            writer.write_batch(record_batch(batch, wanted))
