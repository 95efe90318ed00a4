"""NumPy's .npy files: one array, or one column for each field."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest

from goldlock.tables import ColumnType, Format, Limits, Table, decode, dtype_of, encode
from goldlock_env.errors import CouldNotRunError


def npy(array: npt.NDArray[np.generic]) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def read(array: npt.NDArray[np.generic]) -> Table:
    return decode(npy(array), Format.NPY, where="here")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(5,), (5, 2), (5, 2, 3), (5, 0), (0, 2)])
def test_an_array_is_the_column_value(shape: tuple[int, ...], order: str) -> None:
    array = np.arange(np.prod(shape), dtype=">i2").reshape(shape)
    table = read(np.asarray(array, order=order))  # type: ignore[call-overload]
    assert table == Table({"value": array})


def test_what_is_written_is_what_numpy_reads() -> None:
    for array in (np.arange(6, dtype=np.float32).reshape(3, 2), np.array(["x", "\u00e4\u00f6"])):
        written = encode(Table({"value": array}), Format.NPY)
        assert np.load(io.BytesIO(written)).tolist() == array.tolist()
    table = Table({"\u00e4": np.array([1, 2]), "p": np.ones((2, 3)), "s": np.array(["x", "yz"])})
    loaded = np.load(io.BytesIO(encode(table, Format.NPY)))
    assert loaded.dtype.names == ("\u00e4", "p", "s")
    assert loaded["s"].tolist() == ["x", "yz"]
    assert loaded["p"].shape == (2, 3)


def test_fields_are_columns_and_padding_is_none() -> None:
    dtype = np.dtype([("a", "i1"), ("b", "f8", (2,)), ("c", "U3"), ("d", "M8[s]")], align=True)
    array = np.zeros(3, dtype=dtype)
    array["a"], array["c"] = [1, 2, 3], ["x", "y", "zzz"]
    table = read(array)
    assert {name: str(found) for name, found in table.types.items()} == {
        "a": "int8",
        "b": "float64[2]",
        "c": "str",
        "d": "datetime",
    }
    assert (table.plain("a"), table.plain("c")) == ([1, 2, 3], ["x", "y", "zzz"])


def test_bfloat16_is_read_where_it_is_expected() -> None:
    table = Table({"value": np.array([1.5, -0.0], dtype=dtype_of("bfloat16"))})
    data = npy(table.columns["value"])
    types = {"value": ColumnType(dtype="bfloat16")}
    assert decode(data, Format.NPY, where="here", types=types) == table
    with pytest.raises(CouldNotRunError, match="type '<V2', which may be bfloat16: write it as float32"):
        decode(data, Format.NPY, where="here")


def test_times_are_kept_exactly_or_refused() -> None:
    for unit, dtype in [("Y", "date"), ("W", "date"), ("D", "date"), ("h", "datetime"), ("ms", "datetime")]:
        array = np.array(["1969-12-31", "NaT"]).astype(f"datetime64[{unit}]")
        table = read(array)
        assert str(table.types["value"]) == dtype
        assert table.columns["value"][0] == array[0]
        assert table.absent["value"].tolist() == [False, True]
    assert read(np.array([5000]).astype("M8[ns]")).plain("value") == ["1970-01-01T00:00:00.000005"]
    with pytest.raises(CouldNotRunError, match="holds a time that is no whole number of microseconds"):
        read(np.array([5001]).astype("M8[ns]"))
    with pytest.raises(CouldNotRunError, match="holds a time that microseconds cannot hold"):
        read(np.array([1 << 60]).astype("M8[s]"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is empty; npy is expected"),
        (b"\x93NUMPY\x01", "is not a readable array: "),
        (npy(np.array(1.5)), "is a single value, without rows"),
        (npy(np.zeros(3))[:-1], "is not a readable array: 23 bytes for <f8 of shape (3,)"),
        (npy(np.zeros(1, dtype=[("a", "c8")])), "is not a readable array: type '<c8'"),
        (npy(np.zeros(1, dtype=[("a", [("b", "i4")])])), "is not a readable array: type [('b', '<i4')]"),
    ],
)
def test_what_is_no_such_file(data: bytes, expected: str) -> None:
    with pytest.raises(CouldNotRunError) as caught:
        decode(data, Format.NPY, where="here")
    assert caught.value.message.startswith(f"here: {expected}")


def test_rows_that_take_no_bytes() -> None:
    with pytest.raises(CouldNotRunError, match="1000000 rows, and the limit is 1000"):
        decode(npy(np.zeros((1_000_000, 0))), Format.NPY, where="here", limits=Limits(size=1000))
