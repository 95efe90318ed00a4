"""A model that answers otherwise, in an environment that is as locked: the columns and rows that moved, no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from tests.engine.blame import BATCH, HTTP, blamed, cases, columns, rungs, table
from tests.engine.conftest import MINI

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.blame import Drifted
    from tests.engine.conftest import Outcome, Project

pytestmark = pytest.mark.engine

NUMBERS = ("p_ash", "p_birch", "p_cedar")
# The place in predict.py where the output's columns are there and not yet written.
BEFORE_WRITING = '    if ending == "npz":\n        buffer'


@pytest.fixture
def answering(mini: Project, drifted: Drifted) -> Callable[..., Outcome]:
    """Verifies the batch case with a line that changes the columns before predict.py writes them."""

    def verify(line: str) -> Outcome:
        text = (MINI / "predict.py").read_text(encoding="utf-8")
        assert text.count(BEFORE_WRITING) == 1
        changed = text.replace(BEFORE_WRITING, f"    {line}\n{BEFORE_WRITING}")
        image = drifted("COPY predict.py /app/", {"predict.py": changed.encode()})
        outcome = mini.verify("batch", "--fail-on", "warning", "--no-hash", "--image", image)
        assert outcome.code == 1
        assert blamed(outcome) == set(), "the environment is as locked"
        return outcome

    return verify


def _notes(outcome: Outcome) -> str:
    return "\n".join(cast("list[str]", table(outcome)["notes"]))


def test_two_swapped_labels_are_flips(mini: Project, drifted: Drifted) -> None:
    text = (MINI / "model.py").read_text(encoding="utf-8")
    changed = text.replace('["ash", "birch", "cedar"]', '["birch", "ash", "cedar"]')
    assert changed != text
    image = drifted("COPY model.py /app/", {"model.py": changed.encode()})
    outcome = mini.verify("--fail-on", "warning", "--no-hash", "--image", image)
    assert (outcome.code, blamed(outcome)) == (1, set())
    assert rungs(outcome) == {**BATCH, "label": "flipped"}
    assert rungs(outcome, "http") == {**HTTP, "label": "flipped"}
    for case in ("batch", "http"):
        label = columns(outcome, case)["label"]
        assert label["count"] == 7, "the row that is cedar stays cedar"
        assert {
            (f["expected"], f["actual"], f["count"]) for f in cast("list[dict[str, object]]", label["flips"])
        } == {
            ("ash", "birch", 4),
            ("birch", "ash", 3),
        }


def test_two_labels_swapped_between_two_rows_are_found_by_row(answering: Callable[..., Outcome]) -> None:
    outcome = answering('columns["label"][1], columns["label"][7] = columns["label"][7], columns["label"][1]')
    assert rungs(outcome) == {**BATCH, "label": "flipped"}
    worst = cast("list[dict[str, object]]", columns(outcome)["label"]["worst"])
    assert {(row["row"], row["expected"], row["actual"]) for row in worst} == {
        (1, "ash", "cedar"),
        (7, "cedar", "ash"),
    }


def test_a_missing_column_is_named(answering: Callable[..., Outcome]) -> None:
    outcome = answering('del columns["p_cedar"]')
    assert rungs(outcome) == {**BATCH, "p_cedar": "schema"}
    column = columns(outcome)["p_cedar"]
    assert (column["expected-type"], column["actual-type"]) == ("float64", None)
    assert column["note"] == "missing from the output"


def test_an_extra_column_is_named(answering: Callable[..., Outcome]) -> None:
    outcome = answering('columns["seconds"] = [0.25] * 8')
    assert rungs(outcome) == {**BATCH, "seconds": "schema"}
    column = columns(outcome)["seconds"]
    assert (column["expected-type"], column["actual-type"]) == (None, "float64")


def test_a_renamed_column_is_named_both_ways(answering: Callable[..., Outcome]) -> None:
    outcome = answering('columns["p_cypress"] = columns.pop("p_cedar")')
    assert rungs(outcome) == {**BATCH, "p_cedar": "schema", "p_cypress": "schema"}
    assert "'p_cypress'" in str(columns(outcome)["p_cedar"]["note"])
    assert "'p_cedar'" in str(columns(outcome)["p_cypress"]["note"])


def test_reordered_columns_are_named(answering: Callable[..., Outcome]) -> None:
    outcome = answering('columns["p_birch"] = columns.pop("p_birch")')
    assert rungs(outcome) == {**BATCH, "p_birch": "schema", "p_cedar": "schema"}
    assert "another order" in _notes(outcome)


def test_a_column_of_another_dtype_is_named(answering: Callable[..., Outcome]) -> None:
    outcome = answering('columns["p_birch"] = [round(v * 1e6) for v in columns["p_birch"]]')
    assert rungs(outcome) == {**BATCH, "p_birch": "schema"}
    column = columns(outcome)["p_birch"]
    assert (column["expected-type"], column["actual-type"]) == ("float64", "int64")


def test_labels_as_numbers_are_another_dtype(answering: Callable[..., Outcome]) -> None:
    outcome = answering('columns["label"] = [["ash", "birch", "cedar"].index(v) for v in columns["label"]]')
    assert rungs(outcome) == {**BATCH, "label": "schema"}
    assert (columns(outcome)["label"]["expected-type"], columns(outcome)["label"]["actual-type"]) == (
        "str",
        "int64",
    )


def test_dropped_rows_are_named(answering: Callable[..., Outcome]) -> None:
    outcome = answering("columns = {name: values[:3] + values[5:] for name, values in columns.items()}")
    found = table(outcome)
    assert (found["rung"], found["expected-rows"], found["actual-rows"]) == ("schema", 8, 6)
    assert "8 rows are expected, 6 came" in _notes(outcome)
    assert "rows look dropped: of the golden's, rows 3, 4" in _notes(outcome)
    assert "duplicated" not in _notes(outcome)


def test_duplicated_rows_are_named(answering: Callable[..., Outcome]) -> None:
    outcome = answering("columns = {name: values + values[2:4] for name, values in columns.items()}")
    found = table(outcome)
    assert (found["rung"], found["expected-rows"], found["actual-rows"]) == ("schema", 8, 10)
    assert "rows look duplicated: of the output's, rows 8, 9" in _notes(outcome)
    assert "dropped" not in _notes(outcome)


def test_a_row_written_over_another_is_named_as_both(answering: Callable[..., Outcome]) -> None:
    """As many rows as expected, one of them twice and one gone."""
    outcome = answering(
        "columns = {name: [*values[:6], values[5], *values[7:]] for name, values in columns.items()}"
    )
    found = table(outcome)
    assert (found["rung"], found["expected-rows"], found["actual-rows"]) == ("flipped", 8, 8)
    assert "rows look dropped: of the golden's, row 6" in _notes(outcome)
    assert "rows look duplicated: of the output's, row 6" in _notes(outcome)


def test_reordered_rows_are_named(answering: Callable[..., Outcome]) -> None:
    outcome = answering("columns = {name: [*values[4:], *values[:4]] for name, values in columns.items()}")
    assert cases(outcome)["batch"]["rung"] == "flipped"
    assert "the rows look reordered" in _notes(outcome)
    assert "dropped" not in _notes(outcome)


def test_nan_for_a_number_is_named_with_its_row(answering: Callable[..., Outcome]) -> None:
    outcome = answering('columns["p_birch"][3] = float("nan")')
    assert rungs(outcome) == {**BATCH, "p_birch": "drifted"}
    column = columns(outcome)["p_birch"]
    assert (column["count"], column["differing"]) == (1, 1)
    (row,) = cast("list[dict[str, object]]", column["worst"])
    assert (row["row"], row["expected"], row["actual"]) == (3, 0.27518763347574965, "nan")


def test_a_number_that_moves_a_little_stays_on_its_rung(mini: Project, drifted: Drifted) -> None:
    """Within tolerance is a match, and is told."""
    text = (MINI / "predict.py").read_text(encoding="utf-8")
    line = '    columns["p_ash"][2] = columns["p_ash"][2] * (1 + 4e-12)\n'
    line += '    columns["p_cedar"][5] = float(np.nextafter(columns["p_cedar"][5], 1))\n'
    changed = text.replace(BEFORE_WRITING, line + BEFORE_WRITING)
    image = drifted("COPY predict.py /app/", {"predict.py": changed.encode()})
    outcome = mini.verify("batch", "--no-hash", "--image", image)
    assert outcome.code == 0
    assert rungs(outcome) == {**BATCH, "p_ash": "tolerance", "p_cedar": "ulp"}
    assert {columns(outcome)[name]["differing"] for name in ("p_ash", "p_cedar")} == {1}
