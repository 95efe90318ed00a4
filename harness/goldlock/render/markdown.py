"""The report as GitHub-flavoured Markdown, for a step's summary or a comment on a pull request: the verdict first.

Everything that a subject said stands in code spans: there GitHub makes no links, mentions, emphasis or HTML of it.
Inside a table a pipe is escaped there too, as tables are split before spans are read.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from goldlock.render import _words
from goldlock.report import Verdict
from goldlock_env.findings import Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from goldlock.report import CaseReport, Failure, Report
    from goldlock.results import ColumnResult, InputRows
    from goldlock_env.findings import Finding

STEP_SUMMARY = 1024 * 1024
"""Bytes that GitHub takes of one step's summary."""
COMMENT = 65_536
"""Characters that GitHub takes of a comment."""
_RESERVE = 512
_ROWS = 200
_PIPE = "\\|"
_WORST_ROWS = 10
_LONG = 400
_CAUSE = 4000
_LINES = 40
_INPUTS = 8
_VERDICT = {Verdict.MATCH: "match", Verdict.DRIFT: "**drift**", Verdict.COULD_NOT_RUN: "**could not run**"}


def render(report: Report, *, limit: int = STEP_SUMMARY) -> str:
    """Return the report as Markdown of at most `limit` bytes of UTF-8, cut between its parts and saying so."""
    blocks = [f"{block}\n" for block in _blocks(report)]
    sizes = [len(block.encode("utf-8", errors="replace")) + 1 for block in blocks]
    room = limit - _RESERVE
    kept = 0
    while kept < len(blocks) and sizes[kept] <= room:
        room -= sizes[kept]
        kept += 1
    if kept < len(blocks):
        left = f"{len(blocks) - kept} of {len(blocks)} parts ({sum(sizes[kept:]):,} of {sum(sizes):,} bytes)"
        blocks[kept:] = [f"*Cut: {left} are left out here; the JSON and HTML reports have them.*\n"]
    return "\n".join(blocks).encode("utf-8", errors="replace").decode()


# -- parts ------------------------------------------------------------------------------------------


def _blocks(report: Report) -> Iterator[str]:
    yield f"## goldlock: {report.verdict.value}"
    yield _about(report)
    if report.gist:
        yield "\n".join(f"- {code(cause, long=_CAUSE)}" for cause in report.gist)
    if report.failure is not None:
        yield _failure("The environment could not be looked at", report.failure)
    if report.cases:
        yield _cases(report.cases)
    yield from _environment(report)
    for case in report.cases:
        yield from _case(case)
    if report.notes:
        yield "\n".join(f"- note: {code(note)}" for note in report.notes)


def _about(report: Report) -> str:
    told = [("", report.subject), ("", report.engine), ("image ", _words.image(report.image))]
    parts = [f"{label}{code(text)}" for label, text in told if text]
    if report.lock_id:
        parts.append(f"lock {code(_words.short(report.lock_id))}")
    return ", ".join(parts)


def _failure(title: str, failure: Failure) -> str:
    lines = [_words.cut(line, long=_LONG) for line in failure.message.splitlines()]
    if len(lines) > _LINES:
        lines[_LINES:] = [f"and {len(lines) - _LINES:,} more lines"]
    return f"**{title}:**\n\n{_fence(lines)}" + (f"\n\n{code(failure.hint)}" if failure.hint else "")


def _cases(cases: Sequence[CaseReport]) -> str:
    rows = [
        [
            code(case.name),
            _VERDICT[case.verdict],
            "" if case.rung is None else case.rung.value,
            "" if case.table is None else _words.rows(case.table),
            _failing(case),
            f"{case.seconds:.1f} s",
        ]
        for case in cases
    ]
    return _table(["case", "verdict", "rung", "rows", "columns that do not pass", "time"], rows)


