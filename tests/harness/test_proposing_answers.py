"""Columns found in the JSON of an answer: the expressions are tried on that very answer."""

from __future__ import annotations

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldlock.proposing.answers import find, without


@pytest.mark.parametrize(
    ("answer", "rows", "columns"),
    [
        ({"predictions": ["x", "y"]}, 2, {"predictions": ["x", "y"]}),
        ([0.5, 0.25], 2, {"value": [0.5, 0.25]}),
        (
            {"labels": ["x", "y"], "scores": [[0.1, 0.9], [0.8, 0.2]], "model": "m:1", "took": 0.3},
            2,
            {"labels": ["x", "y"], "scores": [[0.1, 0.9], [0.8, 0.2]]},
        ),
        ([{"label": "x", "p": 1.0}, {"label": "y", "p": 0.5}], 2, {"label": ["x", "y"], "p": [1.0, 0.5]}),
        ({"results": [{"box": {"w": 1}}, {"box": {"w": 2}}]}, 2, {"w": [1, 2]}),
        ({"a": {"value": [1, 2]}, "b": {"value": [3, 4]}}, 2, {"a.value": [1, 2], "b.value": [3, 4]}),
        ({"a-b": {"c d": [1, 2]}}, 2, {"c d": [1, 2]}),
        (
            {"label": "x", "probabilities": [0.1, 0.9], "id": "7"},
            1,
            {"label": "x", "probabilities": [[0.1, 0.9]]},
        ),
        (
            {"scores": [{"name": "x", "p": 0.1}, {"name": "y", "p": 0.9}]},
            1,
            {"name": [["x", "y"]], "p": [[0.1, 0.9]]},
        ),
        (3.5, 1, {"value": 3.5}),
        (
            {"outputs": [{"name": "n", "shape": [2], "datatype": "FP64", "data": [1.0, 2.0]}]},
            2,
            {"n": [1.0, 2.0]},
        ),
        (
            {"outputs": [{"name": "n", "shape": [1, 3], "datatype": "FP64", "data": [1.0, 2.0, 3.0]}]},
            1,
            {"n": [[1.0, 2.0, 3.0]]},
        ),
    ],
)
def test_columns(answer: object, rows: int, columns: dict[str, object]) -> None:
    found = find(answer, rows)
    assert {name: jmespath.search(each, answer) for name, each in found.columns.items()} == columns
    assert found.lost == ()


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        ({"labels": ["x", "y"], "classes": ["x", "y", "z"]}, ("classes",)),
        ({"labels": ["x", "y"], "ragged": [[1], [1, 2]]}, ("ragged",)),
        ([{"label": "x", "note": None}, {"label": "y", "note": "n"}], ("[*].note",)),
        (
            {"labels": ["x", "y"], "outputs": [{"name": "n", "shape": [2, 2], "data": [1, 2, 3, 4]}]},
            ("outputs[?name=='n'].data | [0]",),
        ),
    ],
)
def test_what_has_no_value_for_each_row_is_told(answer: object, lost: tuple[str, ...]) -> None:
    found = find(answer, 2)
    assert len(found.columns) == 1
    assert found.lost == lost


def test_only_the_named_part_is_looked_at() -> None:
    answer = {"output": {"label": "x"}, "status": "succeeded", "input": {"a": 1}}
    assert find(answer, 1, within=("output",)).columns == {"label": "output.label"}
    assert find({"status": "failed"}, 1, within=("output",)).columns == {}


def test_what_moves_from_one_answer_to_the_next_is_left_out() -> None:
    found = without(find({"labels": ["x", "y"], "stamps": [1, 2]}, 2), ["stamps"])
    assert (found.columns, found.unstable) == ({"labels": "labels"}, ("stamps",))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, st.integers(1, 3))
def test_whatever_is_answered_every_column_has_a_value_for_each_row(answer: object, rows: int) -> None:
    for expression in find(answer, rows).columns.values():
        value = jmespath.search(expression, answer)
        assert value is not None
        assert rows == 1 or (isinstance(value, list) and len(value) == rows)
