"""Tables as Apache Parquet, read row group by row group, in pages, so that memory does not grow with the rows.

Everything a file declares about its size is checked before it is read. https://parquet.apache.org/docs/file-format/
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from goldlock.tables._arrow_read import column_type, table_of
from goldlock.tables._arrow_write import record_batch, schema
from goldlock.tables._batches import BATCH_ROWS, Batches, fitting_rows, rechunked
from goldlock.tables._infer import check_found, check_names
from goldlock.tables._normal import check_name
from goldlock.tables._pyarrow import pyarrow, pyarrow_faults
from goldlock.tables._source import Source
from goldlock.tables._table import Table
from goldlock.tables._types import ColumnType

_FORMAT = "Parquet"
_HINT = "write it again with pyarrow, pandas or polars; the file must be closed before it is read"
_MAGIC = b"PAR1"
_GROUP_ROWS = 1 << 20
_GROUP_BYTES = 1 << 25
# Buffers of all columns together while one row group is read, and bounds of one.
_BUFFERS = 1 << 24
_SMALLEST_BUFFER, _LARGEST_BUFFER = 1 << 14, 1 << 20
# A column chunk is read by its dictionary where it takes no more than this, or than this for each value.
_SMALL_DICTIONARY, _CHOICE_BYTES = 1 << 20, 3
# Rows whose lists show the lengths of a column.
_PEEK_ROWS = 1 << 10


class Parquet:
    """A Parquet file, as `Batches`."""

    def __init__(self, source: Source, types: Mapping[str, ColumnType] | None) -> None:
        self._source = source
        with pyarrow_faults(source, _FORMAT, _HINT), source.open() as file:
            if file.read(4) != _MAGIC:
                raise source.fault("is not a Parquet file", _HINT)
        with self._opened() as file, pyarrow_faults(source, _FORMAT, _HINT):
            self._metadata = file.metadata
            self._schema = file.schema_arrow
            self._check_declared()
            found = {
                field.name: column_type(source, field, self._pieces(field.name)) for field in self._schema
            }
        self.types: Mapping[str, ColumnType] = check_found(found, types, source.fault, _HINT)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.types)

    @property
    def rows(self) -> int:
        if not self.types:
            return 0
        return sum(self._metadata.row_group(i).num_rows for i in range(self._metadata.num_row_groups))

    def batches(self, names: Sequence[str] | None = None, *, rows: int = BATCH_ROWS) -> Iterator[Table]:
        chosen = {name: self.types[name] for name in (self.names if names is None else names)}
        return rechunked(self._tables(chosen, rows), tuple(chosen), self.types, rows)

    def _tables(self, chosen: Mapping[str, ColumnType], rows: int) -> Iterator[Table]:
        read = 0
        for batch in self._record_batches(list(chosen), min(rows, fitting_rows(chosen))):
            with pyarrow_faults(self._source, _FORMAT, _HINT):
                table = table_of(self._source, batch, chosen, read)
            yield table
            read += batch.num_rows
        if chosen and read != self.rows:
            raise self._source.fault(f"holds {read} rows where it declares {self.rows}", _HINT)

    def _pieces(self, name: str) -> Iterator[Any]:
        for batch in self._record_batches([name], _PEEK_ROWS):
            yield batch.column(batch.schema.get_field_index(name))

    def _record_batches(self, names: list[str], rows: int) -> Iterator[Any]:
        with self._opened(self._dictionaries(names)) as file:
            pieces = file.iter_batches(batch_size=rows, columns=names)
            while True:
                with pyarrow_faults(self._source, _FORMAT, _HINT):
                    batch = next(pieces, None)
                    if batch is None:
                        return
                yield batch

    @contextlib.contextmanager
    def _opened(self, dictionaries: Sequence[str] = ()) -> Iterator[Any]:
        known = getattr(self, "_metadata", None)
        count = max(1, known.num_columns if known is not None else 1)
        with self._source.open() as raw:
            with pyarrow_faults(self._source, _FORMAT, _HINT):
                file = pyarrow("parquet").ParquetFile(
                    raw,
                    metadata=known,
                    read_dictionary=list(dictionaries),
                    pre_buffer=False,
                    buffer_size=max(_SMALLEST_BUFFER, min(_LARGEST_BUFFER, _BUFFERS // count)),
                )
            yield file

    def _dictionaries(self, names: Sequence[str]) -> list[str]:
        """Return the text columns that are stored as choices from a small dictionary, to be read as such.

        Each text is made once then, and one long text that a few bytes repeat a million times does not fill memory.
        Of a large one pyarrow would gather every text of a row group.
        """
        types = pyarrow("types")
        kinds = {name: self._schema.field(name).type for name in names}
        texts = {name for name, kind in kinds.items() if types.is_string(kind) or types.is_large_string(kind)}
        found = set(texts)
        with pyarrow_faults(self._source, _FORMAT, _HINT):
            for group in range(self._metadata.num_row_groups if texts else 0):
                for place in range(self._metadata.num_columns):
                    chunk = self._metadata.row_group(group).column(place)
                    if chunk.path_in_schema in found and not _is_small_dictionary(chunk):
                        found.remove(chunk.path_in_schema)
        return sorted(found)

    def _check_declared(self) -> None:
        source, metadata = self._source, self._metadata
        source.check_columns(metadata.num_columns)
        unpacked = 0
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            if row_group.num_rows < 0:
                raise source.fault(f"row group {group} declares {row_group.num_rows} rows", _HINT)
            for place in range(metadata.num_columns):
                chunk = row_group.column(place)
                if min(chunk.num_values, chunk.total_uncompressed_size, chunk.total_compressed_size) < 0:
                    raise source.fault(f"row group {group} declares a negative size", _HINT)
                # A dictionary's choices take less than the values they stand for.
                unpacked += max(chunk.total_uncompressed_size, chunk.num_values)
        if unpacked > source.limits.size:
            raise source.too_large("bytes unpacked", unpacked, source.limits.size)
        names = self._schema.names
        check_names(names, None, source.fault)
        for name in names:
            check_name(name)


def _is_small_dictionary(chunk: Any) -> bool:  # noqa: ANN401 - pyarrow
    size = chunk.total_uncompressed_size
    return any("DICTIONARY" in encoding for encoding in chunk.encodings) and (
        size <= _SMALL_DICTIONARY or size < _CHOICE_BYTES * chunk.num_values
    )


def write_parquet(batches: Batches, sink: BinaryIO) -> None:
    """Write a table as Parquet: zstd, text by dictionary, row groups of a size that only the types decide.

    The same table gives the same bytes with one version of pyarrow. Raises CouldNotRunError for what Arrow's types
    cannot hold.
    """
    pa, types = pyarrow(), batches.types
    wanted = schema(types)
    options = {
        "version": "2.6",
        "compression": "zstd",
        "use_dictionary": [name for name, found in types.items() if found.dtype == "str"],
        "write_statistics": False,
        "store_schema": True,
    }
    group = fitting_rows(types, size=_GROUP_BYTES, most=_GROUP_ROWS)
    with pyarrow("parquet").ParquetWriter(sink, wanted, **options) as writer:
        step = min(group, fitting_rows(types))
        pieces: list[Any] = []
        held = 0
        for batch in batches.batches(rows=step):
            start = 0
            while start < batch.rows:
                stop = min(batch.rows, start + group - held)
                pieces.append(record_batch(batch.part(start, stop), wanted))
                held += stop - start
                start = stop
                if held == group:
                    writer.write_table(pa.Table.from_batches(pieces, wanted), row_group_size=group)
                    pieces, held = [], 0
        if held:
            writer.write_table(pa.Table.from_batches(pieces, wanted), row_group_size=group)
