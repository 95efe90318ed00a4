"""What a report blames: the findings that weigh something, and every output column's rung."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from tests.engine.conftest import Outcome


class Blame(NamedTuple):
    """One finding of severity error or warning."""

    layer: str
    key: str
    expected: str | None
    actual: str | None
    severity: str = "error"


def findings(outcome: Outcome) -> list[dict[str, str | None]]:
    """All findings of the report, unknowns and infos too."""
    return cast("list[dict[str, str | None]]", outcome.report["findings"])


def blamed(outcome: Outcome) -> set[Blame]:
    """Every finding that is an error or a warning: whatever a reader would take for a cause."""
    return {
        Blame(str(f["layer"]), str(f["key"]), f["expected"], f["actual"], str(f["severity"]))
        for f in findings(outcome)
        if f["severity"] != "info"
    }


def unknown(outcome: Outcome) -> set[tuple[str | None, str | None]]:
    """Layer and key of everything that nobody could look at."""
    return {(f["layer"], f["key"]) for f in findings(outcome) if f["status"] == "unknown"}


def cases(outcome: Outcome) -> dict[str, dict[str, object]]:
    """The report of each case by its name."""
    return {str(case["name"]): case for case in cast("list[dict[str, object]]", outcome.report["cases"])}


def table(outcome: Outcome, case: str = "batch") -> dict[str, object]:
    """The comparison of a case."""
    return cast("dict[str, object]", cases(outcome)[case]["table"])


def columns(outcome: Outcome, case: str = "batch") -> dict[str, dict[str, object]]:
    """The comparison of each column of a case, in the report's order."""
    listed = cast("list[dict[str, object]]", table(outcome, case)["columns"])
    return {str(column["name"]): column for column in listed}


def rungs(outcome: Outcome, case: str = "batch") -> dict[str, object]:
    """The rung of each column of a case."""
    return {name: column["rung"] for name, column in columns(outcome, case).items()}


BATCH = {"label": "identical", "p_ash": "identical", "p_birch": "identical", "p_cedar": "identical"}
HTTP = {"label": "identical", "probability": "identical"}

Drifted = Callable[..., str]
