"""The report for people: the verdict first, then what differs, then how each case did."""

from __future__ import annotations

import itertools
import shutil
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console

from goldlock.printable import printable
from goldlock.render import _words
from goldlock.render._page import FAINT, NOTE, SEVERITY, STRONG, VERDICT, Page
from goldlock.render._terminal_case import print_case, print_failure, print_table
from goldlock_env.findings import IMPOSSIBLE, Layer, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goldlock.report import Report
    from goldlock.results import TableResult
    from goldlock_env.findings import Finding

_MOST = {Severity.ERROR: 60, Severity.WARNING: 15, Severity.INFO: 4}
_WIDTH = 100
_PLAIN = str.maketrans({"\N{HORIZONTAL ELLIPSIS}": "~", "\N{REPLACEMENT CHARACTER}": "?"})
_DRAWN = "\N{LOWER ONE EIGHTH BLOCK}\N{FULL BLOCK}\N{HORIZONTAL ELLIPSIS}\N{REPLACEMENT CHARACTER}"


def render(
    report: Report,
    *,
    colour: bool,
    width: int | None = None,
    verbose: bool = False,
    headline: bool = True,
    ascii_only: bool = False,
) -> str:
    """The report as text.

    Args:
        report: what to show.
        colour: whether escape sequences may be used.
        width: columns; None: the terminal's, or where there is none 100 for tables and no end for lines.
        verbose: whether every finding and column is shown in full, however many, and what made the report.
        headline: whether the verdict stands above.
        ascii_only: whether bars and the like are drawn in ASCII; what a subject said is not changed by it.
    """
    known = width or shutil.get_terminal_size((0, 0)).columns
    buffer = StringIO()
    console = Console(
        file=buffer,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        width=known or _WIDTH,
        highlight=False,
        emoji=False,
        markup=False,
    )
    page = Page(console, wraps=known > 0, ascii_only=ascii_only)
    if headline:
        _print_headline(page, report)
    if report.failure is not None:
        print_failure(page, "environment", report.failure)
    _print_findings(page, report, verbose=verbose)
    for case in report.cases:
        print_case(page, case, verbose=verbose)
    if report.notes:
        page.gap()
    for note in report.notes:
        page.say((f"note: {printable(note)}", FAINT), hang=6)
    if verbose:
        _print_origin(page, report)
    written = buffer.getvalue()
    return written.translate(_PLAIN) if ascii_only else written


def ascii_only(stream: object) -> bool:
    """Whether a stream's encoding has no place for what a report draws."""
    try:
        _DRAWN.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def print_table_result(console: Console, table: TableResult, *, ascii_only: bool = False) -> None:
    """Print a comparison's notes and every column that is not identical."""
    print_table(Page(console, wraps=console.is_terminal, ascii_only=ascii_only), table)


def _print_headline(page: Page, report: Report) -> None:
    details = [report.engine, _words.image(report.image)]
    if report.lock_id:
        details.append(f"lock {_words.short(report.lock_id)}")
    told = ", ".join(detail for detail in details if detail)
    first, *others = map(printable, report.gist or ("",))
    page.say(
        (report.verdict.value.upper(), VERDICT[report.verdict]),
        (f"  {printable(report.subject)}", STRONG),
        (f": {first}" if first else "", STRONG),
        (f"  ({printable(told)})" if told else "", FAINT),
        hang=2,
    )
    for cause in others:
        page.say(cause, indent=2, hang=2)


def _print_findings(page: Page, report: Report, *, verbose: bool) -> None:
    accepted = [f for f in report.findings if f.accepted and f.status is not Status.UNKNOWN]
    unknown = [f for f in report.findings if f.status is Status.UNKNOWN]
    records = [
        f
        for f in report.findings
        if f.layer in {Layer.LOCK, Layer.GOLDEN} and f not in accepted and f not in unknown
    ]
    differing = [f for f in report.findings if f not in records and f not in unknown and f not in accepted]
    counts = ", ".join(
        f"{count} {severity.value}"
        for severity in Severity
        if (count := sum(f.severity is severity for f in differing))
    )
    if report.lock_id is not None and report.failure is None:
        summary = f"differs from the lock: {counts}" if counts else "as locked"
        if accepted:
            summary += f"; {len(accepted)} accepted" if counts else f", but for {len(accepted)} accepted"
        if unknown:
            summary += f"; {len(unknown)} unknown"
        page.gap()
        page.say(("environment  ", STRONG), summary)
        if verbose and report.layers:
            page.say((f"looked at {', '.join(map(str, report.layers))}", FAINT), indent=2)
    elif differing:
        page.gap()
        page.say(("differences  ", STRONG), counts)
    _print_by_layer(page, differing, verbose=verbose, said=report.gist)
    for names, why in _words.unknowns(unknown):
        page.say((f"unknown  {names}" + (f": {why}" if why else ""), NOTE), indent=2, hang=9)
    if any(map(report.fail_on.misses, unknown)):
        page.say((_words.MISSED, NOTE), indent=2, hang=9)
    if accepted:
        page.gap()
        known = _words.plural(len(accepted), "known difference")
        page.say(("accepted  ", STRONG), f"{known}, {_words.accepted_counts(report)}")
    for finding in accepted:
        page.say(f"{printable(finding.name)}  {_words.difference(finding)}", indent=2, hang=2)
        page.say((f"because: {printable(finding.accepted)}", FAINT), indent=4, hang=2)
    if records:
        page.gap()
        page.say(("records  ", STRONG), "lock, goldens or inputs are not as recorded")
        _print_by_layer(page, records, verbose=verbose)


def _print_by_layer(
    page: Page, findings: Sequence[Finding], *, verbose: bool, said: Sequence[str] = ()
) -> None:
    """Heaviest first; of many that are alike only the first ones."""
    for severity, layer in itertools.product(Severity, Layer):
        alike = [f for f in findings if f.severity is severity and f.layer is layer]
        following = [] if verbose else [f for f in alike if f.follows]
        alike = [f for f in alike if f not in following]
        shown = alike if verbose or len(alike) <= _MOST[severity] + 1 else alike[: _MOST[severity]]
        for finding in shown:
            _print_finding(page, finding, said)
        if len(shown) < len(alike):
            more = f"and {len(alike) - len(shown)} more of {layer} (--verbose shows them)"
            page.say((f"{severity.value:<8} {more}", FAINT), indent=2, hang=9)
        if following:
            more = f"{len(following)} of {layer} follow from {layer}.{IMPOSSIBLE} (--verbose shows them)"
            page.say((f"{severity.value:<8} {more}", FAINT), indent=2, hang=9)


def _print_finding(page: Page, finding: Finding, said: Sequence[str]) -> None:
    page.say(
        (f"{finding.severity.value:<8} ", SEVERITY[finding.severity]),
        (printable(finding.name), STRONG if finding.severity is Severity.ERROR else ""),
        f"  {_words.difference(finding)}",
        indent=2,
        hang=9,
    )
    # What stands at the top is not said again.
    if finding.note and finding.note not in said:
        page.say((printable(finding.note), FAINT), indent=11, hang=0)


def _print_origin(page: Page, report: Report) -> None:
    parts = [
        *([f"at {printable(report.created)}"] if report.created else []),
        f"by goldlock {printable(report.goldlock_version)}",
        *([f"with {printable(report.command)}"] if report.command else []),
    ]
    page.gap()
    page.say((f"made {' '.join(parts)}", FAINT), hang=2)
