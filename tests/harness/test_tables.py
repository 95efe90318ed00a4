"""Tables: what bytes hold, exactly, and what is said of bytes that hold none."""

from __future__ import annotations

import ast
import io
import json
import struct
import sys
import warnings
import zipfile
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from goldlock.tables import (
    DTYPES,
    ColumnType,
    Format,
    Limits,
    Table,
    decode,
    dtype_of,
    encode,
    fits_csv,
    fits_npy,
    fits_npz,
    from_columns,
    parse_json,
)
from goldlock_env.errors import CouldNotRunError

NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


def refusal(data: bytes, fmt: Format, **options: object) -> CouldNotRunError:
    with pytest.raises(CouldNotRunError) as caught:
        decode(data, fmt, where="the output of case 'mlp'", **options)  # type: ignore[arg-type]
    assert caught.value.message.startswith("the output of case 'mlp': ")
    assert caught.value.hint
    return caught.value


def message(data: bytes, fmt: Format, **options: object) -> str:
    return refusal(data, fmt, **options).message.removeprefix("the output of case 'mlp': ")


def dtypes_of(data: bytes, fmt: Format) -> list[str]:
    return [str(found) for found in decode(data, fmt, where="here").types.values()]


@st.composite
def tables(draw: st.DrawFn, *, shapes: bool, null: bool) -> Table:
    rows = draw(st.integers(0, 5))
    columns: dict[str, npt.NDArray[np.generic]] = {}
    absent: dict[str, npt.NDArray[np.bool_]] = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        dtype = draw(st.sampled_from(sorted(DTYPES)))
        inner = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)) if shapes else ()
        if dtype == "str":
            cells = st.one_of(TEXT, st.none()) if null else TEXT
            columns[name] = draw(hnp.arrays(object, (rows, *inner), elements=cells, fill=st.nothing()))
            continue
        if dtype == "bfloat16":
            columns[name] = draw(hnp.arrays(np.uint16, (rows, *inner))).view(dtype_of(dtype))
        else:
            # Within what Arrow's 32 bits for days can hold.
            days = st.integers(-(1 << 31), (1 << 31) - 1).map(lambda day: np.datetime64(day, "D"))
            elements = st.one_of(days, st.just(np.datetime64("NaT", "D"))) if dtype == "date" else None
            columns[name] = draw(hnp.arrays(dtype_of(dtype), (rows, *inner), elements=elements))
        if null and draw(st.booleans()):
            absent[name] = draw(hnp.arrays(np.bool_, (rows, *inner)))
    return Table(columns, absent)


def assert_round_trip(table: Table, fmt: Format) -> None:
    data = encode(table, fmt)
    assert decode(data, fmt, where="here", types=table.types) == table
    assert encode(table, fmt) == data


