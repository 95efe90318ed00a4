"""Tolerances: what may be stated, what is the default, and who wins."""

from __future__ import annotations

import math

import pytest

from goldlock.tolerance import DEFAULT_ULP, Kind, Tolerance, default_for, effective, override
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
        assert Tolerance(kind=Kind.LABEL, scores="p").scores == "p"
        with pytest.raises(ConfigurationError, match="only a label has scores"):
            Tolerance(kind=Kind.CLOSE, scores="p")

    @pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.PROBABILITY])
    @pytest.mark.parametrize("dtype", ["str", "bool"])
    def test_closeness_is_for_numbers(self, kind: Kind, dtype: str) -> None:
        with pytest.raises(ConfigurationError, match=f"column 'a' holds {dtype}"):
            Tolerance(kind=kind).check("a", dtype)

    def test_any_kind_is_for_floats_and_exactness_for_all(self) -> None:
        for kind in (Kind.CLOSE, Kind.PROBABILITY, Kind.EXACT, Kind.LABEL):
            Tolerance(kind=kind).check("a", "float32")
        Tolerance(kind=Kind.EXACT).check("a", "str")


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float16", Tolerance(kind=Kind.CLOSE, rtol=1e-5, ulp=DEFAULT_ULP)),
        ("float32", Tolerance(kind=Kind.CLOSE, rtol=1e-5, ulp=DEFAULT_ULP)),
        ("float64", Tolerance(kind=Kind.CLOSE, rtol=1e-9, ulp=DEFAULT_ULP)),
        ("int64", Tolerance(kind=Kind.EXACT)),
        ("bool", Tolerance(kind=Kind.EXACT)),
        ("str", Tolerance(kind=Kind.LABEL)),
    ],
)
def test_defaults(dtype: str, expected: Tolerance) -> None:
    assert default_for(dtype) == expected


class TestOverride:
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
        assert override(default_for("float32"), kind=Kind.LABEL, scores="p") == Tolerance(
            kind=Kind.LABEL, scores="p"
        )
        assert override(Tolerance(kind=Kind.LABEL, scores="p"), kind=Kind.EXACT) == Tolerance(kind=Kind.EXACT)

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
