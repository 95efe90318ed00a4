"""Files read and written in batches: the same table whatever the batches, and errors of ours whatever the bytes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldlock.tables import (
    BATCH_ROWS,
    Batches,
    ColumnType,
    Format,
    Limits,
    Table,
    dtype_of,
    encode,
    fits_csv,
    fits_npy,
    fits_npz,
    fitting_rows,
    open_table,
    take,
    whole,
    write_table,
)
from goldlock_env.errors import CouldNotRunError

ROWS = 1000
BINARY = [Format.NPZ, Format.NPY, Format.PARQUET, Format.ARROW]


def everything(rows: int) -> Table:
    """One column of each type, with absent values where the type has them."""
    numbers = np.arange(rows)
    columns: dict[str, np.ndarray] = {
        "text": np.array([None if i % 7 == 3 else f"row {i} \u00e4" for i in range(rows)], dtype=object),
        "flag": numbers % 3 == 0,
        "half": numbers.astype(np.float16),
        "brain": numbers.astype(dtype_of("bfloat16")),
        "wide": np.where(numbers % 5 == 0, np.nan, numbers / 3),
        "whole": numbers.astype(np.uint64),
        "day": numbers.astype("datetime64[D]"),
        "time": numbers.astype("datetime64[us]"),
        "image": np.arange(rows * 6, dtype=np.uint8).reshape(rows, 2, 3),
        "words": np.array(
            [part for i in range(rows) for part in ("a", None if i % 2 else "b")], dtype=object
        ),
    }
    columns["words"] = columns["words"].reshape(rows, 2)
    absent = {
        name: numbers % 11 == place for place, name in enumerate(["flag", "half", "wide", "whole", "day"])
    }
    return Table(columns, {**absent, "image": np.arange(rows * 6).reshape(rows, 2, 3) % 13 == 0})


def plain(rows: int) -> Table:
    """Columns that every format holds."""
    numbers = np.arange(rows)
    return Table(
        {
            "name": np.array([f"n{i}" for i in range(rows)], dtype=object),
            "p": numbers.astype(np.float32) / 7,
            "n": numbers,
            "day": numbers.astype("datetime64[D]"),
        }
    )


class Chopped:
    """A table that came from elsewhere; counts how much of it is asked for at once."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.names = table.names
        self.types: Mapping[str, ColumnType] = table.types
        self.rows = table.rows
        self.asked: list[int] = []

    def batches(self, names: Sequence[str] | None = None, *, rows: int = BATCH_ROWS) -> Iterator[Table]:
        self.asked.append(rows)
        return self.table.batches(names, rows=rows)


def opened(table: Table, fmt: Format, folder: Path) -> Batches:
    path = folder / f"table.{fmt.value}"
    write_table(table, path, fmt)
    return open_table(path, fmt, where="here", types=table.types)


def fits(table: Table, fmt: Format) -> bool:
    check = {Format.CSV: fits_csv, Format.NPZ: fits_npz, Format.NPY: fits_npy}.get(fmt)
    return check is None or check(table)


@pytest.mark.parametrize("fmt", list(Format))
class TestFiles:
    @pytest.mark.parametrize("make", [everything, plain])
    @pytest.mark.parametrize("rows", [0, 1, ROWS])
    def test_what_was_written_is_read(
        self, fmt: Format, make: Callable[[int], Table], rows: int, tmp_path: Path
    ) -> None:
        table = make(rows)
        if not fits(table, fmt):
            with pytest.raises(CouldNotRunError, match="cannot be written"):
                write_table(table, tmp_path / "x", fmt)
            assert not (tmp_path / "x").exists()
            return
        found = opened(table, fmt, tmp_path)
        assert (found.names, dict(found.types), found.rows) == (table.names, table.types, rows)
        assert whole(found) == table

    @pytest.mark.parametrize("rows", [1, 7, 999, 1000, 1001])
    def test_batches_have_the_rows_asked_for_and_again(self, fmt: Format, rows: int, tmp_path: Path) -> None:
        table = plain(ROWS)
        found = opened(table, fmt, tmp_path)
        for _ in range(2):
            parts = list(found.batches(rows=rows))
            assert [part.rows for part in parts] == [
                min(rows, ROWS - start) for start in range(0, ROWS, rows)
            ]
            assert Table.joined(table.names, table.types, parts) == table

    def test_columns_are_chosen_in_the_order_asked_for(self, fmt: Format, tmp_path: Path) -> None:
        table = plain(10)
        (part,) = opened(table, fmt, tmp_path).batches(["n", "name"])
        assert part == Table({"n": table.columns["n"], "name": table.columns["name"]})

    def test_the_file_is_the_bytes_of_encode_whatever_the_batches(self, fmt: Format, tmp_path: Path) -> None:
        table = plain(3 * ROWS)
        write_table(Chopped(table), tmp_path / "a", fmt)
        assert (tmp_path / "a").read_bytes() == encode(table, fmt)

    def test_a_file_can_be_written_from_a_file(self, fmt: Format, tmp_path: Path) -> None:
        table = plain(ROWS)
        for other in Format:
            write_table(opened(table, other, tmp_path), tmp_path / "again", fmt)
            assert (tmp_path / "again").read_bytes() == encode(table, fmt)

    def test_a_file_that_is_not_there(self, fmt: Format, tmp_path: Path) -> None:
        with pytest.raises(CouldNotRunError, match="here: cannot be read: No such file"):
            open_table(tmp_path / "none", fmt, where="here")

    def test_a_file_larger_than_the_limit(self, fmt: Format, tmp_path: Path) -> None:
        write_table(plain(ROWS), tmp_path / "t", fmt)
        with pytest.raises(CouldNotRunError, match="and the limit is 100"):
            open_table(tmp_path / "t", fmt, where="here", limits=Limits(size=100))

    def test_another_column_than_recorded(self, fmt: Format, tmp_path: Path) -> None:
        write_table(plain(2), tmp_path / "t", fmt)
        with pytest.raises(CouldNotRunError, match=r"here: the columns are not the recorded ones"):
            open_table(tmp_path / "t", fmt, where="here", types={"other": ColumnType(dtype="int8")})

    @pytest.mark.parametrize("places", [[], [0], [3, 4, 999], [0, 500, 998]])
    def test_rows_are_taken_by_their_number(self, fmt: Format, places: list[int], tmp_path: Path) -> None:
        table = plain(ROWS)
        taken = take(opened(table, fmt, tmp_path), places)
        assert taken == Table({name: array[places] for name, array in table.columns.items()})


