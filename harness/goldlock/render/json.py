"""The report for machines: stable keys, a version, and no value that JSON has no word for."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from goldlock.report import REPORT_VERSION

if TYPE_CHECKING:
    from goldlock.report import CaseReport, Report
    from goldlock.results import ColumnResult


def render(report: Report) -> str:
    """The report as JSON with a final line feed.

    Keys are kebab-case. NaN and the infinities are the strings "nan", "inf" and "-inf" (RFC 8259 has no
    numbers for them). ASCII only: no terminal is steered and no encoding, nor half a surrogate pair, breaks it.
    """
    document = {
        "report-version": REPORT_VERSION,
        "goldlock-version": report.goldlock_version,
        "verdict": report.verdict.value,
        "exit-code": report.verdict.exit_code,
        "fail-on": report.fail_on.value,
        "subject": {"name": report.subject, "engine": report.engine, "image": report.image},
        "lock-id": report.lock_id,
        "failure": plain(report.failure),
        "findings": plain(report.findings),
        "cases": [_case(case) for case in report.cases],
        "notes": list(report.notes),
        "snapshot": plain(report.snapshot),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _case(case: CaseReport) -> dict[str, object]:
    table = case.table
    return {
        "name": case.name,
        "verdict": case.verdict.value,
        "rung": None if case.rung is None else case.rung.value,
        "way": case.way,
        "golden": case.golden,
        "seconds": round(case.seconds, 3),
        "failure": plain(case.failure),
        "expected-rows": None if table is None else table.expected_rows,
        "actual-rows": None if table is None else table.actual_rows,
        "notes": [] if table is None else list(table.notes),
        "columns": [] if table is None else [_column(column) for column in table.columns],
    }


def _column(column: ColumnResult) -> dict[str, object]:
    fields = plain(column)
    if not isinstance(fields, dict):
        raise TypeError(column)
    return {**fields, "share": column.share, "passes": column.passes}


def plain(value: object) -> object:
    """A value of ours as what `json` can write."""
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name.replace("_", "-"): plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
