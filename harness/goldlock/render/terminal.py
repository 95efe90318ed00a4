"""The report for people: the verdict first, then what differs, then how each case did."""

from __future__ import annotations

import itertools
import shutil
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from goldlock.printable import printable
from goldlock.report import Verdict
from goldlock.results import Rung
from goldlock_env.findings import Layer, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goldlock.report import CaseReport, Failure, Report
    from goldlock.results import ColumnResult, TableResult
    from goldlock_env.findings import Finding

_VERDICT = {Verdict.MATCH: "bold green", Verdict.DRIFT: "bold red", Verdict.COULD_NOT_RUN: "bold yellow"}
_SEVERITY = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}
_WORST_ROWS = 5
_LONG = 48
_MOST = {Severity.ERROR: 60, Severity.WARNING: 15, Severity.INFO: 4}


def render(
    report: Report, *, colour: bool, width: int | None = None, verbose: bool = False, headline: bool = True
) -> str:
    """The report as text.

    Args:
        report: what to show.
        colour: whether escape sequences may be used.
        width: columns; None: the terminal's, or 100 where there is none.
        verbose: whether every finding is shown, however many there are.
        headline: whether the verdict stands above.
    """
    buffer = StringIO()
    console = Console(
        file=buffer,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        width=width or shutil.get_terminal_size((100, 24)).columns,
        highlight=False,
        emoji=False,
        markup=False,
    )
    if headline:
        console.print(_headline(report), soft_wrap=True)
    if report.failure is not None:
        _print_failure(console, "environment", report.failure)
    _print_findings(console, report, verbose=verbose)
    for case in report.cases:
        _print_case(console, case)
    for note in report.notes:
        console.print(f"note: {printable(note)}", style="dim", soft_wrap=True)
    return buffer.getvalue()


def _headline(report: Report) -> Text:
    line = Text(report.verdict.value.upper(), style=_VERDICT[report.verdict])
    line.append(f"  {printable(report.subject)}", style="bold")
    details = [report.engine, report.image or ""]
    if report.lock_id:
        details.append(f"lock {_short(report.lock_id)}")
    told = ", ".join(detail for detail in details if detail)
    line.append(f"  ({printable(told)})" if told else "", style="dim")
    return line


def _print_findings(console: Console, report: Report, *, verbose: bool) -> None:
    records = [f for f in report.findings if f.layer in {Layer.LOCK, Layer.GOLDEN}]
    unknown = [f for f in report.findings if f.status is Status.UNKNOWN]
    differing = [f for f in report.findings if f not in records and f not in unknown]
    counts = ", ".join(
        f"{number} {severity.value}"
        for severity in Severity
        if (number := sum(f.severity is severity for f in differing))
    )
    if report.lock_id is not None and report.failure is None:
        summary = f"differs from the lock: {counts}" if counts else "as locked"
        if unknown:
            summary += f"; {len(unknown)} unknown"
        console.print(Text("\nenvironment  ", style="bold").append(summary, style=""), soft_wrap=True)
    elif differing:
        console.print(Text("\ndifferences  ", style="bold").append(counts), soft_wrap=True)
    _print_by_layer(console, differing, verbose=verbose)
    for finding in unknown:
        console.print(
            f"  unknown  {printable(finding.name)}"
            + (f": {printable(finding.note)}" if finding.note else ""),
            style="cyan",
            soft_wrap=True,
        )
    if records:
        console.print(Text("\nrecords  ", style="bold").append("lock, goldens or inputs are not as recorded"))
        _print_by_layer(console, records, verbose=verbose)


def _print_by_layer(console: Console, findings: Sequence[Finding], *, verbose: bool) -> None:
    """Heaviest first; of many that are alike only the first ones."""
    for severity, layer in itertools.product(Severity, Layer):
        alike = [f for f in findings if f.severity is severity and f.layer is layer]
        shown = alike if verbose or len(alike) <= _MOST[severity] + 1 else alike[: _MOST[severity]]
        for finding in shown:
            _print_finding(console, finding)
        if len(shown) < len(alike):
            more = f"and {len(alike) - len(shown)} more of {layer} (--verbose shows them)"
            console.print(f"  {severity.value:<8} {more}", style="dim", soft_wrap=True)


def _print_finding(console: Console, finding: Finding) -> None:
    line = Text("  ").append(f"{finding.severity.value:<8} ", style=_SEVERITY[finding.severity])
    line.append(printable(finding.name), style="bold" if finding.severity is Severity.ERROR else "")
    line.append("  ")
    expected, actual = _short(finding.expected), _short(finding.actual)
    if finding.status is Status.MISSING:
        line.append(f"missing (expected {expected})" if finding.expected else "missing")
    elif finding.status is Status.EXTRA:
        line.append(f"not expected: {actual}" if finding.actual else "not expected")
    else:
        line.append(f"expected {expected}, actual {actual}")
    console.print(line, soft_wrap=True)
    if finding.note:
        console.print(f"           {printable(finding.note)}", style="dim", soft_wrap=True)