@pytest.mark.parametrize("places", [[-1], [10], [3, 3], [4, 2]])
def test_rows_that_cannot_be_taken(places: list[int]) -> None:
    with pytest.raises(CouldNotRunError, match="cannot be taken of a table of 10 rows"):
        take(plain(10), places)


def test_rows_with_absent_values_are_taken() -> None:
    taken = take(everything(40), [3, 11, 36])
    assert taken.plain("text") == [None, "row 11 \u00e4", "row 36 \u00e4"]
    assert taken.plain("flag") == [True, None, True]


def test_shapes_that_change_between_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldlock.tables._json._BLOCK_ROWS", 2)
    (tmp_path / "t").write_text('{"x": [1]}\n' * 2 + '{"x": [1, 2]}\n' * 2)
    with pytest.raises(CouldNotRunError) as caught:
        open_table(tmp_path / "t", Format.JSONL, where="here")
    assert caught.value.message == "here: column 'x' is ragged: row 2 has the shape [2] where row 0 has [1]"


class TestTextInBlocks:
    """Types are joined over blocks: what stands at the end counts as much as what stands at the beginning."""

    @pytest.mark.parametrize(
        ("first", "last", "dtype"),
        [
            ("1", "2", "int64"),
            ("1", "18446744073709551615", "uint64"),
            ("-1", "18446744073709551615", "str"),
            ("1", "2.5", "float64"),
            ("123456789012345680", "2.5", "float64"),
            ("123456789012345679", "2.5", "str"),
            ("1", '""', "float64"),
            ('""', "1", "float64"),
            ('""', "true", "str"),
            ("true", "1", "str"),
            ("true", "false", "bool"),
            ("1", "x", "str"),
            ("1", "007", "str"),
        ],
    )
    def test_csv(self, first: str, last: str, dtype: str, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        path.write_text("x\n" + f"{first}\n" * 40_000 + f"{last}\n")
        found = open_table(path, Format.CSV, where="here")
        assert found.types == {"x": ColumnType(dtype=dtype)}
        assert found.rows == 40_001
        assert [part.rows for part in found.batches(rows=20_000)] == [20_000, 20_000, 1]

    @pytest.mark.parametrize(
        ("first", "last", "expected"),
        [
            ("1", "2", "int64"),
            ("1", "1.5", "float64"),
            ("1", "null", "float64"),
            ("null", '"x"', "str"),
            ("1", "18446744073709551615", "uint64"),
            ("[1, 2]", "[1.5, null]", "float64[2]"),
            ("1", '"x"', "column 'x' mixes types: int 1 in row 0, str 'x' in row 40000"),
            ("true", "null", "column 'x' mixes types: bool True in row 0, null in row 40000"),
            ("[1]", "[1, 2]", "column 'x' is ragged: row 40000 has 2 values where row 32768 has 1"),
            ("1", "[1]", "column 'x' is ragged: row 32768 mixes lists and single values"),
        ],
    )
    def test_json_lines(self, first: str, last: str, expected: str, tmp_path: Path) -> None:
        path = tmp_path / "t.jsonl"
        path.write_text(f'{{"x": {first}}}\n' * 40_000 + f'{{"x": {last}}}\n')
        if expected.startswith("column"):
            with pytest.raises(CouldNotRunError) as caught:
                open_table(path, Format.JSONL, where="here")
            assert caught.value.message == f"here: {expected}"
        else:
            found = open_table(path, Format.JSONL, where="here")
            assert str(found.types["x"]) == expected
            assert whole(found).rows == 40_001

    def test_faults_far_into_a_file_name_the_line(self, tmp_path: Path) -> None:
        for name, fmt, text, expected in [
            (
                "a",
                Format.CSV,
                "a\n" + "1\n" * 40_000 + "\n2\n",
                "line 40002 has 0 cells where the header has 1",
            ),
            (
                "b",
                Format.CSV,
                "a,b\n" + "1,2\n" * 40_000 + "3\n",
                "line 40002 has 1 cells where the header has 2",
            ),
            ("c", Format.JSONL, '{"a": 1}\n' * 40_000 + "\n{}", "line 40001 is blank"),
            (
                "d",
                Format.JSONL,
                '{"a": 1}\n' * 40_000 + '{"b": 1}\n',
                "line 40001 has other keys than line 1: missing ['a'], extra ['b']",
            ),
        ]:
            (tmp_path / name).write_text(text)
            with pytest.raises(CouldNotRunError) as caught:
                open_table(tmp_path / name, fmt, where="here")
            assert caught.value.message == f"here: {expected}"

    def test_bytes_that_are_no_text_are_named_by_their_place(self, tmp_path: Path) -> None:
        (tmp_path / "t").write_bytes(b"a\n" + b"12345\n" * 40_000 + b"\xff\n")
        with pytest.raises(CouldNotRunError, match="is not UTF-8: byte 0xff at byte 240002, line 40002"):
            open_table(tmp_path / "t", Format.CSV, where="here")

    def test_a_line_without_end_does_not_fill_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("goldlock.tables._text.LONGEST_LINE", 1000)
        (tmp_path / "t").write_text('{"a": 1}\n{"a": "' + "x" * 5000)
        with pytest.raises(CouldNotRunError, match="line 2 is longer than 999 characters"):
            open_table(tmp_path / "t", Format.JSONL, where="here")

    def test_a_file_that_grows_while_it_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "t").write_text("a\n" + "1\n" * 40_000)
        found = open_table(tmp_path / "t", Format.CSV, where="here")
        with (tmp_path / "t").open("a") as file:
            file.write("2\n")
        with pytest.raises(CouldNotRunError, match="had 40000 rows, and has 40001 now"):
            list(found.batches())


