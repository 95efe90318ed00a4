"""One result, whatever the chunks, batches and threads; and that of measuring each pair by itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldlock.compare import _look, _pass, compare_tables
from goldlock.results import Bucket, ColumnResult, Rung, TableResult
from goldlock.tables import Batches, ColumnType, Table
from goldlock.tolerance import Kind, Tolerance, UpTo

Array = npt.NDArray[np.generic]

FLOATS = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}
TOLERANCES = st.one_of(
    st.builds(
        Tolerance,
        kind=st.just(Kind.CLOSE),
        rtol=st.sampled_from([0.0, 1e-6, 1e-3, 0.5]),
        atol=st.sampled_from([0.0, 1e-9, 1e-2, 10.0]),
        ulp=st.sampled_from([0, 1, 4, 1 << 70]),
    ),
    st.just(Tolerance(kind=Kind.EXACT)),
    st.just(Tolerance(kind=Kind.LABEL)),
)


class Cut:
    """A table that is read in batches of its own making, as a file would be."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.read: list[tuple[str, ...]] = []

    @property
    def names(self) -> tuple[str, ...]:
        return self._table.names

    @property
    def types(self) -> Mapping[str, ColumnType]:
        return self._table.types

    @property
    def rows(self) -> int:
        return self._table.rows

    def batches(self, names: Sequence[str] | None = None, *, rows: int = 1 << 16) -> Iterator[Table]:
        self.read.append(tuple(names or self.names))
        yield from self._table.batches(names, rows=rows)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Chunks, tasks and batches of a few values, and threads for every table."""
    monkeypatch.setattr(_look, "CHUNK", 8)
    monkeypatch.setattr(_pass, "_TASK", 16)
    monkeypatch.setattr(_pass, "_ALONE", 0)
    monkeypatch.setattr(_pass, "BATCH_BYTES", 300)
    return monkeypatch


def floats_near(draw: st.DrawFn, dtype: np.dtype[np.generic], size: int) -> tuple[Array, Array]:
    """Two columns: noise of a few ULP for most values, and anything for some."""
    unsigned = np.dtype(f"u{dtype.itemsize}")
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    scale = draw(st.sampled_from(["bits", "unit", "signed", "near zero"]))
    if scale == "bits":
        expected = (
            rng.integers(0, 1 << (8 * dtype.itemsize), size, dtype=np.uint64).astype(unsigned).view(dtype)
        )
    else:
        spread = {"unit": (0.5, 2), "signed": (-3, 3), "near zero": (-1e-300, 1e-300)}[scale]
        expected = rng.uniform(*spread, size).astype(dtype)
    noise = rng.integers(-draw(st.sampled_from([0, 1, 5, 100_000])), 6, size)
    noise[rng.random(size) < draw(st.sampled_from([0.0, 0.5, 0.95]))] = 0
    with np.errstate(over="ignore"):
        actual = (expected.view(unsigned) + noise.astype(np.int64).astype(unsigned)).view(dtype)
    specials = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, 3.0]).astype(dtype)
    for side in (expected, actual):
        for _ in range(draw(st.integers(0, 3)) if size else 0):
            side[draw(st.integers(0, size - 1))] = draw(st.sampled_from(list(specials)))
    return expected, actual


@st.composite
def float_columns(draw: st.DrawFn) -> tuple[Array, Array]:
    dtype = FLOATS[draw(st.sampled_from(sorted(FLOATS)))]
    return floats_near(draw, dtype, draw(st.integers(0, 70)))


def order(value: float, dtype: np.dtype[np.generic]) -> int:
    """The float's place among all of its dtype."""
    bits = int(np.array([value], dtype=dtype).view(f"u{dtype.itemsize}")[0])
    half = 1 << (8 * dtype.itemsize - 1)
    return bits if bits < half else half - bits


class Oracle:
    """Each pair by itself, in Python."""

    def __init__(self, expected: Array, actual: Array, tolerance: Tolerance) -> None:
        dtype = expected.dtype
        self.count = self.differing = 0
        self.absolute: list[tuple[float, int]] = []
        self.relative: list[tuple[float, int]] = []
        self.ulp: list[tuple[int, int]] = []
        self.buckets: dict[tuple[int, int | None], int] = {}
        within: list[tuple[float, int]] = []
        outside: list[tuple[float, int]] = []
        for place, (before, after) in enumerate(zip(expected, actual, strict=True)):
            e, a = float(before), float(after)
            if (math.isnan(e) and math.isnan(a)) or before.tobytes() == after.tobytes():
                self._count((0, 0))
                continue
            self.differing += 1
            known = math.isfinite(e) and math.isfinite(a)
            steps = abs(order(before, dtype) - order(after, dtype)) if known else None
            distance = abs(a - e) if known else math.inf
            if steps is None:
                self._count((0, None))
                fine = False
            else:
                power = (steps - 1).bit_length() if steps > 1 else 0
                self._count((steps, steps) if steps <= 2 else ((1 << (power - 1)) + 1, 1 << power))
                if steps:
                    self.ulp.append((steps, -place))
                if 0 < distance < math.inf:
                    self.absolute.append((distance, -place))
                    if e and distance / abs(e) < math.inf:
                        self.relative.append((distance / abs(e), -place))
                if tolerance.kind.numeric:
                    bound = tolerance.atol + tolerance.rtol * abs(e)
                    fine = steps <= tolerance.ulp or (distance <= bound and distance < math.inf)
                else:
                    fine = e == a
            rank = 0.0 if tolerance.kind is Kind.LABEL else distance
            (within if fine else outside).append((-rank, place))
        self.count = len(outside)
        self.worst = [place for _, place in sorted(outside or within)]

    def _count(self, bucket: tuple[int, int | None]) -> None:
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1


