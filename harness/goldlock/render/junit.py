"""The report as JUnit XML, for Jenkins and GitLab: one suite for the environment, one for each case.

There is no one standard. The elements and attributes are those of the schema that Jenkins's xUnit plugin checks with
(junit-10.xsd), of which GitLab reads testsuite, testcase, failure, error, skipped and system-out; GitLab shows one
failure of a test, so that there never are two. Characters that XML 1.0 has no place for are replaced, and what is
not ASCII is written as character references: no encoding breaks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from goldlock.printable import printable
from goldlock.render import _words
from goldlock_env.findings import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goldlock.report import CaseReport, Failure, Report
    from goldlock.results import ColumnResult, InputRows, WorstRow
    from goldlock_env.findings import Layer

ENVIRONMENT = "environment"
WHOLE_ENVIRONMENT = "(environment)"
"""The test that the environment could be looked at."""
WHOLE_TABLE = "(table)"
"""The test of a case that is about none of its columns: there is an answer, it is no known-bad one."""
_WORST_ROWS = 20
_LONG = 400


@dataclass(kw_only=True)
class _Outcome:
    """What became of one test."""

    name: str
    seconds: float = 0.0
    element: str = ""
    """`failure`, `error` or `skipped`; empty where the test passed."""
    kind: str = ""
    """The type of a failure or error: a rung, a layer."""
    message: str = ""
    text: Sequence[str] = ()
    said: list[str] = field(default_factory=list)
    """What is told of it whatever became of it."""


def render(report: Report) -> str:
    """Return the report as JUnit XML with a final line feed, in ASCII."""
    root = ET.Element("testsuites", name="goldlock")
    subject = printable(report.subject)
    outcomes = _environment(report)
    suite = _suite(root, report, ENVIRONMENT, f"goldlock.{subject}.{ENVIRONMENT}", outcomes)
    suite.insert(0, _properties(report))
    total = list(outcomes)
    for case in report.cases:
        outcomes = _case(case)
        name = printable(case.name)
        _suite(root, report, name, f"goldlock.{subject}.{name}", outcomes)
        total += outcomes
    root.attrib.update(_counts(total))
    root.attrib["time"] = _seconds(total)
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return written.decode() + "\n"


# -- the environment --------------------------------------------------------------------------------


def _environment(report: Report) -> list[_Outcome]:
    whole = _Outcome(name=WHOLE_ENVIRONMENT, said=[f"note: {printable(note)}" for note in report.notes])
    if report.failure is not None:
        whole.element, whole.kind = "error", "could not run"
        whole.message, whole.text = _failure(report.failure)
    return [whole, *(_layer(report, layer) for layer in _words.looked_at(report))]


def _layer(report: Report, layer: Layer) -> _Outcome:
    findings = [finding for finding in report.findings if finding.layer is layer]
    counted = [finding for finding in findings if report.fail_on.counts(finding)]
    unknown = [finding for finding in findings if finding.status is Status.UNKNOWN]
    missed = any(map(report.fail_on.misses, unknown))
    outcome = _Outcome(name=layer.value, kind=layer.value)
    if counted:
        more = f", and {len(counted) - 1} more" if len(counted) > 1 else ""
        outcome.element = "failure"
        outcome.message = f"{printable(counted[0].key)}: {_words.difference(counted[0])}{more}"
        outcome.text = [_line(finding) for finding in counted]
    elif unknown:
        # What --strict does not let pass is no failure of the subject: nobody could look.
        outcome.element = "error" if missed else "skipped"
        outcome.message = "; ".join(
            f"{printable(finding.key)} is unknown: {_words.reason(finding)}" for finding in unknown
        )
    outcome.said = [_line(finding) for finding in findings if finding not in counted]
    return outcome


def _line(finding: Finding) -> str:
    if finding.status is Status.UNKNOWN:
        return f"unknown: {printable(finding.name)}: {_words.reason(finding)}"
    line = f"{finding.severity}: {printable(finding.name)}: {_words.difference(finding)}"
    if finding.note:
        line += f" ({printable(finding.note)})"
    return f"accepted {line}: {printable(finding.accepted)}" if finding.accepted else line


# -- one case ---------------------------------------------------------------------------------------


def _case(case: CaseReport) -> list[_Outcome]:
    whole = _Outcome(name=WHOLE_TABLE, seconds=case.seconds, said=list(_words.concerns(case)))
    if case.failure is not None:
        whole.element, whole.kind = "error", "could not run"
        whole.message, whole.text = _failure(case.failure)
        return [whole]
    table = case.table
    if table is None:
        whole.element, whole.kind, whole.message = "error", "could not run", "there is no comparison"
        return [whole]
    whole.said.insert(
        0,
        f"{table.rung.value}: {_words.rows(table)}, {_words.plural(len(table.columns), 'column')}, {case.way}",
    )
    if case.known_bad:
        whole.element, whole.kind = "failure", "known-bad"
        whole.message = f"matches the known-bad golden {printable(case.known_bad)}"
    elif not table.passes and all(column.passes for column in table.columns):
        whole.element, whole.kind = "failure", table.rung.value
        whole.message = "; ".join(map(printable, table.notes)) or _words.rows(table)
    return [whole, *(_column(column, case.inputs) for column in table.columns)]


def _column(column: ColumnResult, inputs: InputRows | None) -> _Outcome:
    text = [f"{label}: {fact}" for label, fact in _words.statistics(column, ascii_only=True)]
    outcome = _Outcome(name=printable(column.name) or "(no name)", kind=column.rung.value)
    if not column.passes:
        outcome.element, outcome.message = "failure", _words.summary(column)
        outcome.text = [f"rung: {column.rung.value}", *text, *_worst(column, inputs)]
    elif column.ignored:
        outcome.element, outcome.message = "skipped", printable(column.note) or "ignored"
        outcome.said = [f"rung: {column.rung.value}", *text]
    elif column.differing or column.note:
        outcome.said = [f"rung: {column.rung.value}", *text]
    return outcome


def _worst(column: ColumnResult, inputs: InputRows | None) -> list[str]:
    lines = [_row(column, worst, inputs) for worst in column.worst[:_WORST_ROWS]]
    left = len(column.worst) - len(lines)
    return lines + ([f"and {_words.plural(left, 'row')} more, in the JSON and HTML reports"] if left else [])


def _row(column: ColumnResult, worst: WorstRow, inputs: InputRows | None) -> str:
    expected = _words.quoted(worst.expected, column.expected_type)
    actual = _words.quoted(worst.actual, column.actual_type)
    line = f"row {_words.place(worst.index)}: {expected} became {actual}"
    if worst.absolute is not None:
        line += f", {_words.number(worst.absolute)} apart"
    if worst.ulp is not None:
        line += f", {_words.number(worst.ulp)} ULP"
    if worst.margin is not None:
        line += f", margin {worst.margin:.3g}"
    asked = inputs.rows.get(worst.row) if inputs is not None else None
    if inputs is None or asked is None:
        return line
    told = ", ".join(
        f"{_words.cut(name)}={_words.quoted(cell)}" for name, cell in zip(inputs.names, asked, strict=False)
    )
    return f"{line}; inputs: {told}"


def _failure(failure: Failure) -> tuple[str, list[str]]:
    lines = [printable(line) for line in failure.message.splitlines()] or [""]
    return _words.cut(lines[0], long=_LONG), [
        *lines,
        *([f"-> {printable(failure.hint)}"] if failure.hint else []),
    ]


# -- XML --------------------------------------------------------------------------------------------


def _suite(
    root: ET.Element, report: Report, name: str, class_name: str, outcomes: Sequence[_Outcome]
) -> ET.Element:
    suite = ET.SubElement(root, "testsuite", {"name": _legal(name), **_counts(outcomes)})
    suite.attrib["skipped"] = str(sum(outcome.element == "skipped" for outcome in outcomes))
    suite.attrib["time"] = _seconds(outcomes)
    if report.created:
        suite.attrib["timestamp"] = _legal(_words.created(report))
    for outcome in outcomes:
        _test(suite, class_name, outcome)
    return suite


def _properties(report: Report) -> ET.Element:
    properties = ET.Element("properties")
    for key, told in (
        ("goldlock-version", report.goldlock_version),
        ("verdict", report.verdict.value),
        ("fail-on", report.fail_on.value),
        *(("cause", cause) for cause in report.gist),
        ("subject", report.subject),
        ("engine", report.engine),
        ("image", report.image or ""),
        ("lock-id", report.lock_id or ""),
        ("command", report.command),
    ):
        ET.SubElement(properties, "property", name=key, value=_legal(printable(told)))
    return properties


def _test(suite: ET.Element, class_name: str, outcome: _Outcome) -> None:
    test = ET.SubElement(
        suite,
        "testcase",
        name=_legal(outcome.name),
        classname=_legal(class_name),
        time=f"{outcome.seconds:.3f}",
    )
    if outcome.element:
        element = ET.SubElement(test, outcome.element, message=_legal(outcome.message))
        if outcome.element != "skipped":
            element.attrib["type"] = _legal(outcome.kind)
        element.text = _legal("\n".join(outcome.text)) or None
    if outcome.said:
        ET.SubElement(test, "system-out").text = _legal("\n".join(outcome.said))


def _counts(outcomes: Sequence[_Outcome]) -> dict[str, str]:
    return {
        "tests": str(len(outcomes)),
        "failures": str(sum(outcome.element == "failure" for outcome in outcomes)),
        "errors": str(sum(outcome.element == "error" for outcome in outcomes)),
    }


def _seconds(outcomes: Sequence[_Outcome]) -> str:
    return f"{sum(outcome.seconds for outcome in outcomes):.3f}"


def _legal(text: str) -> str:
    """Text that XML 1.0 has a place for: Char ::= #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF]."""
    return "".join(c if c in "\t\n\r" or _is_legal(ord(c)) else "\N{REPLACEMENT CHARACTER}" for c in text)


def _is_legal(code: int) -> bool:
    return 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
