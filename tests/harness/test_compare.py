"""Comparing: every rung, every rule, against a slow and obvious oracle."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from goldlock.compare import (
    CHUNK,
    UNMEASURABLE,
    ColumnResult,
    Flip,
    Rung,
    TableResult,
    compare_tables,
    ulp_distance,
)
from goldlock.tables import Table
from goldlock.tolerance import Kind, Tolerance, default_for
from goldlock_env.errors import ConfigurationError

Array = npt.NDArray[np.generic]

EXACT = Tolerance(kind=Kind.EXACT)
LABEL = Tolerance(kind=Kind.LABEL)


def text(*values: str | None) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def compare(expected: dict[str, Array], actual: dict[str, Array], **tolerances: Tolerance) -> TableResult:
    return compare_tables(Table(expected), Table(actual), tolerances, worst=10)


def column(
    expected: object, actual: object, tolerance: Tolerance | None = None, dtype: str | None = None
) -> ColumnResult:
    left = expected if isinstance(expected, np.ndarray) else np.array(expected, dtype=dtype)
    right = actual if isinstance(actual, np.ndarray) else np.array(actual, dtype=dtype)
    result = compare({"x": left}, {"x": right}, **({} if tolerance is None else {"x": tolerance}))
    assert result.rung is result.columns[0].rung
    return result.columns[0]


@pytest.fixture
def golden() -> dict[str, Array]:
    """Five predictions of a classifier."""
    return {
        "label": text("Setosa", "Virginica", "Versicolor", "Setosa", "Virginica"),
        "p": np.array(
            [[0.9, 0.05, 0.05], [0.1, 0.4, 0.5], [0.2, 0.5, 0.3], [0.8, 0.1, 0.1], [0.0, 0.2, 0.8]],
            dtype=np.float32,
        ),
        "score": np.array([1e-9, 2.0, 3.0, 4.0, 5.0]),
    }


class TestTheFourSilentPassesOfOthers:
    def test_a_missing_column_is_schema(self, golden: dict[str, Array]) -> None:
        result = compare(golden, {name: golden[name] for name in ("label", "score")})
        assert result.rung is Rung.SCHEMA
        assert [(c.name, c.rung, c.expected_type, c.actual_type) for c in result.columns if not c.passes] == [
            ("p", Rung.SCHEMA, "float32[3]", None)
        ]
        assert result.columns[1].note == "missing from the output"

    def test_a_flipped_label_is_found_inside_the_tolerance_of_its_probabilities(
        self, golden: dict[str, Array]
    ) -> None:
        moved = {**golden, "p": golden["p"].copy(), "label": golden["label"].copy()}
        moved["p"][1] = [0.1, 0.45000002, 0.45]
        moved["label"][1] = "Versicolor"
        loose = Tolerance(kind=Kind.CLOSE, atol=0.1)
        result = compare(golden, moved, p=loose, label=Tolerance(kind=Kind.LABEL, scores=("p",)))
        label, p, _ = result.columns
        assert (result.rung, label.rung, p.rung) == (Rung.FLIPPED, Rung.FLIPPED, Rung.TOLERANCE)
        assert label.flips == (Flip(expected="Virginica", actual="Versicolor", count=1),)
        assert (label.worst[0].row, label.worst[0].expected, label.worst[0].actual) == (
            1,
            "Virginica",
            "Versicolor",
        )
        assert label.worst[0].margin == pytest.approx(0.1)

    def test_1e_9_for_9e_9_drifts(self, golden: dict[str, Array]) -> None:
        result = compare(golden, {**golden, "score": np.array([9e-9, 2.0, 3.0, 4.0, 5.0])})
        score = result.columns[2]
        assert (result.rung, score.rung, score.count, score.share) == (Rung.DRIFTED, Rung.DRIFTED, 1, 0.2)
        assert score.would_pass == "rtol >= 8.1 or atol >= 8.1e-09"

    def test_float32_for_float64_is_schema(self, golden: dict[str, Array]) -> None:
        result = compare(golden, {**golden, "score": golden["score"].astype(np.float32)})
        score = result.columns[2]
        assert (result.rung, score.rung) == (Rung.SCHEMA, Rung.SCHEMA)
        assert score.note == "float64 is expected, float32 came"
        assert (score.expected_type, score.actual_type) == ("float64", "float32")
        assert (score.differing, score.would_pass) == (1, "")


class TestSchema:
    def test_the_same_table_is_identical(self, golden: dict[str, Array]) -> None:
        result = compare(golden, golden)
        assert result.passes
        assert result.notes == ()
        assert {c.rung for c in result.columns} == {Rung.IDENTICAL}

    def test_a_renamed_column_is_named_both_ways(self, golden: dict[str, Array]) -> None:
        actual = {{"score": "points"}.get(name, name): array for name, array in golden.items()}
        result = compare(golden, actual)
        assert [(c.name, c.rung, c.note) for c in result.columns if not c.passes] == [
            (
                "score",
                Rung.SCHEMA,
                "missing from the output; looks renamed to 'points', which holds the same values",
            ),
            ("points", Rung.SCHEMA, "not in the golden; looks like 'score' under another name"),
        ]

    def test_a_column_with_other_values_is_not_called_renamed(self, golden: dict[str, Array]) -> None:
        actual = {"label": golden["label"], "p": golden["p"], "points": golden["score"] * 2}
        notes = [c.note for c in compare(golden, actual).columns if not c.passes]
        assert notes == ["missing from the output", "not in the golden"]

    def test_two_renamed_columns_of_the_same_values_are_told_apart_once_each(self) -> None:
        one = np.array([1.0])
        result = compare({"a": one, "b": one}, {"c": one, "d": one})
        assert [c.note.split("; ")[1][:21] for c in result.columns] == [
            "looks renamed to 'c',", "looks renamed to 'd',", "looks like 'a' under ", "looks like 'b' under ",
        ]  # fmt: skip

    def test_a_renamed_ignored_column_is_recognised(self) -> None:
        ignored = Tolerance(kind=Kind.IGNORE, reason="a timestamp")
        result = compare({"a": np.array([1.0])}, {"b": np.array([1.0])}, a=ignored)
        assert result.rung is Rung.SCHEMA

    def test_columns_in_another_order(self, golden: dict[str, Array]) -> None:
        result = compare(golden, {name: golden[name] for name in ("p", "label", "score")})
        assert [(c.name, c.rung) for c in result.columns] == [
            ("label", Rung.SCHEMA),
            ("p", Rung.SCHEMA),
            ("score", Rung.IDENTICAL),
        ]
        assert result.notes == (
            "the columns are in another order: expected ['label', 'p', 'score'], got ['p', 'label', 'score']",
        )
        assert result.columns[0].note == "moved from place 0 to 1 among the columns"

    def test_another_shape_is_not_compared(self, golden: dict[str, Array]) -> None:
        p = compare(golden, {**golden, "p": golden["p"][:, :2]}).columns[1]
        assert (p.rung, p.note, p.size) == (Rung.SCHEMA, "float32[3] is expected, float32[2] came", 0)

    def test_text_for_numbers_is_not_compared(self) -> None:
        x = column(np.array([1]), text("1"))
        assert (x.rung, x.note, x.size) == (Rung.SCHEMA, "int64 is expected, str came", 0)

    def test_an_empty_answer_misses_every_column(self, golden: dict[str, Array]) -> None:
        result = compare(golden, {})
        assert result.rung is Rung.SCHEMA
        assert {c.note for c in result.columns} == {"missing from the output"}

    def test_nothing_for_nothing_is_identical(self) -> None:
        assert compare({}, {}).rung is Rung.IDENTICAL
        assert column([], []).rung is Rung.IDENTICAL


class TestRows:
    @staticmethod
    def taken(golden: dict[str, Array], rows: Sequence[int]) -> TableResult:
        return compare(golden, {name: array[list(rows)] for name, array in golden.items()})

    @pytest.mark.parametrize(
        ("rows", "rung", "notes"),
        [
            (
                [0, 1, 3, 4],
                Rung.SCHEMA,
                ("5 rows are expected, 4 came", "rows look dropped: of the golden's, row 2"),
            ),
            (
                [0, 1, 2, 2, 3, 4],
                Rung.SCHEMA,
                ("5 rows are expected, 6 came", "rows look duplicated: of the output's, row 3"),
            ),
            (
                [0, 2, 1, 3, 4],
                Rung.FLIPPED,
                ("the rows look reordered: the same ones, rows 1, 2 at another place",),
            ),
            (
                [0, 0, 2, 3, 4],
                Rung.FLIPPED,
                (
                    "rows look dropped: of the golden's, row 1",
                    "rows look duplicated: of the output's, row 1",
                ),
            ),
            ([], Rung.SCHEMA, ("5 rows are expected, 0 came",)),
        ],
    )
    def test_what_happened_to_the_rows_is_said(
        self, golden: dict[str, Array], rows: list[int], rung: Rung, notes: tuple[str, ...]
    ) -> None:
        result = self.taken(golden, rows)
        assert (result.rung, result.notes) == (rung, notes)
        assert (result.expected_rows, result.actual_rows) == (5, len(rows))

    def test_every_column_fails_where_rows_are_missing(self, golden: dict[str, Array]) -> None:
        result = self.taken(golden, [0, 1, 2])
        assert {c.rung for c in result.columns} == {Rung.SCHEMA}
        assert result.columns[0].note == "5 rows are expected, 3 came"
        assert result.columns[0].differing == 0

    def test_new_rows_are_called_added(self) -> None:
        result = compare({"x": np.arange(4)}, {"x": np.arange(5)})
        assert result.notes[1:] == ("rows look added: of the output's, row 4",)

    def test_two_swapped_labels_are_flips_and_no_rows(self, golden: dict[str, Array]) -> None:
        labels = text("Virginica", "Setosa", "Versicolor", "Setosa", "Virginica")
        result = compare(golden, {**golden, "label": labels})
        assert [(c.name, c.rung, c.count) for c in result.columns] == [
            ("label", Rung.FLIPPED, 2),
            ("p", Rung.IDENTICAL, 0),
            ("score", Rung.IDENTICAL, 0),
        ]
        assert result.notes == ()
        assert result.columns[0].flips == (
            Flip(expected="Setosa", actual="Virginica", count=1),
            Flip(expected="Virginica", actual="Setosa", count=1),
        )

    def test_labels_alone_do_not_tell_another_order_from_other_labels(self) -> None:
        labels = text(*"abababababab")
        assert compare({"x": labels}, {"x": labels[::-1]}).notes == ()

    def test_changed_values_are_no_rows(self) -> None:
        assert compare({"x": np.arange(9)}, {"x": np.arange(9) + 100}).notes == ()

    def test_many_rows_are_listed_in_short(self) -> None:
        notes = compare({"x": np.arange(100)}, {"x": np.arange(100)[::-1]}).notes
        assert notes == (
            "the rows look reordered: the same ones, rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 90 more at another place",
        )

    def test_millions_of_rows_are_not_explained(self) -> None:
        zeros = np.zeros(2_000_001, dtype=np.int8)
        assert compare({"x": zeros}, {"x": zeros[1:]}).notes == ("2000001 rows are expected, 2000000 came",)

    def test_columns_that_have_nothing_in_common_explain_nothing(self) -> None:
        result = compare({"x": np.arange(3)}, {"x": np.arange(4.0)})
        assert result.notes == ("3 rows are expected, 4 came",)

    def test_signs_of_zero_and_nan_are_no_other_row(self) -> None:
        left = {"x": np.array([0.0, np.nan, 1.0, 2.0]), "u": np.array([1, 2, 3, 4], dtype=np.uint8)}
        right = {"x": np.array([np.nan, -0.0, 1.0, 2.0]), "u": np.array([2, 1, 3, 4], dtype=np.uint8)}
        assert "reordered" in compare(left, right).notes[0]


class TestFloats:
    def test_the_rungs(self) -> None:
        one = np.array([1.0])
        step = np.spacing(1.0)
        tolerance = Tolerance(kind=Kind.CLOSE, rtol=1e-9, ulp=4)
        assert column(one, one, tolerance).rung is Rung.IDENTICAL
        assert column(one, one + 4 * step, tolerance).rung is Rung.ULP
        assert column(one, one + 5 * step, tolerance).rung is Rung.TOLERANCE
        assert column(one, one + 1e-8, tolerance).rung is Rung.DRIFTED

    def test_nan_for_a_number_drifts_and_no_tolerance_helps(self) -> None:
        x = column([1.0, 2.0], [1.0, np.nan], Tolerance(kind=Kind.CLOSE, rtol=1e6, atol=1e6, ulp=1 << 70))
        assert (x.rung, x.count, x.would_pass) == (Rung.DRIFTED, 1, "")
        assert x.note == "NaN stands for a number: 1 (first in row 1)"
        assert (x.worst[0].row, x.worst[0].absolute, x.worst[0].ulp) == (1, math.inf, None)
        assert x.largest_absolute is None

    def test_a_number_for_nan_drifts(self) -> None:
        x = column([np.nan], [1.0])
        assert (x.rung, x.note) == (Rung.DRIFTED, "a number stands for NaN: 1 (first in row 0)")

    def test_nan_matches_nan_at_its_place_whatever_its_bits(self) -> None:
        payload = np.array([0xFFF8000000000001], dtype=np.uint64).view(np.float64)
        assert column([np.nan], payload).rung is Rung.IDENTICAL

    @pytest.mark.parametrize("other", [1.7976931348623157e308, -np.inf, np.nan])
    def test_an_infinity_matches_itself_only(self, other: float) -> None:
        generous = Tolerance(kind=Kind.CLOSE, rtol=1e300, atol=1e300, ulp=1 << 62)
        assert column([np.inf], [np.inf], generous).rung is Rung.IDENTICAL
        assert column([np.inf], [other], generous).rung is Rung.DRIFTED
        assert column([other], [np.inf], generous).rung is Rung.DRIFTED

    @pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.EXACT, Kind.LABEL])
    def test_minus_zero_is_zero_but_not_identical(self, kind: Kind) -> None:
        x = column([0.0, 1.0], [-0.0, 1.0], Tolerance(kind=kind))
        assert (x.rung, x.count, x.differing) == (Rung.ULP, 0, 1)
        assert x.note == "a zero has the other sign: 1 (first in row 0)"
        assert x.largest_ulp is None

    def test_an_exact_float_flips_by_one_bit(self) -> None:
        x = column([1.0, 2.0], [1.0, np.nextafter(2.0, 3.0)], EXACT)
        assert (x.rung, x.count, x.would_pass) == (Rung.FLIPPED, 1, "")
        assert x.largest_ulp is not None
        assert x.largest_ulp.value == 1

    def test_differences_beyond_float64_are_outside(self) -> None:
        x = column([1.7e308], [-1.7e308], Tolerance(kind=Kind.CLOSE, rtol=1.0))
        assert (x.rung, x.largest_absolute, x.would_pass) == (Rung.DRIFTED, None, "")

    def test_the_extremes_say_where_and_what(self) -> None:
        expected = np.array([[1.0, 2.0], [1000.0, 0.0]])
        actual = np.array([[1.0, 2.5], [1001.0, 0.25]])
        x = column(expected, actual)
        assert x.largest_absolute is not None
        assert x.largest_relative is not None
        assert x.largest_ulp is not None
        assert (x.largest_absolute.value, x.largest_absolute.index) == (1.0, (1, 0))
        assert (x.largest_absolute.expected, x.largest_absolute.actual) == (1000.0, 1001.0)
        assert (x.largest_relative.value, x.largest_relative.index) == (0.25, (0, 1))
        assert x.largest_ulp.index == (1, 1)
        assert x.would_pass == "atol >= 1.1"
        assert (x.size, x.count, x.share) == (4, 3, 0.75)

    def test_the_worst_rows_are_ten_different_ones(self) -> None:
        expected = np.zeros((30, 4))
        actual = expected + np.arange(30)[:, None] * np.array([0.1, 1.0, 0.2, 0.3])
        x = column(expected, actual, Tolerance(kind=Kind.CLOSE, atol=1e-9))
        assert [w.row for w in x.worst] == list(range(29, 19, -1))
        assert {w.index[1] for w in x.worst} == {1}
        assert x.worst[0].absolute == 29.0

    def test_what_is_outside_is_worse_than_any_distance_within(self) -> None:
        x = column([1e-6, 1e6], [2e-6, 1e6 + 0.5], Tolerance(kind=Kind.CLOSE, rtol=1e-6))
        assert [w.row for w in x.worst] == [0]

    def test_the_order_of_chunks_does_not_matter(self) -> None:
        expected = np.ones(3 * CHUNK)
        actual = expected.copy()
        actual[[5, CHUNK + 5, 2 * CHUNK + 5]] += [1.0, 3.0, 2.0]
        actual[6] += 1e-12  # within, and seen first
        x = column(expected, actual)
        assert [w.row for w in x.worst] == [CHUNK + 5, 2 * CHUNK + 5, 5]
        assert x.largest_absolute is not None
        assert x.largest_absolute.index == (CHUNK + 5,)
        assert (x.count, x.differing) == (3, 4)

    def test_a_full_list_gives_way_to_what_is_worse_only(self) -> None:
        expected = np.ones(4 * CHUNK)
        actual = expected.copy()
        actual[:20] += 1e-12  # within: fills the list
        actual[CHUNK : CHUNK + 20] += 0.5  # outside: takes its place
        actual[2 * CHUNK] += 0.25  # not as far
        actual[3 * CHUNK] += 1.0
        x = column(expected, actual)
        assert [w.row for w in x.worst] == [3 * CHUNK, *range(CHUNK, CHUNK + 9)]

    def test_a_row_that_spans_chunks_keeps_its_worst_value(self) -> None:
        expected = np.zeros((2, CHUNK + 10))
        actual = expected.copy()
        actual[0, [0, CHUNK + 5]] = [2.0, 1.0]
        assert [w.index for w in column(expected, actual).worst] == [(0, 0)]

    def test_a_row_that_spans_chunks_is_one_row(self) -> None:
        expected = np.zeros((2, CHUNK + 10))
        actual = expected.copy()
        actual[0, [0, CHUNK + 5]] = [1.0, 2.0]
        x = column(expected, actual)
        assert [(w.row, w.index[1]) for w in x.worst] == [(0, CHUNK + 5)]

    def test_numbers_of_two_types_are_measured_all_the_same(self) -> None:
        x = column(np.array([1, 2]), np.array([1.0, 2.5]))
        assert (x.rung, x.differing) == (Rung.SCHEMA, 1)
        assert x.largest_ulp is None


class TestUlpDistance:
    @staticmethod
    def steps(expected: float, actual: float, dtype: str) -> int:
        """Walk from one number to the other, one representable number at a time."""
        low, high = sorted([np.dtype(dtype).type(expected), np.dtype(dtype).type(actual)])
        count = 0
        while low < high:
            low = np.nextafter(low, high)
            count += 1
        return count

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @settings(deadline=None)
    @given(data=st.data())
    def test_it_is_the_number_of_steps(self, dtype: str, data: st.DataObject) -> None:
        size = np.dtype(dtype).itemsize
        start = data.draw(hnp.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False))
        end = start
        with np.errstate(over="ignore"):
            for _ in range(data.draw(st.integers(0, 40))):
                end = np.nextafter(end, np.dtype(dtype).type(np.inf))
        if not np.isfinite(end):
            return
        found = ulp_distance(np.array([start]), np.array([end]))
        assert found.dtype == np.uint64
        assert size in {2, 4, 8}
        assert found[0] == self.steps(start, end, dtype)
        assert ulp_distance(np.array([end]), np.array([start]))[0] == found[0]

    def test_every_half_float_is_its_rank_away_from_zero(self) -> None:
        bits = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
        values = np.unique(bits[np.isfinite(bits)])  # sorted; -0.0 and 0.0 are one
        ranks = np.arange(len(values))
        for place in (0, len(values) // 2, 1000, len(values) - 1):
            origin = np.full_like(values, values[place])
            assert (ulp_distance(origin, values) == np.abs(ranks - place)).all()

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_the_ends(self, dtype: type[np.floating]) -> None:
        info = np.finfo(dtype)
        tiny = info.smallest_subnormal
        left = np.array([0.0, -tiny, 0.0, np.inf, np.nan, np.inf, np.nan], dtype=dtype)
        right = np.array([-0.0, tiny, tiny, info.max, 1.0, np.inf, np.nan], dtype=dtype)
        assert ulp_distance(left, right).tolist() == [0, 2, 1, UNMEASURABLE, UNMEASURABLE, 0, 0]
        whole = int(np.array([info.max]).view(f"u{info.bits // 8}")[0])
        assert ulp_distance(np.array([info.min]), np.array([info.max]))[0] == 2 * whole


def passes(expected: float, actual: float, tolerance: Tolerance, ulp: int) -> bool:
    """The rule, word for word, in exact arithmetic."""
    if math.isnan(expected) or math.isnan(actual):
        return math.isnan(expected) and math.isnan(actual)
    if math.isinf(expected) or math.isinf(actual):
        return expected == actual
    distance = abs(Fraction(actual) - Fraction(expected))
    bound = Fraction(tolerance.atol) + Fraction(tolerance.rtol) * abs(Fraction(expected))
    return distance <= bound or ulp <= tolerance.ulp


FLOATS = st.floats(width=32)
NUMBERS = st.sampled_from([0.0, 1e-9, 1e-6, 0.01, 0.5, 2.0])


class TestAgainstTheRule:
    @settings(deadline=None)
    @given(
        st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=8),
        st.builds(Tolerance, kind=st.just(Kind.CLOSE), rtol=NUMBERS, atol=NUMBERS, ulp=st.integers(0, 9)),
        st.booleans(),
    )
    def test_count_and_rung(self, pairs: list[tuple[float, float]], tolerance: Tolerance, near: bool) -> None:
        expected = np.array([e for e, _ in pairs], dtype=np.float32)
        actual = np.array([a for _, a in pairs], dtype=np.float32)
        if near:
            with np.errstate(all="ignore"):
                actual = np.nextafter(np.nextafter(expected, actual), actual)
        ulps = ulp_distance(expected, actual).tolist()
        same = [
            (math.isnan(e) and math.isnan(a)) or e.tobytes() == a.tobytes()
            for e, a in zip(expected, actual, strict=True)
        ]
        fine = [
            passes(float(e), float(a), tolerance, ulp)
            for e, a, ulp in zip(expected, actual, ulps, strict=True)
        ]
        found = column(expected, actual, tolerance)
        assert found.count == fine.count(False)
        assert found.differing == same.count(False)
        if all(same):
            assert found.rung is Rung.IDENTICAL
        elif not all(fine):
            assert found.rung is Rung.DRIFTED
        else:
            assert found.rung is (Rung.ULP if all(ulp <= tolerance.ulp for ulp in ulps) else Rung.TOLERANCE)

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.floats(), st.floats()), min_size=1, max_size=6),
        st.builds(Tolerance, kind=st.just(Kind.CLOSE), rtol=NUMBERS, atol=NUMBERS),
    )
    @example([(1e-320, 2e-320)], Tolerance(kind=Kind.CLOSE))
    @example([(1.0, 1.1), (2.0, 2.2)], Tolerance(kind=Kind.CLOSE))
    def test_what_would_pass_passes(self, pairs: list[tuple[float, float]], tolerance: Tolerance) -> None:
        expected, actual = (np.array(side) for side in zip(*pairs, strict=True))
        found = column(expected, actual, tolerance)
        if found.rung is not Rung.DRIFTED:
            assert found.would_pass == ""
            return
        for way in filter(None, found.would_pass.split(" or ")):
            name, value = way.split(" >= ")
            wider = Tolerance(
                kind=Kind.CLOSE,
                rtol=float(value) if name == "rtol" else tolerance.rtol,
                atol=float(value) if name == "atol" else tolerance.atol,
                ulp=int(value) if name == "ulp" else tolerance.ulp,
            )
            assert column(expected, actual, wider).passes

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=30))
    def test_the_extremes(self, pairs: list[tuple[float, float]]) -> None:
        expected, actual = (np.array(side) for side in zip(*pairs, strict=True))
        found = column(expected, actual, Tolerance(kind=Kind.CLOSE))
        distances = [abs(a - e) for e, a in pairs]
        if max(distances) == 0:
            assert found.largest_absolute is None
            return
        assert found.largest_absolute is not None
        assert found.largest_absolute.value == max(distances)
        assert found.largest_absolute.index == (distances.index(max(distances)),)
        assert [w.absolute for w in found.worst] == sorted(filter(None, distances), reverse=True)[:10]


class TestWholeNumbers:
    @pytest.mark.parametrize("dtype", ["int64", "uint64"])
    def test_neighbours_beyond_float64_differ(self, dtype: str) -> None:
        x = column([2**53, 2**53 + 1], [2**53, 2**53], dtype=dtype)
        assert (x.rung, x.count) == (Rung.FLIPPED, 1)
        assert x.largest_absolute is not None
        assert x.largest_absolute.value == 1
        assert isinstance(x.largest_absolute.value, int)

    def test_the_whole_range(self) -> None:
        x = column([-(2**63)], [2**63 - 1], dtype="int64")
        assert x.largest_absolute is not None
        assert x.largest_absolute.value == 2**64 - 1

    def test_bounds_are_exact(self) -> None:
        close = Tolerance(kind=Kind.CLOSE, atol=1)
        assert column([2**60], [2**60 + 1], close, dtype="int64").rung is Rung.TOLERANCE
        assert column([2**60], [2**60 + 2], close, dtype="int64").rung is Rung.DRIFTED
        assert column([10], [11], Tolerance(kind=Kind.CLOSE, rtol=0.1), dtype="uint8").passes
        assert (
            column([0], [2**64 - 1], Tolerance(kind=Kind.CLOSE, rtol=1e308, atol=1e308), dtype="uint64").count
            == 1
        )
        assert column([1], [2**63], Tolerance(kind=Kind.CLOSE, atol=1e308), dtype="uint64").passes

    @pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", "int64"])
    @settings(deadline=None)
    @given(data=st.data())
    def test_against_python(self, dtype: str, data: st.DataObject) -> None:
        info = np.iinfo(dtype)
        numbers = st.integers(int(info.min), int(info.max))
        pairs = data.draw(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8))
        atol = data.draw(st.integers(0, 2**40))
        expected, actual = (np.array(side, dtype=dtype) for side in zip(*pairs, strict=True))
        found = column(expected, actual, Tolerance(kind=Kind.CLOSE, atol=atol))
        distances = [abs(a - e) for e, a in pairs]
        assert found.count == sum(distance > atol for distance in distances)
        assert (0 if found.largest_absolute is None else found.largest_absolute.value) == max(distances)
        assert found.would_pass == "" or float(found.would_pass.split(">= ")[-1]) >= max(distances)


class TestLabels:
    def test_text_is_a_label(self) -> None:
        x = column(text("a", "b", "b"), text("a", "c", "c"))
        assert (x.rung, x.count, x.flips) == (Rung.FLIPPED, 2, (Flip(expected="b", actual="c", count=2),))
        assert [(w.row, w.absolute, w.margin) for w in x.worst] == [(1, None, None), (2, None, None)]

    def test_null_is_a_value_of_its_own(self) -> None:
        assert column(text(None, "a"), text(None, "a")).rung is Rung.IDENTICAL
        assert column(text(None, "a"), text(None, None)).flips == (Flip(expected="a", actual=None, count=1),)
        assert column(text("None"), text(None)).rung is Rung.FLIPPED

    def test_truth_is_exact(self) -> None:
        x = column([True, False], [True, True])
        assert (x.rung, x.worst[0].expected, x.worst[0].actual) == (Rung.FLIPPED, False, True)

    @pytest.mark.parametrize(
        ("scores", "margin"),
        [
            (np.array([[0.9, 0.1], [0.6, 0.4]]), 0.2),
            (np.array([[[0.9], [0.1]], [[0.6], [0.4]]], dtype=np.float32), 0.2),
            (np.array([0.9, 0.6]), 0.2),
            (np.array([[0.9], [0.6]]), 0.2),
            (np.array([[0.9, 0.1], [np.nan, 0.4]]), None),
        ],
        ids=["classes", "nested", "binary", "binary-column", "nan"],
    )
    def test_margins(self, scores: Array, margin: float | None) -> None:
        tolerance = Tolerance(kind=Kind.LABEL, scores=("p",))
        found = compare(
            {"x": np.array([1, 0]), "p": scores}, {"x": np.array([1, 1]), "p": scores}, x=tolerance
        )
        assert found.columns[0].worst[0].margin == (None if margin is None else pytest.approx(margin))
        assert found.columns[0].flips == (Flip(expected=0, actual=1, count=1),)

    def test_the_clearest_flips_come_first(self) -> None:
        scores = np.linspace(0.5, 1.0, 30)
        tolerance = Tolerance(kind=Kind.LABEL, scores=("p",))
        found = compare(
            {"x": np.ones(30, dtype=np.int8), "p": scores},
            {"x": np.zeros(30, dtype=np.int8), "p": scores},
            x=tolerance,
        )
        assert [w.row for w in found.columns[0].worst] == list(range(29, 19, -1))

    @pytest.mark.parametrize("scores", ["q", "x", "empty"])
    def test_scores_that_are_none(self, scores: str) -> None:
        table = {"x": text("a"), "p": np.array([1.0]), "empty": np.zeros((1, 0))}
        with pytest.raises(ConfigurationError) as caught:
            compare(table, table, x=Tolerance(kind=Kind.LABEL, scores=(scores,)))
        assert repr(scores) in caught.value.message
        assert "p (float64)" in caught.value.hint

    def test_free_text_does_not_count_flips_without_end(self) -> None:
        many = [f"text {i}" for i in range(3 * CHUNK)]
        x = column(text(*many), text(*(value + "!" for value in many)))
        assert x.count == 3 * CHUNK
        assert len(x.flips) == 10
        assert x.note.startswith("more than 10000 kinds of flip")

    def test_closeness_of_text_is_a_mistake(self) -> None:
        with pytest.raises(ConfigurationError, match="column 'x' holds str"):
            column(text("a"), text("a"), Tolerance(kind=Kind.CLOSE))


class TestProbabilities:
    TOLERANCE = Tolerance(kind=Kind.PROBABILITY, atol=0.2)

    def test_another_largest_class_flips_inside_the_tolerance(self) -> None:
        x = column([[0.6, 0.4], [0.51, 0.49]], [[0.55, 0.45], [0.49, 0.51]], self.TOLERANCE)
        assert (x.rung, x.count, x.differing) == (Rung.FLIPPED, 1, 4)
        assert x.flips == (Flip(expected=0, actual=1, count=1),)
        assert (x.worst[0].row, x.worst[0].index, x.worst[0].expected) == (1, (1, 0), 0.51)
        assert x.worst[0].margin == pytest.approx(0.02)
        assert x.note == "the largest of a row's values is another one in 1 rows"
        assert x.would_pass == ""

    def test_the_same_largest_class_is_close(self) -> None:
        assert column([[0.6, 0.4]], [[0.55, 0.45]], self.TOLERANCE).rung is Rung.TOLERANCE

    def test_a_single_probability_is_only_close(self) -> None:
        assert column([0.51], [0.49], self.TOLERANCE).rung is Rung.TOLERANCE
        assert column([[0.51]], [[0.49]], self.TOLERANCE).rung is Rung.TOLERANCE

    def test_moved_rows_lead_the_worst(self) -> None:
        x = column([[0.51, 0.49], [1.0, 0.0]], [[0.49, 0.51], [5.0, 0.0]], self.TOLERANCE)
        assert [w.row for w in x.worst] == [0, 1]
        assert x.count == 1

    def test_many_rows_and_chunks(self) -> None:
        expected = np.tile(np.array([0.6, 0.4]), (CHUNK, 1))
        actual = expected.copy()
        actual[-1] = [0.45, 0.55]
        x = column(expected, actual, self.TOLERANCE)
        assert (x.rung, x.worst[0].row) == (Rung.FLIPPED, CHUNK - 1)


class TestIgnored:
    TOLERANCE = Tolerance(kind=Kind.IGNORE, reason="a timestamp")

    def test_its_values_do_not_count_and_are_shown(self) -> None:
        result = compare(
            {"x": np.array([1.0]), "y": np.array([1])},
            {"x": np.array([2.0]), "y": np.array([1])},
            x=self.TOLERANCE,
        )
        x = result.columns[0]
        assert result.rung is Rung.IDENTICAL
        assert (x.rung, x.passes, x.ignored, x.note) == (Rung.DRIFTED, True, True, "ignored: a timestamp")

    @pytest.mark.parametrize("actual", [np.array([2.0], dtype=np.float32), np.array([2.0, 3.0]), text("a")])
    def test_its_type_and_rows_count(self, actual: Array) -> None:
        result = compare({"x": np.array([1.0])}, {"x": actual}, x=self.TOLERANCE)
        assert (result.rung, result.columns[0].passes) == (Rung.SCHEMA, False)

    def test_its_presence_counts(self) -> None:
        assert compare({"x": np.array([1.0])}, {}, x=self.TOLERANCE).rung is Rung.SCHEMA


class TestRung:
    def test_the_ladder(self) -> None:
        assert [rung.rank for rung in Rung] == list(range(7))
        assert [rung.value for rung in Rung if rung.passes] == ["identical", "ulp", "tolerance", "equivalent"]


def test_planted_drifts_are_found_one_by_one_and_nothing_else(golden: dict[str, Array]) -> None:
    plants: list[tuple[str, Callable[[Array], Array], Rung]] = [
        ("score", lambda a: np.where(np.arange(5) == 3, np.nan, a), Rung.DRIFTED),
        ("score", lambda a: a * (1 + 1e-12), Rung.TOLERANCE),  # type: ignore[operator]
        ("score", lambda a: np.nextafter(a, 9), Rung.ULP),
        ("label", lambda a: a[[0, 2, 1, 3, 4]], Rung.FLIPPED),
        ("p", lambda a: a.astype(np.float64), Rung.SCHEMA),
    ]
    for name, plant, rung in plants:
        result = compare(golden, {**golden, name: plant(golden[name])})
        assert result.rung is rung
        assert [c.name for c in result.columns if c.rung is not Rung.IDENTICAL] == [name]


def peak_memory(size: int) -> int:
    expected = {"x": np.random.default_rng(1).random(size, dtype=np.float32)}
    actual = {"x": np.nextafter(expected["x"], np.float32(2))}
    left, right = Table(expected), Table(actual)
    tracemalloc.start()
    try:
        result = compare_tables(left, right, {"x": default_for("float32")}, threads=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.rung is Rung.ULP
    assert result.columns[0].differing == size
    return peak


def test_memory_is_that_of_a_few_chunks_whatever_the_size_of_the_columns() -> None:
    few, many = peak_memory(4_000_000), peak_memory(24_000_000)
    assert many < 2 * few
    assert many < 48_000_000
