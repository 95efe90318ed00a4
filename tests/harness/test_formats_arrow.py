"""Parquet and Arrow as others write them: what is read, what is refused, and how large they may be."""

from __future__ import annotations

import datetime as dt
import io
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldlock.tables import Format, Limits, Table, decode, dtype_of, encode, open_table, whole, write_table
from goldlock_env.errors import ConfigurationError, CouldNotRunError


def parquet(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def ipc(table: pa.Table, kind: str = "file", compression: str | None = None, rows: int = 3) -> bytes:
    sink = io.BytesIO()
    make = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with make(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def written(table: pa.Table, fmt: Format) -> bytes:
    return parquet(table) if fmt is Format.PARQUET else ipc(table)


def read(column: pa.Array, fmt: Format = Format.ARROW) -> Table:
    return decode(written(pa.table({"a": column}), fmt), fmt, where="here")


both = pytest.mark.parametrize("fmt", [Format.PARQUET, Format.ARROW])


@both
class TestColumns:
    @pytest.mark.parametrize(
        ("column", "dtype", "values"),
        [
            (pa.array([1, None, 3], pa.int8()), "int8", [1, None, 3]),
            (pa.array([1, None], pa.uint64()), "uint64", [1, None]),
            (pa.array([1.5, None, float("nan")], pa.float32()), "float32", [1.5, None, "nan"]),
            (pa.array([np.float16(1.5), None], pa.float16()), "float16", [1.5, None]),
            (pa.array([True, None, False]), "bool", [True, None, False]),
            (pa.array(["x", None, ""]), "str", ["x", None, ""]),
            (pa.array(["x", None], pa.large_string()), "str", ["x", None]),
            (pa.array(["x", "y", None, "x"]).dictionary_encode(), "str", ["x", "y", None, "x"]),
            (pa.array([None, None], pa.string()).dictionary_encode(), "str", [None, None]),
            (pa.array([dt.date(2024, 2, 29), None]), "date", ["2024-02-29", None]),
            (pa.array([dt.date(1969, 12, 31)], pa.date64()), "date", ["1969-12-31"]),
            (pa.array([-1, None], pa.timestamp("s")), "datetime", ["1969-12-31T23:59:59.000000", None]),
            (pa.array([1500], pa.timestamp("ms")), "datetime", ["1970-01-01T00:00:01.500000"]),
            (pa.array([1_000], pa.timestamp("ns")), "datetime", ["1970-01-01T00:00:00.000001"]),
            (pa.array([0], pa.timestamp("us", "Europe/Berlin")), "datetime", ["1970-01-01T00:00:00.000000"]),
            (pa.array([[1, 2], [3, 4]]), "int64[2]", ["[1, 2]", "[3, 4]"]),
            (pa.array([[1, None], None], pa.list_(pa.int8(), 2)), "int8[2]", ["[1, None]", "[None, None]"]),
            (pa.array([None, ["x"]], pa.list_(pa.string())), "str[1]", ["[None]", "['x']"]),
            (pa.array([[[1], [2]]], pa.large_list(pa.list_(pa.int32()))), "int32[2,1]", ["[[1], [2]]"]),
            (pa.array([[], []], pa.list_(pa.int32())), "int32[0]", ["[]", "[]"]),
            (pa.array([], pa.list_(pa.int32())), "int32[0]", []),
            (pa.nulls(2), "str", [None, None]),
        ],
        ids=str,
    )
    def test_are_read(self, fmt: Format, column: pa.Array, dtype: str, values: list[object]) -> None:
        table = read(column, fmt)
        assert str(table.types["a"]) == dtype
        assert ["nan" if value != value else value for value in table.plain("a")] == values  # noqa: PLR0124

    @pytest.mark.parametrize(
        ("column", "kind", "instead"),
        [
            (pa.array([None], pa.decimal128(5, 2)), "decimal128(5, 2)", "float64 or text"),
            (pa.array([1], pa.duration("s")), "duration[s]", "whole numbers"),
            (pa.array([1], pa.time32("ms")), "time32[ms]", "text or whole numbers"),
            (pa.array([{"x": 1}]), "struct<x: int64>", "a column for each field"),
            (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())), "map<string, int8", "columns of keys"),
            (pa.array([b"x"]), "binary", "text, or a column of uint8"),
            (pa.array([b"xy"], pa.binary(2)), "fixed_size_binary[2]", "text, or a column of uint8"),
            (pa.array([[b"x"]]), "list<", "text, or a column"),
        ],
        ids=str,
    )
    def test_are_refused_by_name_and_type(
        self, fmt: Format, column: pa.Array, kind: str, instead: str
    ) -> None:
        with pytest.raises(CouldNotRunError) as caught:
            read(column, fmt)
        assert caught.value.message.startswith(f"here: column 'a' is of Arrow's type {kind}")
        assert instead in caught.value.hint

    def test_extension_types_are_refused(self, fmt: Format) -> None:
        tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 3)))
        unknown = pa.field("a", pa.int8(), metadata={"ARROW:extension:name": "com.example"})
        for table in (
            pa.table({"a": tensor}),
            pa.Table.from_arrays([pa.array([1], pa.int8())], schema=pa.schema([unknown])),
        ):
            with pytest.raises(CouldNotRunError, match="column 'a' is of Arrow's type"):
                decode(written(table, fmt), fmt, where="here")

    def test_times_that_are_no_whole_microseconds_are_refused(self, fmt: Format) -> None:
        with pytest.raises(CouldNotRunError, match="holds a time that is no whole number of microseconds"):
            read(pa.array([1], pa.timestamp("ns")), fmt)

    def test_ragged_lists_are_refused(self, fmt: Format) -> None:
        with pytest.raises(
            CouldNotRunError, match="column 'a' is ragged: a list of 1 values, where the first"
        ):
            read(pa.array([None, [1, 2], [3]]), fmt)

    def test_two_columns_of_one_name(self, fmt: Format) -> None:
        table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
        with pytest.raises(CouldNotRunError, match="column 'a' stands there twice"):
            decode(written(table, fmt), fmt, where="here")

    def test_another_type_than_recorded(self, fmt: Format) -> None:
        types = Table({"a": np.zeros(1)}).types
        with pytest.raises(CouldNotRunError, match="column 'a' is int64, not the recorded float64"):
            decode(written(pa.table({"a": [1]}), fmt), fmt, where="here", types=types)

    def test_many_rows_with_nulls_in_slices(self, fmt: Format, tmp_path: Path) -> None:
        rows = 200_000
        values = [None if i % 3 == 0 else i for i in range(rows)]
        lists = [None if i % 5 == 0 else [i, None if i % 7 == 0 else i] for i in range(rows)]
        table = pa.table({"n": pa.array(values), "l": pa.array(lists)})
        (tmp_path / "t").write_bytes(parquet(table) if fmt is Format.PARQUET else ipc(table, rows=rows))
        found = open_table(tmp_path / "t", fmt, where="here")
        for number, part in enumerate(found.batches(rows=70_001)):
            start = number * 70_001
            assert part.plain("n") == values[start : start + 70_001]
            assert part.plain("l")[:50] == [str(value or [None, None]) for value in lists[start : start + 50]]