def only(result: TableResult) -> ColumnResult:
    assert len(result.columns) == 1
    return result.columns[0]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), columns=float_columns(), tolerance=TOLERANCES, chunk=st.sampled_from([4, 32, 1000]))
def test_floats_are_as_each_pair_says(
    data: st.DataObject, columns: tuple[Array, Array], tolerance: Tolerance, chunk: int
) -> None:
    expected, actual = columns
    limit = data.draw(st.sampled_from([0, 1, 3, 1000]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_look, "CHUNK", chunk)
        with np.errstate(all="raise"):
            found = only(
                compare_tables(Table({"x": expected}), Table({"x": actual}), {"x": tolerance}, worst=limit)
            )
    oracle = Oracle(expected, actual, tolerance)
    assert (found.count, found.differing, found.size) == (oracle.count, oracle.differing, len(expected))
    for extreme, pairs in (
        (found.largest_absolute, oracle.absolute),
        (found.largest_relative, oracle.relative),
        (found.largest_ulp, oracle.ulp),
    ):
        assert (None if extreme is None else (extreme.value, -extreme.index[0])) == max(pairs, default=None)
    assert found.distances is not None
    assert {(each.low, each.high): each.count for each in found.distances.buckets} == oracle.buckets
    assert [worst.row for worst in found.worst] == oracle.worst[:limit]
    assert found.rung.passes == (oracle.count == 0)


def test_a_row_within_tolerance_stands_once_among_the_worst() -> None:
    """Its chunk's bounds do not show that it is within; that is found pair by pair, and not a second time."""
    expected = np.array([2.0**33, 2.0**-50, 2.0**40], dtype=np.float32)
    actual = expected.copy()
    actual[1] = np.nextafter(expected[1], np.float32(1))
    tolerance = Tolerance(kind=Kind.CLOSE, atol=1e-9)
    found = only(compare_tables(Table({"x": expected}), Table({"x": actual}), {"x": tolerance}))
    assert [worst.row for worst in found.worst] == [1]


def some_tables(draw: st.DrawFn) -> tuple[Table, Table]:
    """Tables of every kind of column, with noise, flips and absent values."""
    size = draw(st.integers(0, 60))
    expected, actual = floats_near(draw, np.dtype(np.float32), size * 3)
    x, y = floats_near(draw, np.dtype(np.float64), size)
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    whole = rng.integers(-(2**63), 2**63 - 1, size)
    moved = whole + rng.integers(0, 2, size)
    labels = np.array(["a", "b", None, "d"], dtype=object)
    masks = rng.random((2, size)) < draw(st.sampled_from([0.0, 0.2]))
    dates = np.arange(size).astype("datetime64[D]")
    first = {
        "p": expected.reshape(size, 3),
        "x": x,
        "label": labels[rng.integers(0, 4, size)],
        "whole": whole,
        "wide": whole.astype(np.int32),
        "truth": rng.random(size) < 0.5,
        "day": dates,
    }
    second = {
        "p": actual.reshape(size, 3),
        "x": y,
        "label": np.where(rng.random(size) < 0.3, labels[rng.integers(0, 4, size)], first["label"]),
        "whole": moved,
        "wide": whole.astype(np.int32).astype(np.float64) + rng.integers(0, 2, size),
        "truth": rng.random(size) < 0.5,
        "day": dates + rng.integers(0, 2, size),
    }
    return Table(first, {"whole": masks[0]}), Table(second, {"whole": masks[1]})


STATED = {
    "p": Tolerance(kind=Kind.PROBABILITY, atol=0.1),
    "label": Tolerance(kind=Kind.LABEL, scores=("p",), up_to=UpTo.NAMES),
    "whole": Tolerance(kind=Kind.CLOSE, rtol=1e-3),
    "x": Tolerance(kind=Kind.CLOSE, rtol=1e-12, up_to=UpTo.SIGN),
}


@settings(max_examples=60, deadline=None)
@given(
    pair=st.composite(some_tables)(),
    chunk=st.sampled_from([3, 16, 1000]),
    size=st.sampled_from([100, 700, 1 << 20]),
    task=st.sampled_from([4, 64, 1 << 20]),
    threads=st.sampled_from([1, 2, 3]),
    streamed=st.tuples(st.booleans(), st.booleans()),
)
def test_batches_chunks_and_threads_make_no_difference(
    pair: tuple[Table, Table], chunk: int, size: int, task: int, threads: int, streamed: tuple[bool, bool]
) -> None:
    whole = compare_tables(*pair, STATED, worst=7, threads=1)
    left, right = (Cut(side) if cut else side for side, cut in zip(pair, streamed, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_look, "CHUNK", chunk)
        patch.setattr(_pass, "_TASK", task)
        patch.setattr(_pass, "_ALONE", 0)
        # NaN is not equal to itself, but it is written as such.
        assert repr(compare_tables(left, right, STATED, worst=7, threads=threads, batch=size)) == repr(whole)


def test_columns_of_the_same_content_are_not_read() -> None:
    table = Table({"x": np.arange(5.0), "y": np.arange(5)})
    left: Batches = (cut := Cut(table))
    result = compare_tables(left, Cut(table), {}, same={"x"})
    assert cut.read == [("y",)]
    assert result.rung is Rung.IDENTICAL
    assert [column.size for column in result.columns] == [5, 5]
    assert result.columns[0].distances is not None
    assert result.columns[0].distances.buckets == (Bucket(low=0, high=0, count=5),)


def test_columns_said_to_be_the_same_are_read_where_their_types_differ() -> None:
    result = compare_tables(
        Table({"x": np.arange(5.0)}), Table({"x": np.arange(5.0, dtype=np.float32)}), {}, same={"x"}
    )
    assert result.rung is Rung.SCHEMA


def test_a_long_list_of_worst_rows() -> None:
    expected = np.zeros(300_000)
    actual = np.arange(300_000) / 7
    (x,) = compare_tables(Table({"x": expected}), Table({"x": actual}), {}, worst=100_000).columns
    assert [row.row for row in x.worst] == list(range(299_999, 199_999, -1))
    assert x.worst[0].absolute == 299_999 / 7
    assert len(x.points) == 300 + 50 - len({point.row for point in x.points[-1:]})


def test_points_are_spread_evenly_and_hold_the_worst() -> None:
    expected = np.arange(100_000.0)
    actual = expected.copy()
    actual[777] += 5
    (x,) = compare_tables(Table({"x": expected}), Table({"x": actual}), {}).columns
    rows = [point.row for point in x.points]
    assert rows == sorted(rows)
    assert len(rows) == 301
    assert (rows[0], rows[-1]) == (0, 99_999)
    assert [(point.expected, point.actual) for point in x.points if point.row == 777] == [(777.0, 782.0)]


def test_an_error_while_reading_is_raised(small_parts: pytest.MonkeyPatch) -> None:
    class Broken(Cut):
        def batches(self, names: Sequence[str] | None = None, *, rows: int = 1 << 16) -> Iterator[Table]:
            yield next(super().batches(names, rows=rows))
            raise OSError("the disk is gone")

    table = Table({"x": np.arange(1000.0)})
    with pytest.raises(OSError, match="the disk is gone"):
        compare_tables(Cut(table), Broken(table), {}, threads=2)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, math.nan]), min_size=9, max_size=9),
        min_size=1,
        max_size=6,
    ),
    st.data(),
    st.sampled_from([2, 3, 9]),
)
def test_moves_of_probabilities(rows: list[list[float]], data: st.DataObject, classes: int) -> None:
    before = [row[:classes] for row in rows]
    after = [data.draw(st.permutations(row)) for row in before]
    (x,) = compare_tables(
        Table({"x": np.array(before)}),
        Table({"x": np.array(after)}),
        {"x": Tolerance(kind=Kind.PROBABILITY, atol=1)},
    ).columns
    tops = ranks = 0
    for e, a in zip(before, after, strict=True):
        if any(map(math.isnan, e + a)):
            continue
        if e.index(max(e)) != a.index(max(a)):
            tops += 1
        elif any(e[i] < e[j] and a[i] > a[j] for i in range(classes) for j in range(classes)):
            ranks += 1
    assert (x.tops_moved, x.ranks_moved) == (tops, ranks)
    assert sum(flip.count for flip in x.flips) == tops


NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.integers(0, 2**64 - 1).map(np.uint64),
    st.integers(2**53 - 2, 2**53 + 2).map(np.int64),
    st.integers(-128, 127).map(np.int8),
    st.floats().map(np.float64),
    st.floats(width=32).map(np.float32),
)


@settings(max_examples=300, deadline=None)
@given(NUMBERS, NUMBERS, st.booleans())
def test_numbers_of_two_dtypes_are_compared_by_value(
    left: np.generic, right: np.generic, alike: bool
) -> None:
    if alike and np.isfinite(left):
        with np.errstate(all="ignore"):
            right = right.dtype.type(left)
    if left.dtype == right.dtype:
        return
    found = only(compare_tables(Table({"x": np.array([left])}), Table({"x": np.array([right])}), {}))
    e, a = left.item(), right.item()
    if all(map(math.isfinite, (e, a))):
        same = Fraction(e) == Fraction(a)
        if isinstance(e, float) and isinstance(a, float):
            same &= math.copysign(1, e) == math.copysign(1, a)
    else:
        same = e == a or (math.isnan(e) and math.isnan(a))
    assert found.differing == (not same)
    assert found.rung is Rung.SCHEMA