class TestRoundTrips:
    @given(tables(shapes=True, null=True))
    def test_json_lines_gives_the_same_bits_back(self, table: Table) -> None:
        assert_round_trip(table, Format.JSONL)

    @given(tables(shapes=True, null=True))
    def test_json_gives_the_same_bits_back(self, table: Table) -> None:
        assert_round_trip(table, Format.JSON)

    @example(Table({"{": np.array([], dtype=bool)}))
    @example(Table({"<!doctype html>": np.array([1])}))
    @given(tables(shapes=False, null=True))
    def test_csv_gives_the_same_bits_back_where_it_fits(self, table: Table) -> None:
        if fits_csv(table):
            assert_round_trip(table, Format.CSV)
        else:
            with pytest.raises(CouldNotRunError, match="cannot be written as CSV"):
                encode(table, Format.CSV)

    @pytest.mark.parametrize("fmt", [Format.PARQUET, Format.ARROW])
    @settings(deadline=None)  # the first example imports pyarrow
    @given(table=tables(shapes=True, null=True))
    def test_parquet_and_arrow_give_the_same_bits_back(self, fmt: Format, table: Table) -> None:
        assert_round_trip(table, fmt)
        assert decode(encode(table, fmt), fmt, where="here") == table

    @given(tables(shapes=True, null=True))
    def test_npy_gives_the_same_bits_back_where_it_fits(self, table: Table) -> None:
        if fits_npy(table):
            assert_round_trip(table, Format.NPY)
        else:
            with pytest.raises(CouldNotRunError, match="cannot be written as npy"):
                encode(table, Format.NPY)

    @given(tables(shapes=True, null=True))
    def test_npz_gives_the_same_bits_back_where_it_fits(self, table: Table) -> None:
        if fits_npz(table):
            assert_round_trip(table, Format.NPZ)
        else:
            with pytest.raises(CouldNotRunError, match="cannot be written as npz"):
                encode(table, Format.NPZ)

    @pytest.mark.parametrize("fmt", list(Format))
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_extreme_floats(self, fmt: Format, dtype: str) -> None:
        info = np.finfo(np.dtype(dtype))
        values = [info.max, info.min, info.tiny, info.smallest_subnormal, -0.0, np.inf, -np.inf, np.nan, 0.1]
        assert_round_trip(Table({"x": np.array(values, dtype=dtype)}), fmt)

    @pytest.mark.parametrize("fmt", list(Format))
    def test_whole_numbers_at_the_ends_of_64_bits(self, fmt: Format) -> None:
        table = Table(
            {"a": np.array([-(1 << 63), (1 << 63) - 1]), "b": np.array([0, (1 << 64) - 1], dtype=np.uint64)}
        )
        assert_round_trip(table, fmt)
        assert decode(encode(table, fmt), fmt, where="here") == table

    @pytest.mark.parametrize("fmt", list(Format))
    def test_no_rows_keep_their_types(self, fmt: Format) -> None:
        table = Table({"label": np.array([], dtype=object), "p": np.array([], dtype=np.float32)})
        assert_round_trip(table, fmt)

    def test_shapes_without_a_row_survive_where_types_are_known(self) -> None:
        assert_round_trip(Table({"p": np.zeros((0, 3), dtype=np.float32)}), Format.JSONL)

    def test_short_floats_are_written_as_people_write_them(self) -> None:
        table = Table(
            {
                "p": np.array([0.1, 0.7], dtype=np.float32),
                "n": np.array([1, 2]),
                "ok": np.array([True, False]),
            }
        )
        assert encode(table, Format.CSV) == b"p,n,ok\n0.1,1,true\n0.7,2,false\n"
        assert encode(table, Format.JSONL).splitlines()[0] == b'{"p": 0.1, "n": 1, "ok": true}'
        assert json.loads(encode(table, Format.JSON)) == [
            {"p": 0.1, "n": 1, "ok": True},
            {"p": 0.7, "n": 2, "ok": False},
        ]

    @pytest.mark.parametrize("fmt", [Format.CSV, Format.JSON, Format.JSONL, Format.NPZ, Format.NPY])
    @pytest.mark.parametrize("unit", ["D", "us"])
    def test_dates_of_all_times(self, fmt: Format, unit: str) -> None:
        ends = [-(1 << 63) + 1, -719529, -719162 * 86_400_000_000 - 1, -1, 0, 1, (1 << 63) - 1]
        assert_round_trip(Table({"d": np.array(ends).astype(f"datetime64[{unit}]")}), fmt)