def _print_failure(console: Console, name: str, failure: Failure) -> None:
    first, *rest = map(printable, failure.message.splitlines() or [""])
    console.print(
        Text(f"\n{name}  ", style="bold").append("could not run", style="yellow").append(f": {first}"),
        soft_wrap=True,
    )
    for line in rest:
        console.print(f"    {line}", style="dim", soft_wrap=True)
    if failure.hint:
        console.print(f"  -> {printable(failure.hint)}", soft_wrap=True)


def _print_case(console: Console, case: CaseReport) -> None:
    if case.failure is not None:
        _print_failure(console, f"case {case.name}", case.failure)
        return
    table = case.table
    if table is None:
        return
    line = Text(f"\ncase {case.name}  ", style="bold")
    line.append(table.rung.value, style="green" if table.passes else "red")
    rows = (
        f"{table.actual_rows} rows"
        if table.actual_rows == table.expected_rows
        else (f"{table.actual_rows} rows, expected {table.expected_rows}")
    )
    line.append(f"  ({case.way}, {rows}, {len(table.columns)} columns, {case.seconds:.1f} s)", style="dim")
    console.print(line, soft_wrap=True)
    print_table_result(console, table)


def print_table_result(console: Console, table: TableResult) -> None:
    """Print a comparison's notes and every column that is not identical."""
    for note in table.notes:
        console.print(f"  {printable(note)}", soft_wrap=True)
    for column in table.columns:
        if column.rung is not Rung.IDENTICAL or column.note:
            _print_column(console, column)


def _print_column(console: Console, column: ColumnResult) -> None:
    line = Text(f"  {printable(column.name)}  ", style="bold")
    line.append(column.rung.value, style="green" if column.passes else "red")
    if column.ignored:
        line.append("  ignored", style="cyan")
    if column.count:
        line.append(f"  {column.count:,} of {column.size:,} values ({column.share:.2%})")
    elif column.differing:
        line.append(f"  {column.differing:,} of {column.size:,} values differ within tolerance", style="dim")
    if column.expected_type != column.actual_type:
        types = f"expected {column.expected_type or 'no such column'}, actual {column.actual_type or 'none'}"
        line.append(f"  {printable(types)}")
    console.print(line, soft_wrap=True)
    if column.note:
        console.print(f"    {printable(column.note)}", style="dim", soft_wrap=True)
    distances = [
        f"{label} {extreme.value:.3g} at {_index(extreme.index)}"
        for label, extreme in (
            ("absolute", column.largest_absolute),
            ("relative", column.largest_relative),
            ("ULP", column.largest_ulp),
        )
        if extreme is not None
    ]
    if distances:
        console.print(f"    largest: {', '.join(distances)}", soft_wrap=True)
    if column.would_pass and not column.passes:
        console.print(f"    would pass at {printable(column.would_pass)}", soft_wrap=True)
    if not column.passes and column.flips:
        flips = ", ".join(
            f"{_quoted(flip.expected)} became {_quoted(flip.actual)} {flip.count} times"
            for flip in column.flips[:3]
        )
        console.print(f"    {flips}", soft_wrap=True)
    if not column.passes and column.worst:
        console.print(Padding(_worst(column), (0, 0, 0, 4), expand=False))


def _worst(column: ColumnResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    margin = any(worst.margin is not None for worst in column.worst)
    for heading in ("row", "expected", "actual", "absolute", *(["margin"] if margin else [])):
        table.add_column(heading, justify="right", overflow="fold")
    for worst in column.worst[:_WORST_ROWS]:
        cells = [_index(worst.index), _value(worst.expected), _value(worst.actual)]
        cells.append("" if worst.absolute is None else f"{worst.absolute:.3g}")
        if margin:
            cells.append("" if worst.margin is None else f"{worst.margin:.3g}")
        table.add_row(*cells)
    return table


def _index(index: tuple[int, ...]) -> str:
    return ",".join(map(str, index))


def _quoted(value: object) -> str:
    return _clean(repr(value))


def _value(value: object) -> str:
    return _clean(repr(value) if isinstance(value, float) else str(value))


def _short(value: str | None) -> str:
    """A value that fits on a line: digests by their first digits, long text cut, nothing that controls."""
    if value is None:
        return "unknown"
    head, separator, digest = value.partition("sha256:")
    if separator and not head:
        return f"sha256:{printable(digest[:12])}"
    return _clean(value)


def _clean(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONG else f"{shown[: _LONG - 1]}\N{HORIZONTAL ELLIPSIS}"
