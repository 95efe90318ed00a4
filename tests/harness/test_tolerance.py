"""Tolerances: what may be stated, what is the default, and who wins."""

from __future__ import annotations

import math

import pytest

from goldlock.tolerance import DEFAULT_ULP, Kind, Loose, Tolerance, UpTo, default_for, effective, override
from goldlock_env.errors import ConfigurationError


class TestWhatMayBeStated:
    @pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
    @pytest.mark.parametrize("name", ["rtol", "atol"])
    def test_numbers_are_finite_and_not_negative(self, name: str, value: float) -> None:
        with pytest.raises(ConfigurationError) as caught:
            Tolerance(kind=Kind.CLOSE, **{name: value})  # type: ignore[arg-type]
        assert caught.value.message.startswith(f"{name} is {value!r}")
        assert caught.value.hint

    def test_ulp_is_not_negative(self) -> None:
        with pytest.raises(ConfigurationError, match="ulp is -1"):
            Tolerance(kind=Kind.CLOSE, ulp=-1)

    @pytest.mark.parametrize("reason", ["", "  "])
    def test_ignoring_needs_a_reason(self, reason: str) -> None:
        with pytest.raises(ConfigurationError, match="ignored without a reason"):
            Tolerance(kind=Kind.IGNORE, reason=reason)

    def test_only_labels_have_scores(self) -> None:
        assert Tolerance(kind=Kind.LABEL, scores=("p",)).scores == ("p",)
        with pytest.raises(ConfigurationError, match="only a label has scores"):
            Tolerance(kind=Kind.CLOSE, scores=("p",))

    @pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.PROBABILITY])
    @pytest.mark.parametrize("dtype", ["str", "bool"])
    def test_closeness_is_for_numbers(self, kind: Kind, dtype: str) -> None:
        with pytest.raises(ConfigurationError, match=f"column 'a' holds {dtype}"):
            Tolerance(kind=kind).check("a", dtype)

    @pytest.mark.parametrize("dtype", ["date", "datetime"])
    def test_closeness_is_not_for_dates(self, dtype: str) -> None:
        with pytest.raises(ConfigurationError, match=f"column 'a' holds {dtype}"):
            Tolerance(kind=Kind.CLOSE).check("a", dtype)
        Tolerance(kind=Kind.LABEL).check("a", dtype)

    @pytest.mark.parametrize(
        ("up_to", "kind"),
        [
            (UpTo.SIGN, Kind.LABEL),
            (UpTo.SIGN, Kind.PROBABILITY),
            (UpTo.NAMES, Kind.CLOSE),
            (UpTo.NAMES, Kind.PROBABILITY),
        ],
    )
    def test_an_equivalence_that_means_nothing_for_the_kind(self, up_to: UpTo, kind: Kind) -> None:
        with pytest.raises(ConfigurationError, match=f"up-to = '{up_to.value}'"):
            Tolerance(kind=kind, up_to=up_to)

    @pytest.mark.parametrize("dtype", ["str", "bool", "int64", "uint8"])
    def test_only_floats_have_a_sign_to_turn(self, dtype: str) -> None:
        with pytest.raises(ConfigurationError, match="up-to is 'sign'"):
            Tolerance(kind=Kind.EXACT, up_to=UpTo.SIGN).check("a", dtype)
        Tolerance(kind=Kind.EXACT, up_to=UpTo.SIGN).check("a", "bfloat16")

    def test_floats_are_no_names(self) -> None:
        with pytest.raises(ConfigurationError, match="up-to is 'names'"):
            Tolerance(kind=Kind.EXACT, up_to=UpTo.NAMES).check("a", "float64")

    def test_any_kind_is_for_floats_and_exactness_for_all(self) -> None:
        for kind in (Kind.CLOSE, Kind.PROBABILITY, Kind.EXACT, Kind.LABEL):
            Tolerance(kind=kind).check("a", "float32")
        Tolerance(kind=Kind.EXACT).check("a", "str")


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("bfloat16", Tolerance(kind=Kind.CLOSE, rtol=1e-5, ulp=DEFAULT_ULP)),
        ("float16", Tolerance(kind=Kind.CLOSE, rtol=1e-5, ulp=DEFAULT_ULP)),
        ("date", Tolerance(kind=Kind.EXACT)),
        ("float32", Tolerance(kind=Kind.CLOSE, rtol=1e-5, ulp=DEFAULT_ULP)),
        ("float64", Tolerance(kind=Kind.CLOSE, rtol=1e-9, ulp=DEFAULT_ULP)),
        ("int64", Tolerance(kind=Kind.EXACT)),
        ("bool", Tolerance(kind=Kind.EXACT)),
        ("str", Tolerance(kind=Kind.LABEL)),
    ],
)
def test_defaults(dtype: str, expected: Tolerance) -> None:
    assert default_for(dtype) == expected