@pytest.mark.parametrize("fmt", [Format.CSV, Format.JSONL, *BINARY])
def test_memory_does_not_grow_with_the_rows(
    fmt: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NumPy and Python tell tracemalloc what they hold: reading four times the rows takes no more of it."""
    monkeypatch.setattr("goldlock.tables._csv._BLOCK_ROWS", 500)
    monkeypatch.setattr("goldlock.tables._json._BLOCK_ROWS", 500)
    monkeypatch.setattr("goldlock.tables._text._PIECE", 4096)
    peaks = []
    for rows in (4_000, 16_000) if fmt in {Format.CSV, Format.JSONL} else (100_000, 400_000):
        path = tmp_path / f"{rows}.{fmt.value}"
        write_table(Table({"n": np.arange(rows), "p": np.arange(rows) / 7}), path, fmt)
        tracemalloc.start()
        found = open_table(path, fmt, where="here")
        assert sum(part.rows for part in found.batches(rows=500)) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5 + 500_000


@settings(deadline=None, max_examples=150)
@given(data=st.data())
@pytest.mark.parametrize("fmt", BINARY)
def test_damaged_files_give_a_table_or_an_error_of_ours(
    fmt: Format, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = everything(20) if fmt in {Format.PARQUET, Format.ARROW} else plain(20)
    damaged = bytearray(encode(table, fmt))
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=4), label="places"):
        damaged[place] = data.draw(st.integers(0, 255), label="byte")
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(damaged))), label="length")
    path = tmp_path_factory.mktemp("damaged") / "t"
    path.write_bytes(damaged[:cut])
    hint = "read"
    try:
        found = open_table(path, fmt, where="here")
        assert sum(part.rows for part in found.batches(rows=7)) == found.rows
    except CouldNotRunError as error:
        hint = error.hint
    assert hint


@given(st.dictionaries(st.text(max_size=3), st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1))
def test_fitting_rows_fit(shapes: dict[str, tuple[int, int]]) -> None:
    types = {name: ColumnType(dtype="float64", shape=shape) for name, shape in shapes.items()}
    rows = fitting_rows(types, size=1 << 20)
    each = sum(8 * a * b for a, b in shapes.values())
    assert 1 <= rows <= BATCH_ROWS
    assert rows == 1 or rows * each <= 1 << 20


@given(st.lists(st.integers(0, 9), max_size=9), st.integers(1, 12))
def test_pieces_of_any_length_become_batches(lengths: list[int], rows: int) -> None:
    from goldlock.tables._batches import rechunked

    bounds = np.cumsum([0, *lengths]).tolist()
    table = plain(bounds[-1])
    pieces = [table.part(start, stop) for start, stop in pairwise(bounds)]
    parts = list(rechunked(pieces, table.names, table.types, rows))
    assert all(part.rows == rows for part in parts[:-1])
    assert not parts or 0 < parts[-1].rows <= rows
    assert Table.joined(table.names, table.types, parts) == table
