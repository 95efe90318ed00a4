"""Messages of tests: what the terminal report says, of one column or one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldlock.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from goldlock.report import FailOn, Report
    from goldlock.results import ColumnResult, InputRows, TableResult
    from goldlock_env.findings import Finding, Layer

_WIDTH = 110

told = printable
"""A line of what somebody else wrote, so that it can't steer a terminal."""


def of_columns(
    table: TableResult,
    columns: Sequence[ColumnResult],
    *,
    inputs: InputRows | None = None,
    notes: Sequence[str] = (),
    whole: bool = False,
) -> str:
    """Say how columns of a table differ, and with `whole` what is the matter with the table itself."""
    import msgspec

    from goldlock.render import _words

    rung = table.rung.value if whole or not columns else max(columns, key=lambda c: c.rung.rank).rung.value
    lines = [f"{rung}: the output differs from its golden ({_words.rows(table)})", *map(told, notes)]
    shown = msgspec.structs.replace(table, columns=tuple(columns), notes=table.notes if whole else ())
    lines.append(of_table(shown))
    if inputs is not None and (asked := _of_inputs(columns, inputs)):
        lines.append(asked)
    return "\n".join(line for line in lines if line)


def of_table(table: TableResult) -> str:
    """A table's result as the terminal report shows it, without colour."""
    import io

    from rich.console import Console

    from goldlock.render.terminal import print_table_result

    text = io.StringIO()
    console = Console(
        file=text, width=_WIDTH, no_color=True, color_system=None, highlight=False, markup=False
    )
    print_table_result(console, table)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip("\n").splitlines())


def _of_inputs(columns: Sequence[ColumnResult], inputs: InputRows) -> str:
    """The inputs of the few worst rows."""
    rows = dict.fromkeys(worst.row for column in columns for worst in column.worst[:3])
    lines = [
        f"    row {row}: "
        + ", ".join(
            told(f"{name} {value!r}") for name, value in zip(inputs.names, inputs.rows[row], strict=True)
        )
        for row in rows
        if row in inputs.rows
    ]
    return "\n".join(["  inputs", *lines[:5]]) if lines else ""


def judged(report: Report, layer: Layer) -> tuple[str, str, str]:
    """A layer as three texts, at most the first that is not empty holds: its failure, why it is unknown, what else there is."""
    if report.layers and layer not in report.layers:
        return "", f"unknown: nobody looked at {layer.value}", ""
    return judged_findings([f for f in report.findings if f.layer is layer], report.fail_on)


def judged_findings(findings: Iterable[Finding], fail_on: FailOn) -> tuple[str, str, str]:
    """As `judged`, of one layer's findings."""
    from goldlock_env.difference import ALL
    from goldlock_env.findings import Status

    found = list(findings)
    text = "\n".join(_of_finding(finding) for finding in found)
    if any(fail_on.counts(finding) for finding in found):
        return text, "", ""
    whole = [f for f in found if f.status is Status.UNKNOWN and f.key == ALL]
    if whole:
        return "", f"unknown: {told(whole[0].note)}", ""
    return "", "", text


def _of_finding(finding: Finding) -> str:
    from goldlock.render import _words

    severity = "accepted" if finding.accepted else finding.severity.value
    lines = [f"{severity:<8} {told(finding.name)}  {_words.difference(finding)}"]
    lines += [f"         {told(line)}" for line in (finding.note, finding.accepted) if line]
    return "\n".join(lines)
