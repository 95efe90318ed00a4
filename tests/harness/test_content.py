"""Digests of content: alike for what is alike, whatever file it stands in, and different for all else."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldlock.tables import (
    BATCH_ROWS,
    DTYPES,
    Format,
    Table,
    content,
    dtype_of,
    fits_csv,
    fits_npy,
    fits_npz,
    open_table,
    write_table,
)


class Chopped:
    """A table in batches that are smaller than asked for, as no `Batches` may give them."""

    def __init__(self, table: Table, size: int) -> None:
        self.table, self.size = table, size
        self.names, self.types, self.rows = table.names, table.types, table.rows

    def batches(self, names: Sequence[str] | None = None, *, rows: int = BATCH_ROWS) -> Iterator[Table]:
        return self.table.batches(names, rows=self.size)


def digest(array: object, dtype: object = None, absent: Sequence[object] | None = None) -> str:
    column: npt.NDArray[np.generic] = np.array(array, dtype=dtype)  # type: ignore[arg-type]
    masks = {} if absent is None else {"a": np.array(absent, dtype=np.bool_)}
    return content(Table({"a": column}, masks))["a"]


def of_all_types(rows: int) -> Table:
    numbers = np.arange(rows) % 100
    columns: dict[str, npt.NDArray[np.generic]] = {
        name: numbers.astype(dtype_of(name)) if name != "str" else numbers.astype(str) for name in DTYPES
    }
    return Table(columns, {"int8": numbers == 7, "float32": numbers == 99, "date": numbers == 3})


def test_the_stated_format() -> None:
    """Worked out by hand, so that no version of goldlock changes it without a word."""
    values = hashlib.sha256(struct.pack("<4h", 1, -2, 0, 4)).digest()
    absent = hashlib.sha256(bytes([0, 0, 1, 0])).digest()
    title = b"goldlock content 1\nint16\n2\n2\n"
    expected = hashlib.sha256(title + values + absent).hexdigest()
    assert digest([[1, -2], [3, 4]], np.int16, [[0, 0], [1, 0]]) == f"sha256:{expected}"
    lengths = hashlib.sha256(struct.pack("<3q", 2, -1, 0)).digest()
    title = b"goldlock content 1\nstr\n\n3\n"
    expected = hashlib.sha256(title + lengths + hashlib.sha256("\u00e4".encode()).digest()).hexdigest()
    assert digest(["\u00e4", None, ""], object) == f"sha256:{expected}"


@given(st.integers(0, 40), st.integers(1, 41), st.integers(1, 3))
def test_batches_and_threads_change_nothing(rows: int, size: int, threads: int) -> None:
    table = of_all_types(rows)
    assert content(Chopped(table, size), threads=threads) == content(table, threads=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("fmt", list(Format))
def test_formats_change_nothing(fmt: Format, tmp_path: Path) -> None:
    table = of_all_types(300)
    if not {Format.CSV: fits_csv, Format.NPZ: fits_npz, Format.NPY: fits_npy}.get(fmt, lambda _: True)(table):
        table = Table({name: table.columns[name] for name in table.names if name not in table.absent})
    write_table(table, tmp_path / "t", fmt)
    assert content(open_table(tmp_path / "t", fmt, where="here", types=table.types)) == content(table)


def test_name_and_other_columns_change_nothing() -> None:
    table = of_all_types(50)
    together = content(table)
    for name, array in table.columns.items():
        absent = {"x": table.absent[name]} if name in table.absent else {}
        assert content(Table({"x": array}, absent))["x"] == together[name]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.array([1, 2], dtype="<i4"), np.array([1, 2], dtype=">i4")),
        (np.array([1.5, np.nan], dtype="<f8"), np.array([1.5, np.nan], dtype=">f8")),
        (np.array(["2024-02-29"], dtype="<M8[us]"), np.array(["2024-02-29"], dtype=">M8[ms]")),
        (np.array([0x7FF8000000000000], "u8").view("f8"), np.array([0xFFF8000000000123], "u8").view("f8")),
        (
            np.array([0x7FC0], "u2").view(dtype_of("bfloat16")),
            np.array([0xFFC1], "u2").view(dtype_of("bfloat16")),
        ),
        (np.array([0x7E00], "u2").view("f2"), np.array([0x7D01], "u2").view("f2")),
        (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3))),
        (np.array(["a", "bc"]), np.array(["a", "bc"], dtype=object)),
    ],
    ids=["bytes", "bytes of floats", "units", "NaN", "NaN of bfloat16", "NaN of float16", "order", "text"],
)
def test_what_is_alike(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> None:
    assert digest(one) == digest(other)


def test_what_stands_under_an_absent_value_is_nothing() -> None:
    assert digest([1, 2, 3], np.int8, [0, 1, 0]) == digest([1, 99, 3], np.int8, [0, 1, 0])
    assert digest([1.0, np.nan], np.float32, [0, 1]) == digest([1.0, 5.0], np.float32, [0, 1])


def test_what_is_not_alike() -> None:
    digests = [
        digest([0.0], np.float64),
        digest([-0.0], np.float64),
        digest([np.nan], np.float64),
        digest([0.0], np.float64, [True]),
        digest([0.0], np.float32),
        digest([0], np.int64),
        digest([0], np.int64, [True]),
        digest([0], np.int32),
        digest([False], np.bool_),
        digest([[0]], np.int64),
        digest([[[0]]], np.int64),
        digest(np.zeros((1, 0)), np.int64),
        digest(np.zeros((1, 2, 0)), np.int64),
        digest(np.zeros((2, 0)), np.int64),
        digest([], np.int64),
        digest([], np.float64),
        digest([], object),
        digest([""], object),
        digest([None], object),
        digest(["0"], object),
        digest(["ab", "c"], object),
        digest(["a", "bc"], object),
        digest(["abc", ""], object),
        digest(["\0"], object),
        digest(["1970-01-01"], "M8[D]"),
        digest(["1970-01-01"], "M8[us]"),
        digest(["NaT"], "M8[us]"),
    ]
    assert len(set(digests)) == len(digests)


def test_the_first_absent_value_after_many_batches() -> None:
    rows = 3 * BATCH_ROWS
    mask = np.arange(rows) == rows - 1
    late = content(Table({"a": np.zeros(rows, dtype=np.int8)}, {"a": mask}))
    assert late == content(Chopped(Table({"a": np.zeros(rows, dtype=np.int8)}, {"a": mask}), 1000))  # type: ignore[arg-type]
    assert late != content(Table({"a": np.zeros(rows, dtype=np.int8)}))
    assert late != content(Table({"a": np.zeros(rows, dtype=np.int8)}, {"a": np.roll(mask, -1)}))


def test_no_columns() -> None:
    assert content(Table({})) == {}