def test_days_that_are_no_days_are_refused() -> None:
    array = pa.array([5], pa.int64()).view(pa.date64())
    with pytest.raises(CouldNotRunError, match="does not represent a whole number of days"):
        read(array)


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_arrow_files_and_streams(kind: str, compression: str | None) -> None:
    table = pa.table({"a": list(range(10)), "s": pa.array(["x", "y"] * 5).dictionary_encode()})
    found = decode(ipc(table, kind, compression), Format.ARROW, where="here")
    assert (found.plain("a"), found.plain("s")) == (list(range(10)), ["x", "y"] * 5)


def test_text_views_are_read() -> None:
    assert read(pa.array(["a text longer than twelve", None, ""], pa.string_view())).plain("a") == [
        "a text longer than twelve",
        None,
        "",
    ]


def test_what_pandas_and_polars_write_is_read(tmp_path: Path) -> None:
    columns = {"n": [1, 2], "p": [0.5, 1.5], "s": ["x", None], "t": [dt.datetime(2024, 2, 29)] * 2}  # noqa: DTZ001
    pd.DataFrame(columns).to_parquet(tmp_path / "pandas.parquet")
    pd.DataFrame(columns).to_feather(tmp_path / "pandas.arrow")
    pl.DataFrame(columns).write_parquet(tmp_path / "polars.parquet")
    pl.DataFrame(columns).write_ipc(tmp_path / "polars.arrow")
    for path in tmp_path.iterdir():
        table = whole(open_table(path, Format(path.suffix[1:]), where="here"))
        assert [str(found) for found in table.types.values()] == ["int64", "float64", "str", "datetime"], path
        assert table.plain("s") == ["x", None]
        assert table.plain("t") == ["2024-02-29T00:00:00.000000"] * 2


def test_what_is_written_is_read_by_others(tmp_path: Path) -> None:
    table = Table(
        {"n": np.array([1, 2]), "s": np.array(["x", None], dtype=object), "v": np.zeros((2, 3), np.float32)},
        {"n": np.array([False, True])},
    )
    write_table(table, tmp_path / "t.parquet", Format.PARQUET)
    write_table(table, tmp_path / "t.arrow", Format.ARROW)
    for frame in (
        pl.read_parquet(tmp_path / "t.parquet"),
        pl.read_ipc(tmp_path / "t.arrow"),
    ):
        assert frame.rows() == [(1, "x", [0.0] * 3), (None, None, [0.0] * 3)]
    assert pd.read_parquet(tmp_path / "t.parquet")["n"].isna().tolist() == [False, True]


def test_bfloat16_is_known_by_the_files_own_word() -> None:
    table = Table({"a": np.array([1.5, -0.0], dtype=dtype_of("bfloat16"))})
    data = encode(table, Format.PARQUET)
    field = pq.ParquetFile(io.BytesIO(data)).schema_arrow.field("a")
    assert (field.type, field.metadata[b"goldlock.dtype"]) == (pa.uint16(), b"bfloat16")
    assert decode(data, Format.PARQUET, where="here") == table