def _failing(case: CaseReport) -> str:
    if case.table is None:
        return ""
    names = [column.name for column in case.table.columns if not column.passes]
    told = ", ".join(map(code, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{told or 'none'} of {len(case.table.columns)}"


def _environment(report: Report) -> Iterator[str]:
    differing = [f for f in report.findings if f.status not in {Status.UNKNOWN, Status.SAME}]
    all_counted = [finding for finding in differing if report.fail_on.counts(finding)]
    counted = [finding for finding in all_counted if not finding.accepted]
    accepted = [finding for finding in differing if finding.accepted]
    others = [finding for finding in differing if finding not in counted and not finding.accepted]
    unknown = [finding for finding in report.findings if finding.status is Status.UNKNOWN]
    if all_counted:
        yield f"### Environment: {_words.plural(len(all_counted), 'difference')}"
        if counted:
            yield _differences(counted)
    elif report.lock_id is not None and report.failure is None:
        yield "### Environment: " + ("no difference that counts" if differing or unknown else "as locked")
    if others:
        yield _details(f"{_words.plural(len(others), 'difference')} that do not count", _differences(others))
    if accepted:
        rows = [[code(f.name), *_both(f), code(f.accepted)] for f in accepted]
        table = _table(["what", "expected", "actual", "accepted because"], rows)
        known = _words.plural(len(accepted), "accepted difference")
        told = f", {_words.accepted_counts(report)}" if any(map(report.fail_on.counts, accepted)) else ""
        yield _details(f"{known}{told}", table)
    if unknown:
        rows = [[code(finding.name), code(_words.reason(finding))] for finding in unknown]
        missed = ", which --strict does not let pass" if any(map(report.fail_on.misses, unknown)) else ""
        yield _details(f"{len(unknown)} unknown{missed}", _table(["what", "why"], rows))


def _differences(findings: Sequence[Finding]) -> str:
    rows = [
        [
            f"**{finding.severity}**" if finding.severity is Severity.ERROR else finding.severity.value,
            code(finding.name),
            *_both(finding),
            code(finding.note),
        ]
        for finding in findings
    ]
    return _table(["severity", "what", "expected", "actual", "note"], rows)


def _both(finding: Finding) -> list[str]:
    missing = finding.status is Status.MISSING
    extra = finding.status is Status.EXTRA
    return [
        "nothing" if extra and finding.expected is None else code(_words.short(finding.expected)),
        "missing" if missing else code(_words.short(finding.actual)),
    ]


def _case(case: CaseReport) -> Iterator[str]:
    if case.failure is not None:
        yield _failure(f"Case {code(case.name)} could not run", case.failure)
    table = case.table
    concerns = _words.concerns(case)
    if table is None or (case.verdict is Verdict.MATCH and not concerns):
        return
    yield f"### Case {code(case.name)}: {'known-bad' if case.known_bad else table.rung.value}"
    if concerns:
        yield "\n".join(f"- {code(said)}" for said in concerns)
    failing = [column for column in table.columns if not column.passes]
    if failing:
        yield _table(
            ["column", "rung", "outside tolerance", "largest", "judged by", "would pass at"],
            [
                [
                    code(column.name),
                    column.rung.value,
                    _words.share(column) if column.count else code(_words.types(column) or column.note),
                    _words.largest(column),
                    code(column.tolerance),
                    code(column.would_pass),
                ]
                for column in failing
            ],
        )
    for column in failing[:_ROWS]:
        yield from _column(column, case.inputs)


def _column(column: ColumnResult, inputs: InputRows | None) -> Iterator[str]:
    flips = () if column.tops_moved else column.flips
    others = _words.other_flips(column, len(flips))
    said = [
        *(
            f"{code(_words.quoted(flip.expected, column.expected_type))} became "
            f"{code(_words.quoted(flip.actual, column.actual_type))} {_words.plural(flip.count, 'time')}"
            for flip in flips
        ),
        *([f"and {_words.plural(others, 'other')}"] if flips and others else []),
        *([_words.moves(column)] if column.tops_moved or column.ranks_moved else []),
        *([code(_words.flips(column, most=10))] if column.tops_moved and column.flips else []),
        *([f"distances {code(histogram)}"] if (histogram := _words.histogram(column.distances)) else []),
        *([code(column.note)] if column.note else []),
    ]
    if said:
        yield f"{code(column.name)}\n\n" + "\n".join(f"- {line}" for line in said)
    if column.worst:
        yield _details(f"worst rows of <code>{_html(column.name)}</code>", _worst(column, inputs))


def _worst(column: ColumnResult, inputs: InputRows | None) -> str:
    head, rows = _words.worst(column, _WORST_ROWS)
    names = [] if inputs is None else list(map(code, inputs.names[:_INPUTS]))
    for row, worst in zip(rows, column.worst, strict=False):
        row[1:3] = [code(cell) or "`''`" for cell in row[1:3]]
        asked = () if inputs is None else inputs.rows.get(worst.row, ())
        row.extend(code(_words.value(cell)) for cell in asked[: len(names)])
        row.extend([""] * (len(names) - len(asked)))
    left = [
        *([_words.plural(more, "more row")] if (more := len(column.worst) - len(rows)) else []),
        *([f"{len(inputs.names) - _INPUTS} more inputs"] if inputs and len(inputs.names) > _INPUTS else []),
    ]
    return _table([*head, *names], rows) + (f"\n\nLeft out here: {', '.join(left)}." if left else "")


# -- Markdown ---------------------------------------------------------------------------------------


def code(text: str, *, long: int = _LONG) -> str:
    """A code span that holds any text; nothing for no text.

    CommonMark 6.1: a fence longer than any run of backticks inside, and spaces that are taken away again.
    """
    shown = _words.cut(text, long=long)
    if not shown.strip():
        return f"`{shown!r}`" if shown else ""
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _html(text: str) -> str:
    return html.escape(_words.cut(text))


def _fence(lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _details(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head)), *map(_row, rows[:_ROWS])]
    more = f"\n\nAnd {len(rows) - _ROWS:,} more." if len(rows) > _ROWS else ""
    return "\n".join(lines) + more


def _row(cells: Sequence[str]) -> str:
    # GFM 4.10: a pipe in a cell is escaped by a backslash, inside other inline spans as well.
    return f"| {' | '.join(cell.replace('|', _PIPE) for cell in cells)} |"
