"""The report for machines: stable keys, a version, and no value that JSON has no word for.

`render` and `parse` are each other's inverse. Keys are kebab-case. NaN and the infinities are the strings "nan",
"inf" and "-inf" (RFC 8259 has no numbers for them); a cell's type says which it is, so that only among the inputs,
whose types are not told, do they come back as text. ASCII only: no terminal is steered, and no encoding, nor half a
surrogate pair, breaks it. What can be derived (verdicts, exit code, shares) is written for other readers and
derived again when read. `goldlock schema report` describes it all.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec
from msgspec.structs import replace

from goldlock.errors import ConfigurationError
from goldlock.render.derived import derived
from goldlock.report import REPORT_VERSION, Report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from goldlock.report import CaseReport
    from goldlock.results import ColumnResult, Flip, Value, WorstRow

    Document = dict[str, object]

NOT_FINITE = ("nan", "inf", "-inf")
"""How the floats are spelled that RFC 8259 has no numbers for."""
_Pair = TypeVar("_Pair", "Flip", "WorstRow")


def render(report: Report) -> str:
    """Return the report as JSON with a final line feed."""
    document: Document = msgspec.to_builtins(report, str_keys=True)
    for case, written in zip(report.cases, _objects(document["cases"]), strict=True):
        if case.table is not None:
            columns = _objects(cast("Document", written["table"])["columns"])
            for column, inner in zip(case.table.columns, columns, strict=True):
                inner.update(derived(column))
        written.update(derived(case))
    return json.dumps(_finite({**derived(report), **document}), indent=2, allow_nan=False) + "\n"


def parse(data: bytes, *, where: str) -> Report:
    """Return the report that `render` wrote; `where` names it in messages. Raises ConfigurationError."""
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{where}: is not JSON: {error}", hint="name a report that was written with --json FILE"
        ) from error
    version = document.get("report-version") if isinstance(document, dict) else None
    if not isinstance(version, str) or version.partition(".")[0] != REPORT_VERSION.partition(".")[0]:
        raise ConfigurationError(
            f"{where}: is not a report of version {REPORT_VERSION.partition('.')[0]}"
            + (f", but of {version}" if isinstance(version, str) else ""),
            hint="name a report that this goldlock wrote with --json FILE",
        )
    try:
        report = msgspec.convert(document, Report, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{where}: {error}", hint="name a report that was written with --json FILE, unchanged"
        ) from error
    return replace(report, cases=tuple(map(_case, report.cases)))


def _objects(value: object) -> Iterable[Document]:
    return cast("Iterable[Document]", value)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


# -- cells that are numbers again -------------------------------------------------------------------


def _case(case: CaseReport) -> CaseReport:
    if case.table is None:
        return case
    return replace(case, table=replace(case.table, columns=tuple(map(_column, case.table.columns))))


def _column(column: ColumnResult) -> ColumnResult:
    floats = _is_float(column.expected_type), _is_float(column.actual_type)
    if not any(floats):
        return column
    return replace(
        column,
        worst=tuple(_pair(worst, floats) for worst in column.worst),
        flips=tuple(_pair(flip, floats) for flip in column.flips),
    )


def _is_float(described: str | None) -> bool:
    return described is not None and described.startswith(("float", "bfloat"))


def _pair(pair: _Pair, floats: tuple[bool, bool]) -> _Pair:
    expected, actual = _cell(pair.expected, floats[0]), _cell(pair.actual, floats[1])
    if expected is pair.expected and actual is pair.actual:
        return pair
    return replace(pair, expected=expected, actual=actual)


def _cell(cell: Value, is_float: bool) -> Value:  # noqa: FBT001
    return float(cell) if is_float and isinstance(cell, str) and cell in NOT_FINITE else cell
