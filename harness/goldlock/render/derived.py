"""What the JSON report says beside the fields of its values, for readers that do not want to work it out.

The one list of these keys: `goldlock.render.json` writes them, `goldlock.schemas` describes them, and
reading a report skips them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from goldlock.report import REPORT_VERSION, CaseReport, Report, Verdict
from goldlock.results import ColumnResult, Rung


@dataclass(frozen=True)
class Derived:
    """One key that follows from the other ones."""

    key: str
    kind: object
    """Its type, as an annotation."""
    of: Callable[[Any], object]
    """What it is, for a value of the type that it is listed under: text, a list of it, a number, true, false or None."""
    meaning: str


DERIVED: Mapping[type, tuple[Derived, ...]] = {
    Report: (
        Derived(
            "report-version",
            str,
            lambda _: REPORT_VERSION,
            "Version of this format: another first part, another format.",
        ),
        Derived("verdict", Verdict, lambda report: report.verdict.value, "What the run found."),
        Derived(
            "exit-code", int, lambda report: report.verdict.exit_code, "What goldlock ended with: 0, 1 or 3."
        ),
        Derived(
            "gist",
            list[str],
            lambda report: list(report.gist),
            "The causes that explain many of the findings, the most basic first; mostly none.",
        ),
    ),
    CaseReport: (
        Derived("verdict", Verdict, lambda case: case.verdict.value, "This case alone."),
        Derived(
            "rung",
            Rung | None,
            lambda case: case.rung and case.rung.value,
            "Null where there are no outputs.",
        ),
    ),
    ColumnResult: (
        Derived(
            "share", float, lambda column: column.share, "Values outside tolerance, of all compared: 0 to 1."
        ),
        Derived("passes", bool, lambda column: column.passes, "Whether this column lets the case match."),
    ),
}


def derived(value: object) -> dict[str, object]:
    """The derived keys of one value."""
    return {each.key: each.of(value) for each in DERIVED[type(value)]}
