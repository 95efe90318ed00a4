"""Values as tables: what differs must not become the same, and what is the same must stay so."""

from __future__ import annotations

import json
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldlock.errors import ConfigurationError
from goldlock.pytesting.checking import folder_name
from goldlock.pytesting.values import taken

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.sampled_from("ab.[]\"' \N{SNOWMAN}0"), max_size=3),
)
KEYS = st.text(st.sampled_from('ab.[]" 0'), max_size=3)
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
CONTAINERS = st.one_of(st.lists(NESTED, max_size=3), st.dictionaries(KEYS, NESTED, max_size=3))


def canonical(value: object) -> str:
    """The slow oracle: JSON with each number's type, in which a list of whole and other numbers is of floats."""

    def typed(value: object) -> object:
        if isinstance(value, dict):
            return ["dict", *([key, typed(each)] for key, each in sorted(value.items()))]
        if isinstance(value, list):
            kinds = {type(each) for each in value}
            if kinds == {int, float} and all(abs(each) <= 2**53 for each in value if isinstance(each, int)):
                return ["list", *(typed(float(each)) for each in value)]
            return ["list", *map(typed, value)]
        return [type(value).__name__, repr(value)]

    return json.dumps(typed(value))


def same(one: object, other: object) -> bool:
    left, right = taken(one), taken(other)
    return left.table == right.table and left.about == right.about


@given(CONTAINERS, CONTAINERS)
def test_nested_values_are_the_same_table_only_where_they_are_the_same(one: object, other: object) -> None:
    assert same(one, json.loads(json.dumps(one, sort_keys=True)))
    if canonical(one) != canonical(other):
        assert not same(one, other)


@given(st.text(max_size=30), st.text(max_size=30))
def test_text_is_the_same_table_only_where_it_is_the_same(one: str, other: str) -> None:
    assert "\n".join(taken(one).table.columns["line"].tolist()) == one
    assert same(one, other) == (one == other)


@pytest.mark.parametrize(
    ("value", "columns", "rows"),
    [
        (np.zeros((3, 2, 4)), {"value": "float64[2,4]"}, 3),
        (np.float32(1), {"value": "float32"}, 1),
        (3, {"value": "int64"}, 1),
        (2**63, {"value": "uint64"}, 1),
        (True, {"value": "bool"}, 1),
        (None, {"value": "str"}, 1),
        ("a\nb\n", {"line": "str"}, 3),
        ({"a": np.arange(3), "b": np.ones((3, 2))}, {"a": "int64", "b": "float64[2]"}, 3),
        ({"a": np.arange(3), "b": np.arange(2)}, {"a": "int64[3]", "b": "int64[2]"}, 1),
        ([1.0, 2], {"value": "float64[2]"}, 1),
        ([2**62, 0.5], {"[0]": "int64", "[1]": "float64"}, 1),
        ([[1, 2], [3, 4]], {"value": "int64[2,2]"}, 1),
        ([[1, 2], [3]], {"[0]": "int64[2]", "[1]": "int64[1]"}, 1),
        ([[1], [2.0]], {"[0]": "int64[1]", "[1]": "float64[1]"}, 1),
        ({"m": {"f1": 0.5, "n": [True, False]}}, {"m.f1": "float64", "m.n": "bool[2]"}, 1),
        ({"a.b": 1, "": 2}, {'[""]': "int64", '["a.b"]': "int64"}, 1),
        ({}, {"value": "str"}, 1),
        (np.array([1 + 2j]), {"value.real": "float64", "value.imag": "float64"}, 1),
        (np.zeros(0), {"value": "float64"}, 0),
    ],
)
def test_columns_and_rows(value: object, columns: dict[str, str], rows: int) -> None:
    table = taken(value).table
    assert {name: str(found) for name, found in table.types.items()} == columns
    assert table.rows == rows


def test_a_structured_array_whose_fields_take_the_name_of_another_column_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"two columns named 'a\.b'"):
        taken({"a": np.zeros(1, [("b", "i4")]), "a.b": np.zeros(1)})


@pytest.mark.parametrize(
    ("test", "folder"),
    [
        ("test_a", "test_a"),
        ("TestA::test_b", "TestA.test_b"),
        ("test_a[x-1]", "test_a.x-1"),
        ("test_a[x.5]", "test_a.x.5"),
    ],
)
def test_a_plain_test_has_a_folder_that_reads_as_it(test: str, folder: str) -> None:
    assert folder_name(test) == folder


@given(st.text(string.printable + "\N{SNOWMAN}", min_size=1, max_size=200))
def test_a_folders_name_can_stand_on_any_disk(parameter: str) -> None:
    name = folder_name(f"test_a[{parameter}]")
    assert len(name) <= 140
    assert set(name) <= set(string.ascii_letters + string.digits + "._-")
    assert not name.startswith(".")
    assert not name.endswith(".")
