"""The rule of each dtype, of absent values, and of what a case takes for the same answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldlock.compare import compare_tables
from goldlock.compare._equivalent import Dots
from goldlock.results import Bucket, ColumnResult, Flip, Rung, TableResult
from goldlock.tables import Table
from goldlock.tolerance import Kind, Loose, Tolerance, UpTo
from goldlock_env.errors import ConfigurationError

Array = npt.NDArray[np.generic]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
CLOSE = Tolerance(kind=Kind.CLOSE, rtol=1e-9)


def text(*values: str | None) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def compare(
    expected: Mapping[str, Array],
    actual: Mapping[str, Array],
    rows_by: Sequence[str] = (),
    /,
    **tolerances: Tolerance,
) -> TableResult:
    return compare_tables(Table(expected), Table(actual), tolerances, rows_by=rows_by)


def column(expected: Array, actual: Array, tolerance: Tolerance | None = None) -> ColumnResult:
    return compare({"x": expected}, {"x": actual}, **({} if tolerance is None else {"x": tolerance})).columns[
        0
    ]


class TestBfloat16:
    def test_its_step_is_its_own(self) -> None:
        one = np.array([1.0], dtype=BFLOAT16)
        above = (one.view(np.uint16) + np.uint16(1)).view(BFLOAT16)
        x = column(one, above, Tolerance(kind=Kind.CLOSE, ulp=1))
        assert (x.rung, x.expected_type) == (Rung.ULP, "bfloat16")
        assert x.largest_absolute is not None
        assert (x.largest_absolute.value, x.largest_absolute.actual) == (2**-7, 1.0078125)
        assert column(one, above, Tolerance(kind=Kind.CLOSE)).rung is Rung.DRIFTED

    def test_nan_and_infinities(self) -> None:
        left = np.array([math.nan, math.inf, -math.inf, 1.0], dtype=BFLOAT16)
        assert column(left, left.copy()).rung is Rung.IDENTICAL
        right = np.array([math.nan, -math.inf, math.nan, math.inf], dtype=BFLOAT16)
        x = column(left, right)
        assert (x.rung, x.count, x.would_pass) == (Rung.DRIFTED, 3, "")
        assert x.distances is not None
        assert x.distances.buckets == (Bucket(low=0, high=0, count=1), Bucket(low=0, high=None, count=3))


class TestDates:
    DAYS = np.array(["2024-02-29", "1900-01-01", "NaT"], dtype="datetime64[D]")

    def test_they_are_the_same_or_not(self) -> None:
        assert column(self.DAYS, self.DAYS.copy()).rung is Rung.IDENTICAL
        other = self.DAYS.copy()
        other[0] += np.timedelta64(1, "D")
        x = column(self.DAYS, other)
        assert (x.rung, x.count, x.expected_type, x.distances, x.points) == (
            Rung.FLIPPED,
            1,
            "date",
            None,
            (),
        )
        assert [(row.expected, row.actual, row.absolute) for row in x.worst] == [
            ("2024-02-29", "2024-03-01", None)
        ]

    def test_a_date_may_be_a_label(self) -> None:
        other = self.DAYS[[1, 1, 2]]
        x = column(self.DAYS, other, Tolerance(kind=Kind.LABEL))
        assert x.flips == (Flip(expected="2024-02-29", actual="1900-01-01", count=1),)

    def test_instants_differ_by_a_microsecond(self) -> None:
        moment = np.array(["2024-01-01T12:00"], dtype="datetime64[us]")
        x = column(moment, moment + np.timedelta64(1, "us"))
        assert (x.rung, x.worst[0].actual) == (Rung.FLIPPED, "2024-01-01T12:00:00.000001")

    def test_a_date_is_no_datetime(self) -> None:
        assert column(self.DAYS, self.DAYS.astype("datetime64[us]")).rung is Rung.SCHEMA

    @pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.PROBABILITY])
    def test_they_have_no_distance(self, kind: Kind) -> None:
        with pytest.raises(ConfigurationError, match="column 'x' holds date"):
            column(self.DAYS, self.DAYS, Tolerance(kind=kind))


class TestAbsent:
    @staticmethod
    def column(
        expected: tuple[Array, object],
        actual: tuple[Array, object],
        tolerance: Tolerance | None = None,
    ) -> ColumnResult:
        left, right = (Table({"x": values}, {"x": np.array(mask)}) for values, mask in (expected, actual))
        return compare_tables(left, right, {} if tolerance is None else {"x": tolerance}).columns[0]

    @pytest.mark.parametrize("dtype", ["int64", "float64", "bool", "datetime64[D]"])
    def test_absent_matches_absent_whatever_stands_there(self, dtype: str) -> None:
        left, right = np.array([1, 0], dtype=dtype), np.array([1, 1], dtype=dtype)
        assert self.column((left, [False, True]), (right, [False, True])).rung is Rung.IDENTICAL

    @pytest.mark.parametrize("generous", [CLOSE, Tolerance(kind=Kind.CLOSE, rtol=1e9, atol=1e9, ulp=1 << 63)])
    def test_a_value_against_none_is_outside_every_tolerance(self, generous: Tolerance) -> None:
        values = np.array([1.0, 2.0, 3.0])
        x = self.column((values, [False, True, False]), (values, [False, False, True]), generous)
        assert (x.rung, x.count, x.differing, x.would_pass) == (Rung.DRIFTED, 2, 2, "")
        assert (
            x.note
            == "a value is absent: 1 (first in row 2); a value stands where none is: 1 (first in row 1)"
        )
        assert [(row.row, row.expected, row.actual, row.absolute, row.ulp) for row in x.worst] == [
            (1, None, 2.0, math.inf, None),
            (2, 3.0, None, math.inf, None),
        ]
        assert x.distances is not None
        assert x.distances.buckets == (Bucket(low=0, high=0, count=1), Bucket(low=0, high=None, count=2))
        assert [point.row for point in x.points] == [0]

    def test_a_label_that_is_absent_flips(self) -> None:
        values = np.array([1, 2])
        x = self.column((values, [False, False]), (values, [False, True]), Tolerance(kind=Kind.LABEL))
        assert (x.rung, x.flips) == (Rung.FLIPPED, (Flip(expected=2, actual=None, count=1),))

    def test_a_row_of_probabilities_without_one_has_no_order(self) -> None:
        left, right = np.array([[0.6, 0.4]]), np.array([[0.4, 0.6]])
        x = self.column(
            (left, [[False, True]]), (right, [[False, True]]), Tolerance(kind=Kind.PROBABILITY, atol=1)
        )
        assert (x.rung, x.tops_moved, x.differing) == (Rung.TOLERANCE, 0, 1)


class TestLabelsAndTheirScores:
    def test_several_columns_one_a_class(self) -> None:
        table = {
            "x": text("a", "b"),
            "pa": np.array([0.7, 0.4]),
            "pb": np.array([0.2, 0.6], dtype=np.float32),
        }
        other = {**table, "x": text("b", "b")}
        result = compare(table, other, x=Tolerance(kind=Kind.LABEL, scores=("pa", "pb")))
        assert result.columns[0].worst[0].margin == pytest.approx(0.5)
        assert result.columns[0].tolerance == "label, scores pa, pb"


FINITE = st.floats(allow_nan=False, allow_infinity=False)


class TestSigns:
    COMPONENTS = np.array([[1.0, -2.0, 3.0], [4.0, 0.0, -6.0]])
    UP_TO_SIGN = Tolerance(kind=Kind.CLOSE, rtol=1e-9, up_to=UpTo.SIGN)

    def test_components_with_another_sign_are_equivalent_and_said(self) -> None:
        x = column(self.COMPONENTS, self.COMPONENTS * [-1, 1, -1], self.UP_TO_SIGN)
        assert (x.rung, x.count) == (Rung.EQUIVALENT, 0)
        assert x.note == "taken times -1: 2 of 3 components: 0, 2"
        assert x.tolerance == "close, rtol 1e-09, up to sign"

    def test_a_plain_column_has_one_sign(self) -> None:
        x = column(np.array([1.0, -2.0]), np.array([-1.0, 2.0]), self.UP_TO_SIGN)
        assert (x.rung, x.note) == (Rung.EQUIVALENT, "taken times -1")

    def test_without_being_told_it_drifts(self) -> None:
        assert column(self.COMPONENTS, -self.COMPONENTS, CLOSE).rung is Rung.DRIFTED

    def test_the_same_signs_are_not_called_equivalent(self) -> None:
        assert column(self.COMPONENTS, self.COMPONENTS.copy(), self.UP_TO_SIGN).rung is Rung.IDENTICAL

    def test_one_value_of_another_sign_drifts(self) -> None:
        actual = -self.COMPONENTS
        actual[1, 0] = 4.0
        x = column(self.COMPONENTS * 1, actual * [4, 1, 1], self.UP_TO_SIGN)
        assert x.rung is Rung.DRIFTED
        y = column(np.array([1.0, 2.0, 3.0]), np.array([-1.0, -2.0, 3.5]), self.UP_TO_SIGN)
        assert (y.rung, y.count) == (Rung.DRIFTED, 3)
        z = column(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 2.5, -3.0]), self.UP_TO_SIGN)
        assert (z.rung, z.count) == (Rung.DRIFTED, 1)
        assert z.note == "taken times -1"

    @settings(deadline=None)
    @given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=9))
    def test_the_dot_product_is_exact(self, pairs: list[tuple[float, float]]) -> None:
        left, right = (np.array(side) for side in zip(*pairs, strict=True))
        together, apart = Dots(1), Dots(1)
        together.add(left, right, 0)
        for place in range(len(left)):
            part = Dots(1)
            part.add(left[place : place + 1], right[place : place + 1], place)
            apart.merge(part)
        products = [Fraction(e) * Fraction(a) for e, a in pairs]
        rounding = sum(map(abs, products), Fraction(0)) / (1 << 52)
        if abs(total := sum(products, Fraction(0))) > rounding:
            assert together.signs().tolist() == [-1 if total < 0 else 1]
        assert together.signs().tolist() == apart.signs().tolist()


class TestNames:
    UP_TO_NAMES = Tolerance(kind=Kind.LABEL, up_to=UpTo.NAMES)

    def test_clusters_under_other_numbers_are_equivalent_and_said(self) -> None:
        x = column(np.array([0, 0, 1, 2, 1]), np.array([2, 2, 1, 0, 1]), self.UP_TO_NAMES)
        assert (x.rung, x.count) == (Rung.EQUIVALENT, 0)
        assert x.note == "taken under other names: 2 for 0, 0 for 2"

    def test_text(self) -> None:
        x = column(text("a", "b", None), text("b", "a", None), self.UP_TO_NAMES)
        assert (x.rung, x.note) == (Rung.EQUIVALENT, "taken under other names: 'b' for 'a', 'a' for 'b'")

    def test_two_groups_that_became_one_flip(self) -> None:
        x = column(np.array([0, 0, 0, 1]), np.array([5, 5, 5, 5]), self.UP_TO_NAMES)
        assert (x.rung, x.count) == (Rung.FLIPPED, 1)
        assert x.flips == (Flip(expected=1, actual=5, count=1),)

    def test_one_row_in_another_group_flips(self) -> None:
        x = column(np.array([0, 0, 1, 1, 1]), np.array([1, 1, 0, 0, 1]), self.UP_TO_NAMES)
        assert (x.rung, x.count, x.worst[0].row) == (Rung.FLIPPED, 1, 4)
        assert x.note == "taken under other names: 1 for 0, 0 for 1"

    def test_the_same_names_are_not_called_equivalent(self) -> None:
        assert column(np.array([0, 1]), np.array([0, 1]), self.UP_TO_NAMES).rung is Rung.IDENTICAL


class TestLoose:
    DTYPE = Tolerance(kind=Kind.CLOSE, rtol=1e-6, loose=(Loose.DTYPE,))
    SHAPE = Tolerance(kind=Kind.EXACT, loose=(Loose.SHAPE,))

    def test_another_width_is_equivalent_and_said(self) -> None:
        x = column(np.array([0.5, 0.1]), np.array([0.5, 0.1], dtype=np.float32), self.DTYPE)
        assert (x.rung, x.differing, x.largest_ulp) == (Rung.EQUIVALENT, 1, None)
        assert x.note == "float64 is expected, float32 came: compared by value"
        assert (x.expected_type, x.actual_type) == ("float64", "float32")

    def test_another_value_drifts_all_the_same(self) -> None:
        x = column(np.array([0.5]), np.array([0.6], dtype=np.float32), self.DTYPE)
        assert (x.rung, x.would_pass) == (Rung.DRIFTED, "rtol >= 0.21 or atol >= 0.11")

    def test_whole_numbers_are_exact_at_every_size(self) -> None:
        exact = Tolerance(kind=Kind.EXACT, loose=(Loose.DTYPE,))
        big = 2**63
        assert column(np.array([big], dtype=np.uint64), np.array([-1]), exact).largest_absolute is not None
        assert column(np.array([2**53 + 1]), np.array([2.0**53]), exact).rung is Rung.FLIPPED
        assert column(np.array([2**53]), np.array([2.0**53]), exact).rung is Rung.EQUIVALENT
        assert (
            column(np.array([7], dtype=np.int8), np.array([7], dtype=np.uint64), exact).rung
            is Rung.EQUIVALENT
        )
        x = column(np.array([big], dtype=np.uint64), np.array([-1]), exact)
        assert x.largest_absolute is not None
        assert x.largest_absolute.value == big + 1

    def test_infinities_and_nan(self) -> None:
        left = np.array([math.inf, math.nan, -math.inf])
        assert column(left, left.astype(np.float32), self.DTYPE).rung is Rung.EQUIVALENT
        assert column(left, -left.astype(np.float32), self.DTYPE).count == 2

    def test_text_is_no_number(self) -> None:
        assert column(np.array([1.0]), text("1"), self.DTYPE).rung is Rung.SCHEMA

    def test_lengths_of_one(self) -> None:
        flat, nested = np.array([[1, 2], [3, 4]]), np.array([[[1], [2]], [[3], [4]]])
        x = column(flat, nested, self.SHAPE)
        assert (x.rung, x.note) == (
            Rung.EQUIVALENT,
            "int64[2] is expected, int64[2,1] came: compared without lengths of 1",
        )
        assert column(flat, nested).rung is Rung.SCHEMA
        assert column(flat, flat.reshape(2, 1, 2) + 1, self.SHAPE).count == 4
        assert column(flat, flat[:, :1], self.SHAPE).rung is Rung.SCHEMA


class TestRowsByKey:
    TABLE = {"id": np.array([1, 2, 3]), "at": text("x", "y", "x"), "p": np.array([0.1, 0.2, 0.3])}  # noqa: RUF012

    def taken(self, rows: list[int]) -> dict[str, Array]:
        return {name: array[rows] for name, array in self.TABLE.items()}

    def test_another_order_is_equivalent_and_said(self) -> None:
        result = compare(self.TABLE, self.taken([2, 0, 1]), ["id"])
        assert result.rung is Rung.EQUIVALENT
        assert result.notes == ("the rows stand in another order; they were matched by 'id'",)
        assert {each.rung for each in result.columns} == {Rung.IDENTICAL}

    def test_the_same_order_is_identical(self) -> None:
        result = compare(self.TABLE, self.taken([0, 1, 2]), ["id"])
        assert (result.rung, result.notes) == (Rung.IDENTICAL, ())

    def test_several_keys(self) -> None:
        table = {**self.TABLE, "id": np.array([1, 1, 2])}
        moved = {name: array[[1, 2, 0]] for name, array in table.items()}
        assert compare(table, moved, ["id", "at"]).rung is Rung.EQUIVALENT

    def test_a_drift_is_told_of_the_goldens_row(self) -> None:
        actual = self.taken([2, 0])
        actual["p"] = np.array([0.4, 0.1])
        result = compare(self.TABLE, actual, ["id"])
        assert result.rung is Rung.SCHEMA
        assert result.notes[0] == "rows with these keys are missing: 2"
        p = result.columns[2]
        assert [row.row for row in p.worst] == [2]
        assert p.largest_absolute is not None
        assert p.largest_absolute.index == (2,)
        assert [point.row for point in p.points] == [0, 2]

    def test_rows_of_new_keys_and_of_keys_that_come_twice(self) -> None:
        actual = self.taken([0, 1, 2, 2, 2])
        actual["id"] = np.array([1, 2, 3, 3, 9])
        result = compare(self.TABLE, actual, ["id"])
        assert result.rung is Rung.SCHEMA
        assert result.notes[:2] == (
            "keys come several times in the output: 3",
            "rows with these keys are not in the golden: 9",
        )

    def test_output_rows_without_a_key(self) -> None:
        table = {"at": text("x", "y")}
        result = compare(table, {"at": text("x", None)}, ["at"])
        assert result.notes[:2] == (
            "rows of the output lack a key: 1",
            "rows with these keys are missing: 'y'",
        )

    def test_a_key_that_tells_no_row_is_a_mistake(self) -> None:
        with pytest.raises(ConfigurationError, match="several rows of the golden have the same key: 'x'"):
            compare(self.TABLE, self.TABLE, ["at"])

    @pytest.mark.parametrize("values", [text("a", None), np.array([1.0, math.nan])])
    def test_a_key_that_is_absent_is_a_mistake(self, values: Array) -> None:
        with pytest.raises(ConfigurationError, match="rows of the golden have no value there: 1"):
            compare({"k": values}, {"k": values}, ["k"])

    def test_a_masked_key_is_absent(self) -> None:
        table = Table({"k": np.array([1, 2])}, {"k": np.array([False, True])})
        with pytest.raises(ConfigurationError, match="have no value there: 1"):
            compare_tables(table, table, {}, rows_by=["k"])

    @pytest.mark.parametrize("key", ["q", "wide"])
    def test_a_key_that_the_golden_does_not_have(self, key: str) -> None:
        table = {**self.TABLE, "wide": np.zeros((3, 2))}
        with pytest.raises(ConfigurationError, match=f"rows-by names '{key}'"):
            compare(table, table, [key])

    def test_a_key_that_the_output_does_not_have(self) -> None:
        actual = {name: array for name, array in self.TABLE.items() if name != "id"}
        result = compare(self.TABLE, actual, ["id"])
        assert result.rung is Rung.SCHEMA
        assert (
            result.notes[0]
            == "the rows are compared by their place: key column 'id' is missing from the output"
        )


def test_many_new_columns_are_not_tried_under_every_missing_name() -> None:
    expected = {f"a{number}": np.zeros(1) for number in range(101)}
    actual = {f"b{number}": np.zeros(1) for number in range(100)}
    assert {each.note for each in compare(expected, actual).columns} == {
        "missing from the output",
        "not in the golden",
    }


def test_a_column_that_is_another_after_its_first_rows_is_not_called_renamed() -> None:
    values = np.zeros(10_000)
    other = values.copy()
    other[-1] = 1
    notes = [each.note for each in compare({"a": values}, {"b": other}).columns]
    assert notes == ["missing from the output", "not in the golden"]