class TestCsv:
    @pytest.mark.parametrize(
        ("cells", "dtype"),
        [
            ("1\n-2", "int64"),
            ("1\n18446744073709551615", "uint64"),
            ("-1\n18446744073709551615", "str"),
            ("1\n123456789012345678901234567890", "str"),
            ("1.5\n123456789012345678901", "str"),
            ("1.5\n2", "float64"),
            ('1\n""', "float64"),
            ("-0\n1", "float64"),
            ("nan\n-inf\n+1e5\n.5", "float64"),
            ("true\nFalse", "bool"),
            ('true\n""', "str"),
            ("007\n008", "str"),
            ("1_000\n2", "str"),
            ("\u0663\n2", "str"),
            ("1\nx", "str"),
            ('""\n""', "str"),
        ],
    )
    def test_types_are_inferred(self, cells: str, dtype: str) -> None:
        assert dtypes_of(f"x\n{cells}\n".encode(), Format.CSV) == [dtype]

    def test_an_empty_cell_among_numbers_is_nan(self) -> None:
        column = decode(b"a,b\n1,2\n,3\n", Format.CSV, where="here").columns["a"]
        assert np.isnan(column[1].item())

    def test_quotes_commas_line_ends_and_a_byte_order_mark(self) -> None:
        data = b'\xef\xbb\xbfname,"a,b"\r\n"x\r\ny","say ""hi"""\r\n'
        table = decode(data, Format.CSV, where="here")
        assert table.names == ("name", "a,b")
        assert [array.tolist() for array in table.columns.values()] == [["x\r\ny"], ['say "hi"']]

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", "is empty; CSV is expected"),
            (b" \n", "is empty; CSV is expected"),
            (b"a,b\n1,2\n3\n", "line 3 has 1 cells where the header has 2"),
            (b"a,b\n1,2,3\n", "line 2 has 3 cells where the header has 2"),
            (b"a\n1\n\n2\n", "line 3 has 0 cells where the header has 1"),
            (b"a,a\n1,2\n", "column 'a' stands there twice"),
            (b'a\n"x', "is not CSV: unexpected end of data, in line 2"),
            (b"a\n" + b"x" * 200_000, "is not CSV: field larger than field limit (131072), in line 2"),
            (b"a\n\xff\n", "is not UTF-8: byte 0xff at byte 2, line 2"),
            (b"\xef\xbb", "is not UTF-8: byte 0xef at byte 0, line 1"),
            ("a\n1\n".encode("utf-16"), "is UTF-16, not CSV in UTF-8"),
            (b"PK\x03\x04rest", "is a zip file (npz?), not CSV"),
            (b'{"a": [1]}', "looks like JSON, not CSV: '{\"a\": [1]}'"),
            (b"<html><body>500</body>", "looks like HTML, not CSV: '<html><body>500</body>'"),
        ],
    )
    def test_faults_name_the_line(self, data: bytes, expected: str) -> None:
        assert message(data, Format.CSV) == expected

    @pytest.mark.parametrize(
        ("cell", "dtype"),
        [("x", "float32"), ("1.0", "int8"), ("300", "int8"), ("yes", "bool"), ("9" * 5000, "int64")],
    )
    def test_a_cell_that_is_not_of_the_recorded_type(self, cell: str, dtype: str) -> None:
        text = message(f"a\n{cell}\n".encode(), Format.CSV, types={"a": ColumnType(dtype=dtype)})
        assert dtype in text

    def test_recorded_columns_are_exactly_those(self) -> None:
        types = {"a": ColumnType(dtype="int8"), "b": ColumnType(dtype="str")}
        assert message(b"a,c\n1,2\n", Format.CSV, types=types) == (
            "the columns are not the recorded ones: missing ['b'], extra ['c']"
        )
        assert decode(b"b,a\n1,2\n", Format.CSV, where="here", types=types).names == ("a", "b")

    def test_a_recorded_shape_is_no_csv(self) -> None:
        types = {"a": ColumnType(dtype="int8", shape=(2,))}
        assert message(b"a\n1\n", Format.CSV, types=types) == "column 'a' is int8[2], which CSV cannot hold"

    @settings(deadline=None)
    @given(st.binary(max_size=60))
    def test_any_bytes_give_a_table_or_an_error_of_ours(self, data: bytes) -> None:
        for fmt in Format:
            try:
                found: object = decode(data, fmt, where="here")
            except CouldNotRunError as error:
                found = error.hint
            assert found