@pytest.mark.parametrize("shape", [b"2", b"x", b"0,x", b"-1,0", b"0,99999999999999999999", b""])
@both
def test_metadata_that_lies_about_shapes(fmt: Format, shape: bytes) -> None:
    field = pa.field("a", pa.bool_(), metadata={"goldlock.dtype": "int8", "goldlock.shape": shape})
    table = pa.Table.from_arrays([pa.array([True])], schema=pa.schema([field]))
    with pytest.raises(CouldNotRunError, match="that goldlock did not write"):
        decode(written(table, fmt), fmt, where="here")


def test_days_beyond_32_bits_are_not_written() -> None:
    table = Table({"a": np.array([1 << 40]).astype("datetime64[D]")})
    with pytest.raises(CouldNotRunError, match="holds a date that Arrow cannot hold"):
        encode(table, Format.PARQUET)


class TestLimits:
    def test_what_parquet_declares_is_believed_before_it_is_read(self) -> None:
        data = parquet(pa.table({"a": np.zeros(10_000_000, dtype=np.int64)}), compression="zstd")
        assert len(data) < 100_000
        with pytest.raises(CouldNotRunError, match="bytes unpacked, and the limit is 1000000"):
            decode(data, Format.PARQUET, where="here", limits=Limits(size=1_000_000))

    def test_what_arrow_declares_is_believed_before_it_is_read(self) -> None:
        data = ipc(pa.table({"a": np.zeros(1_000_000, dtype=np.int64)}), compression="zstd", rows=1_000_000)
        assert len(data) < 100_000
        with pytest.raises(CouldNotRunError, match="bytes unpacked, and the limit is 1000000"):
            decode(data, Format.ARROW, where="here", limits=Limits(size=1_000_000))

    def test_rows_that_take_no_bytes(self) -> None:
        with pytest.raises(CouldNotRunError, match="5000 rows, and the limit is 1000"):
            decode(
                ipc(pa.table({"a": pa.nulls(5000)}), rows=5000),
                Format.ARROW,
                where="here",
                limits=Limits(size=1000),
            )

    @both
    def test_columns(self, fmt: Format) -> None:
        data = written(pa.table({"a": [1], "b": [1]}), fmt)
        with pytest.raises(CouldNotRunError, match="2 columns, and the limit is 1"):
            decode(data, fmt, where="here", limits=Limits(columns=1))

    def test_one_long_text_repeated_is_one_text(self, tmp_path: Path) -> None:
        """A bomb of a few kilobytes: as texts of their own these would be 40 GB."""
        column = pa.DictionaryArray.from_arrays(np.zeros(400_000, np.int32), pa.array(["x" * 100_000]))
        (tmp_path / "t").write_bytes(parquet(pa.table({"a": column})))
        for part in open_table(tmp_path / "t", Format.PARQUET, where="here").batches(rows=100_000):
            assert len(set(map(id, part.columns["a"]))) < 20


@pytest.mark.parametrize(
    ("data", "fmt", "expected"),
    [
        (b"", Format.PARQUET, "is not a Parquet file"),
        (b"PAR1", Format.PARQUET, "is not whole Parquet: "),
        (b"a,b\n1,2\n", Format.PARQUET, "is not a Parquet file"),
        (b"", Format.ARROW, "is empty; Arrow IPC is expected"),
        (b"ARROW1\0\0", Format.ARROW, "is empty; Arrow IPC is expected"),
        (b"FEA1....", Format.ARROW, "is Feather of version 1"),
        (b"a,b\n1,2\n", Format.ARROW, "is not whole Arrow IPC: "),
        (struct.pack("<II", 0xFFFFFFFF, 1 << 30), Format.ARROW, "is not whole Arrow IPC: a message with"),
        (struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF), Format.ARROW, "is not whole Arrow IPC: no message"),
        (struct.pack("<II", 0xFFFFFFFF, 100), Format.ARROW, "is not whole Arrow IPC: a message is cut off"),
    ],
)
def test_what_is_no_such_file(data: bytes, fmt: Format, expected: str) -> None:
    with pytest.raises(CouldNotRunError) as caught:
        decode(data, fmt, where="here")
    assert caught.value.message.startswith(f"here: {expected}")
    assert caught.value.hint


@both
def test_without_pyarrow_it_is_said_what_to_install(fmt: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(pa.table({"a": [1]}), fmt)
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    steps: list[Callable[[], object]] = [
        lambda: decode(data, fmt, where="here"),
        lambda: encode(Table({"a": np.zeros(1)}), fmt),
    ]
    for step in steps:
        with pytest.raises(ConfigurationError) as caught:
            step()
        assert caught.value.hint == "pip install 'goldlock[parquet]'"


def test_row_groups_do_not_depend_on_the_batches(tmp_path: Path) -> None:
    rows = (1 << 20) + 5
    write_table(Table({"a": np.zeros(rows, dtype=np.int8)}), tmp_path / "t", Format.PARQUET)
    metadata = pq.read_metadata(tmp_path / "t")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [1 << 20, 5]