@pytest.mark.parametrize(
    ("tolerance", "said"),
    [
        (default_for("float32"), "close, rtol 1e-05, ulp 4"),
        (Tolerance(kind=Kind.EXACT), "exact"),
        (Tolerance(kind=Kind.IGNORE, reason="a timestamp"), "ignore"),
        (Tolerance(kind=Kind.PROBABILITY, rtol=1e-4, atol=1e-6, ulp=4), "probability, rtol 0.0001, atol 1e-06, ulp 4"),
        (Tolerance(kind=Kind.LABEL, scores=("a", "b"), up_to=UpTo.NAMES), "label, scores a, b, up to names"),
        (Tolerance(kind=Kind.CLOSE, loose=(Loose.DTYPE, Loose.SHAPE)), "close, any dtype, any shape"),
        (Tolerance(kind=Kind.CLOSE, atol=1), "close, atol 1"),
    ],
)  # fmt: skip
def test_it_is_stated_in_a_few_words(tolerance: Tolerance, said: str) -> None:
    assert tolerance.stated() == said


class TestOverride:
    def test_equivalences_are_taken_where_they_mean_something(self) -> None:
        base = Tolerance(kind=Kind.CLOSE, rtol=1, up_to=UpTo.SIGN, loose=(Loose.DTYPE,))
        assert override(base, atol=1).up_to is UpTo.SIGN
        assert override(base, kind=Kind.PROBABILITY) == Tolerance(
            kind=Kind.PROBABILITY, rtol=1, loose=(Loose.DTYPE,)
        )
        assert override(base, up_to=UpTo.NOTHING, loose=()) == Tolerance(kind=Kind.CLOSE, rtol=1)
        assert override(default_for("str"), up_to=UpTo.NAMES).up_to is UpTo.NAMES

    def test_nothing_given_changes_nothing(self) -> None:
        assert override(default_for("float32")) == default_for("float32")

    def test_one_number_leaves_the_others(self) -> None:
        assert override(default_for("float64"), atol=1e-3) == Tolerance(
            kind=Kind.CLOSE, rtol=1e-9, atol=1e-3, ulp=DEFAULT_ULP
        )

    def test_zero_is_given(self) -> None:
        assert override(default_for("float64"), rtol=0.0, ulp=0) == Tolerance(kind=Kind.CLOSE)

    def test_a_number_makes_an_exact_column_close(self) -> None:
        assert override(default_for("int64"), atol=1) == Tolerance(kind=Kind.CLOSE, atol=1)

    def test_another_kind_of_numbers_keeps_them(self) -> None:
        assert override(default_for("float32"), kind=Kind.PROBABILITY) == Tolerance(
            kind=Kind.PROBABILITY, rtol=1e-5, ulp=DEFAULT_ULP
        )

    def test_another_meaning_starts_afresh(self) -> None:
        assert override(default_for("float32"), kind=Kind.LABEL, scores=("p",)) == Tolerance(
            kind=Kind.LABEL, scores=("p",)
        )
        assert override(Tolerance(kind=Kind.LABEL, scores=("p",)), kind=Kind.EXACT) == Tolerance(
            kind=Kind.EXACT
        )

    def test_ignoring_still_needs_a_reason(self) -> None:
        assert override(default_for("str"), kind=Kind.IGNORE, reason="a timestamp").reason == "a timestamp"
        with pytest.raises(ConfigurationError):
            override(Tolerance(kind=Kind.CLOSE, reason="measured"), kind=Kind.IGNORE)


class TestPrecedence:
    def test_configured_then_recorded_then_default(self) -> None:
        recorded = {"a": Tolerance(kind=Kind.CLOSE, rtol=1), "b": Tolerance(kind=Kind.CLOSE, rtol=2)}
        configured = {"a": Tolerance(kind=Kind.CLOSE, rtol=3)}
        assert effective({"a": "float64", "b": "float64", "c": "str"}, recorded, configured) == {
            "a": configured["a"],
            "b": recorded["b"],
            "c": default_for("str"),
        }

    def test_a_column_that_does_not_exist(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            effective({"label": "str"}, {}, {"lable": Tolerance(kind=Kind.EXACT)})
        assert "'lable'" in caught.value.message
        assert caught.value.hint == "its columns are: 'label'"