class TestJson:
    @pytest.mark.parametrize(
        "data",
        [
            b'[{"a": 1, "b": "x"}, {"b": "y", "a": 2}]',
            b'{"columns": {"a": [1, 2], "b": ["x", "y"]}}',
            b'{"a": [1, 2], "b": ["x", "y"]}',
        ],
    )
    def test_three_forms(self, data: bytes) -> None:
        assert decode(data, Format.JSON, where="here") == from_columns({"a": [1, 2], "b": ["x", "y"]})

    def test_minus_zero_without_a_point_keeps_its_sign(self) -> None:
        found = decode(
            b'{"a": [-0, 0, 10.5], "b": ["-0", "x", "y"], "c": [-1, 20, 3]}', Format.JSON, where=""
        )
        assert np.signbit(found.columns["a"]).tolist() == [True, False, False]
        assert found.columns["b"].tolist() == ["-0", "x", "y"]
        assert found.types["c"].dtype == "int64"

    def test_one_record_alone_is_one_row(self) -> None:
        found = decode(b'{"label": "x", "p": 0.5, "note": null}', Format.JSON, where="here")
        assert found == from_columns({"label": ["x"], "p": [0.5], "note": [None]})

    @pytest.mark.parametrize(
        ("data", "fmt"),
        [
            (b'[{"box": {"at": {"x": 1}, "size": [2.5, 3]}, "l": "a"}]', Format.JSON),
            (b'{"box": {"at": {"x": 1}, "size": [2.5, 3]}, "l": "a"}\n', Format.JSONL),
        ],
    )
    def test_nested_objects_are_columns_named_by_their_path(self, data: bytes, fmt: Format) -> None:
        found = decode(data, fmt, where="here")
        assert found == from_columns({"box.at.x": [1], "box.size": [[2.5, 3.0]], "l": ["a"]})

    def test_json_lines(self) -> None:
        data = '{"a": 1, "b": "x\u2028y"}\r\n{"a": 2, "b": ""}\n\n'.encode()
        assert decode(data, Format.JSONL, where="here") == from_columns({"a": [1, 2], "b": ["x\u2028y", ""]})

    @pytest.mark.parametrize(
        ("values", "dtype"),
        [
            ("[1, 2]", "int64"),
            ("[1, 2.5]", "float64"),
            ("[18446744073709551615]", "uint64"),
            ("[true, false]", "bool"),
            ('["x", null]', "str"),
            ("[1, null]", "float64"),
            ("[null]", "str"),
            ("[]", "str"),
            ("[NaN, Infinity, -Infinity]", "float64"),
            ("[[1, 2], [3, 4]]", "int64[2]"),
            ("[[[1.5]], [[3]]]", "float64[1,1]"),
            ("[[], []]", "str[0]"),
        ],
    )
    def test_types_are_inferred(self, values: str, dtype: str) -> None:
        assert dtypes_of(f'{{"x": {values}}}'.encode(), Format.JSON) == [dtype]

    def test_null_among_numbers_is_nan_and_among_text_none(self) -> None:
        table = decode(b'{"n": [1, null], "s": ["x", null]}', Format.JSON, where="here")
        assert np.isnan(table.columns["n"][1].item())
        assert table.columns["s"].tolist() == ["x", None]

    def test_an_empty_list_is_a_table_without_columns(self) -> None:
        assert decode(b"[]", Format.JSON, where="here") == Table({})

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", "is empty; JSON is expected"),
            (b'{"a": [1, 2', "truncated JSON at line 1 column 12"),
            (b'{"a": ["x', "truncated JSON at line 1 column 8"),
            (b'{"a":\n [1,, 2]}', "is not JSON: Expecting value at line 2 column 5"),
            (b"Loading model...\n{}", "is not JSON: Expecting value at line 1 column 1"),
            (b"  <!DOCTYPE html><p>", "looks like HTML, not JSON: '<!DOCTYPE html><p>'"),
            (b'{"a": [1], "a": [2]}', "key 'a' stands twice in one object"),
            (b"3", "is a single JSON value, not a table: '3'"),
            (b"[1, 2]", "record 0 is not an object: '1'"),
            (b"[{}, {}]", "record 0 has no keys"),
            (b'[{"a": 1}, {"b": 1}]', "record 1 has other keys than record 0: missing ['a'], extra ['b']"),
            (b'{"a": 3, "b": [1]}', "column 'a' is int 3, not a list with one value for each row"),
            (b'[{"a": {}}]', "'a' is an empty object in record 0"),
            (
                b'[{"a": {"b": 1}, "a.b": 2}]',
                "record 0 has two values for column 'a.b', one of them nested",
            ),
            (
                b'[{"a": {"b": 1}}, {"a": {"c": 1}}]',
                "record 1 has other keys than record 0: missing ['a.b'], extra ['a.c']",
            ),
            (b'{"a": [1, "x"]}', "column 'a' mixes types: int 1 in row 0, str 'x' in row 1"),
            (b'{"a": [1.5, true]}', "column 'a' mixes types: float 1.5 in row 0, bool True in row 1"),
            (b'{"a": [true, null]}', "column 'a' mixes types: bool True in row 0, null in row 1"),
            (b'{"a": [{"p": 1}]}', "column 'a' holds an object in row 0"),
            (b'{"a": [[1, 2], [3]]}', "column 'a' is ragged: row 1 has 1 values where row 0 has 2"),
            (b'{"a": [[1], 2]}', "column 'a' is ragged: row 1 mixes lists and single values"),
            (
                b'{"a": [[[1], [2]], [[3], [4, 5]]]}',
                "column 'a' is ragged: row 1 has 2 values where row 0 has 1",
            ),
            (b'{"a": [36893488147419103232]}', "column 'a' is int64 and holds a number too large for it"),
            (
                b'{"a": [1.5, 1' + b"0" * 400 + b"]}",
                "column 'a' is float64 and holds a number too large for it",
            ),
            (b'{"a": ' + b"[" * 20 + b"1" + b"]" * 20 + b"}", "column 'a' is nested more than 15 lists deep"),
        ],
    )
    def test_faults_say_where(self, data: bytes, expected: str) -> None:
        assert message(data, Format.JSON) == expected

    def test_columns_of_unequal_length(self) -> None:
        with pytest.raises(CouldNotRunError, match="'a' has 1, 'b' has 2"):
            decode(b'{"a": [1], "b": [1, 2]}', Format.JSON, where="here")

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", "is empty; JSON Lines is expected"),
            (b'{"a": 1}\n{"a": ', "truncated JSON at line 2 column 6"),
            (b'{"a": 1}\n\n{"a": 2}', "line 2 is blank"),
            (b'{"a": 1}\n{"a": 1, "a": 2}', "key 'a' stands twice in one object, line 2"),
            (b'{"a": 1}\n{"b": 2}', "line 2 has other keys than line 1: missing ['a'], extra ['b']"),
            (b'{"a": 1}\n[2]', "line 2 is not an object: '[2]'"),
        ],
    )
    def test_faults_of_json_lines_name_the_line(self, data: bytes, expected: str) -> None:
        assert message(data, Format.JSONL) == expected

    def test_nesting_without_end_is_an_error_and_no_crash(self) -> None:
        assert message(b"[" * 200_000, Format.JSON) == "is nested too deeply"

    @pytest.mark.skipif(
        not hasattr(sys, "set_int_max_str_digits"), reason="this Python reads numbers of any length"
    )
    def test_a_number_of_many_digits(self) -> None:
        assert message(b'{"a": [' + b"9" * 10_000 + b"]}", Format.JSON).startswith(
            "holds a number that is too long"
        )

    def test_json_that_is_no_table(self) -> None:
        assert parse_json(b'{"ok": [1, {"x": null}]}', where="here") == {"ok": [1, {"x": None}]}
        with pytest.raises(CouldNotRunError, match="here: truncated JSON"):
            parse_json(b'{"ok": ', where="here")
        with pytest.raises(CouldNotRunError, match="here: 3 values, and the limit is 2"):
            parse_json(b"[1,2,3]", where="here", limits=Limits(cells=2))

    def test_lone_surrogates_are_no_text(self) -> None:
        with pytest.raises(CouldNotRunError, match="not valid Unicode"):
            decode(b'{"a": ["\\ud800"]}', Format.JSON, where="here")
        with pytest.raises(CouldNotRunError, match="cannot be a column's name"):
            decode(b'{"\\ud800": [1]}', Format.JSON, where="here")

    def test_values_of_another_shape_than_recorded(self) -> None:
        types = {"a": ColumnType(dtype="int8", shape=(2,))}
        assert (
            message(b'{"a": [[1]]}\n', Format.JSONL, types=types)
            == "column 'a' does not hold values of shape [2]"
        )


class TestFromColumns:
    def test_arrays_pass_through(self) -> None:
        table = from_columns({"a": np.array([1.5], dtype=np.float32), "b": ("x",)})
        assert [str(found) for found in table.types.values()] == ["float32", "str"]

    def test_the_place_is_named(self) -> None:
        with pytest.raises(CouldNotRunError) as caught:
            from_columns({"a": [object()]}, where="answer 3")
        assert caught.value.message == "answer 3: column 'a' holds a object in row 0"

    def test_long_values_are_cut_in_messages(self) -> None:
        with pytest.raises(CouldNotRunError) as caught:
            from_columns({"a": ["x" * 1000, 1 << 4000]})
        assert len(caught.value.message) < 200

    def test_a_list_in_place_of_a_column(self) -> None:
        with pytest.raises(CouldNotRunError, match="column 'a' is null"):
            from_columns({"a": None})
        with pytest.raises(CouldNotRunError, match="does not hold values of shape"):
            from_columns({"a": [[[]], [[]]]}, types={"a": ColumnType(dtype="int8")})


def npz(**arrays: npt.NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(header: str, body: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + body


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names
        with zipfile.ZipFile(buffer, "w", compression) as target:
            for name, data in members:
                target.writestr(name, data)
    return buffer.getvalue()


class TestNpz:
    def test_what_numpy_writes_is_read(self) -> None:
        arrays = {
            "big-endian": np.array([1, 2], dtype=">i4"),
            "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "text": np.array(["x", "\u00e4\u00f6"]),
            "truth": np.array([True, False]),
        }
        table = decode(npz(**arrays), Format.NPZ, where="here")
        assert [str(found) for found in table.types.values()] == ["int32", "float64[3]", "str", "bool"]
        for name, array in arrays.items():
            assert table.columns[name].tolist() == array.tolist()

    def test_version_2_headers_are_read(self) -> None:
        data = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", bytes(8), version=2)
        assert decode(archive(("a.npy", data)), Format.NPZ, where="here") == from_columns({"a": [0]})

    def test_text_of_no_width(self) -> None:
        data = npy("{'descr': '<U0', 'fortran_order': False, 'shape': (2,)}")
        assert decode(archive(("a.npy", data)), Format.NPZ, where="here") == from_columns({"a": ["", ""]})

    @pytest.mark.parametrize(
        ("header", "body"),
        [
            ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"cos\nsystem\n"),
            ("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,)}", bytes(4)),
            ("{'descr': '<c16', 'fortran_order': False, 'shape': (1,)}", bytes(16)),
            ("{'descr': '<M8', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
            ("{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}", bytes(16)),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,)}", bytes(8)),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", bytes(8)),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999999999999999)}", b""),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': 1}", bytes(8)),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}", bytes(8)),
            (f"{{'descr': '<f8', 'fortran_order': False, 'shape': {(1,) * 20}}}", bytes(8)),
            ("{'descr': '<U999999999', 'fortran_order': False, 'shape': (9,)}", bytes(8)),
            ("{'descr': '<f8', 'shape': (1,)}", bytes(8)),
            ("__import__('os')", b""),
            ("(" * 3000, b""),
            ("{" + " " * 20_000 + "}", b""),
        ],
    )
    def test_hostile_arrays_are_refused(self, header: str, body: bytes) -> None:
        with warnings.catch_warnings():
            # Older Pythons' ast tells of deep nesting by a warning as well.
            warnings.simplefilter("ignore", SyntaxWarning)
            assert message(archive(("a.npy", npy(header, body))), Format.NPZ).startswith(
                "column 'a' is not a readable array: "
            )

    @pytest.mark.parametrize(
        "data", [b"", b"\x93NUMP", b"\x93NUMPY", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x09\x00" + bytes(9)]
    )
    def test_members_cut_off(self, data: bytes) -> None:
        assert "is not a readable array" in message(archive(("a.npy", data)), Format.NPZ)

    def test_pickled_objects_are_never_loaded(self) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, a=np.array([{}], dtype=object))
        assert "type '|O', which goldlock does not read" in message(buffer.getvalue(), Format.NPZ)

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", "is empty; npz is expected"),
            (b"\x93NUMPY\x01\x00", "is a single .npy array, without a column name"),
            (b"not a zip", "is not a whole npz archive: File is not a zip file"),
            (archive(("readme.txt", b"hi")), "holds 'readme.txt', which is not a .npy array"),
            (archive(("a.npy", b"x"), ("a.npy", b"x")), "column 'a' stands there twice"),
            (
                archive(("a.npy", b"x"), compression=zipfile.ZIP_LZMA),
                "holds 'a.npy', encrypted or packed in an unusual way",
            ),
        ],
    )
    def test_faults(self, data: bytes, expected: str) -> None:
        assert message(data, Format.NPZ) == expected

    def test_a_scalar_has_no_rows(self) -> None:
        with pytest.raises(CouldNotRunError, match="'a' is a single value, without rows"):
            decode(npz(a=np.array(1.5)), Format.NPZ, where="here")

    def test_a_cut_off_archive(self) -> None:
        whole = npz(a=np.arange(100))
        assert message(whole[:-30], Format.NPZ).startswith("is not a whole npz archive")

    def test_damaged_bytes(self) -> None:
        data = bytearray(npz(a=np.arange(100)))
        data[300] ^= 1
        assert message(bytes(data), Format.NPZ).startswith("is not a whole npz archive: Bad CRC-32")

    def test_a_zip_bomb_is_refused_before_it_is_unpacked(self) -> None:
        data = archive(("a.npy", bytes(50_000_000)), compression=zipfile.ZIP_DEFLATED)
        assert len(data) < 100_000
        assert message(data, Format.NPZ, limits=Limits(size=1_000_000)) == (
            "50000000 bytes unpacked, and the limit is 1000000"
        )

    def test_a_zip_bomb_that_lies_about_its_size_is_never_unpacked_whole(self) -> None:
        data = archive(("a.npy", bytes(5_000_000)), compression=zipfile.ZIP_DEFLATED)
        lying = data.replace(struct.pack("<I", 5_000_000), struct.pack("<I", 1_000))
        assert lying != data
        text = message(lying, Format.NPZ, limits=Limits(size=1_000_000))
        assert "not a whole npz archive" in text or "not a readable array" in text

    def test_a_member_shorter_than_declared(self) -> None:
        data = archive(("a.npy", b"12345"))
        longer = data.replace(struct.pack("<II", 5, 5), struct.pack("<II", 5, 9))
        assert longer != data
        assert refusal(longer, Format.NPZ)

    def test_invalid_characters_in_text(self) -> None:
        body = struct.pack("<I", 0x110000)
        data = archive(("a.npy", npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", body)))
        with pytest.raises(CouldNotRunError, match="not Unicode"):
            decode(data, Format.NPZ, where="here")

    def test_another_type_than_recorded(self) -> None:
        types = {"a": ColumnType(dtype="float64")}
        assert message(npz(a=np.zeros(1, dtype=np.float32)), Format.NPZ, types=types) == (
            "column 'a' is float32, not the recorded float64"
        )

    def test_the_same_table_gives_the_same_bytes(self) -> None:
        table = from_columns({"a": [1.5, 2.5], "b": ["x", "y"]})
        assert encode(table, Format.NPZ) == encode(table, Format.NPZ)


class TestLimits:
    @pytest.mark.parametrize(
        ("data", "fmt", "limits", "expected"),
        [
            (b"a\n1\n2\n", Format.CSV, Limits(size=3), "6 bytes, and the limit is 3"),
            (b"a,b\n1,2\n3,4\n", Format.CSV, Limits(cells=2), "4 cells, and the limit is 2"),
            (b"a,b\n", Format.CSV, Limits(columns=1), "2 columns, and the limit is 1"),
            (b'{"a": [1, 2, 3]}', Format.JSON, Limits(cells=3), "4 values, and the limit is 3"),
            (b'{"a": [1], "b": [2]}', Format.JSON, Limits(columns=1), "2 columns, and the limit is 1"),
            (b'{"a": 1, "b": 2}', Format.JSONL, Limits(columns=1), "2 columns, and the limit is 1"),
            (b'{"a": 1}\n{"a": 1}', Format.JSONL, Limits(cells=1), "2 values, and the limit is 1"),
            (
                npz(a=np.zeros(1), b=np.zeros(1)),
                Format.NPZ,
                Limits(columns=1),
                "2 columns, and the limit is 1",
            ),
        ],
        ids=str,
    )
    def test_too_much_is_refused(self, data: bytes, fmt: Format, limits: Limits, expected: str) -> None:
        with pytest.raises(CouldNotRunError) as caught:
            decode(data, fmt, where="here", limits=limits)
        assert caught.value.message == f"here: {expected}"


class TestTable:
    def test_arrays_are_values(self) -> None:
        array = np.array([1.5, 2.5])
        table = Table({"a": array})
        with pytest.raises(ValueError, match="read-only"):
            table.columns["a"][0] = 0
        array[0] = 7.0  # the caller's own array stays writable
        assert table.rows == 2
        assert table.names == ("a",)

    def test_views_are_made_contiguous(self) -> None:
        table = Table({"a": np.arange(6)[::2], "b": np.arange(6).reshape(2, 3).T})
        assert all(array.flags.c_contiguous for array in table.columns.values())

    def test_equality_is_of_bits_and_any_nan_is_nan(self) -> None:
        quiet, payload = np.array([0x7FF8000000000000, 0x7FF8000000000001], dtype=np.uint64).view(np.float64)
        assert Table({"a": np.array([quiet])}) == Table({"a": np.array([payload])})
        assert Table({"a": np.array([0.0])}) != Table({"a": np.array([-0.0])})
        assert Table({"a": np.array([1])}) != Table({"a": np.array([1.0])})
        assert Table({"a": np.array([1]), "b": np.array([1])}) != Table(
            {"b": np.array([1]), "a": np.array([1])}
        )
        assert Table({}) != 3
        assert Table({}).rows == 0

    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (lambda: Table({"a": np.zeros(1, dtype=np.complex128)}), "is of type complex128"),
            (lambda: Table({"a": np.array([b"x"])}), "is of type |S1"),
            (lambda: Table({"a": np.zeros((1,) * 17)}), "has 17 dimensions"),
            (lambda: Table({"a": np.array([1, "x"], dtype=object)}), "holds a int at value 0, among text"),
            (lambda: Table({"a\0": np.zeros(1)}), "cannot be a column's name"),
            (lambda: ColumnType(dtype="datetime64"), "is not a type a column can have"),
            (lambda: ColumnType(dtype="int8", shape=(-1,)), "[-1] is not the shape of a value"),
            (lambda: ColumnType(dtype="int8", shape=(1,) * 16), "1] is not the shape of a value"),
        ],
    )
    def test_what_is_no_table(self, make: Callable[[], object], expected: str) -> None:
        with pytest.raises(CouldNotRunError) as caught:
            make()
        assert expected in caught.value.message
        assert caught.value.hint

    def test_types_read_well(self) -> None:
        assert str(ColumnType(dtype="float32", shape=(3, 2))) == "float32[3,2]"


def test_literal_headers_are_what_numpy_writes() -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.zeros(1, dtype="<f4"))
    header = buffer.getvalue()[10:128].decode().strip()
    assert ast.literal_eval(header) == {"descr": "<f4", "fortran_order": False, "shape": (1,)}
