"""What the page shows of a report: sorted into its sections, and cut where there is too much of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from goldlock.render import _words
from goldlock.render.html import _histogram, _pairs, _rows, _text
from goldlock.render.html._svg import NOTHING
from goldlock.report import FailOn, Verdict
from goldlock.results import Rung
from goldlock_env.findings import Finding, Layer, Severity, Status

if TYPE_CHECKING:
    from markupsafe import Markup

    from goldlock.report import CaseReport, Report
    from goldlock.results import ColumnResult

T = TypeVar("T")

_FINDINGS = (10, 300)
_NAMES = (12, 200)
_IN_FULL = 24
"""Columns of a case that get plots and facts; the others get a line."""
_OPEN = 6
_LINES = (24, 300)
_CASES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Some(Generic[T]):
    """Things of which there may be very many."""

    first: tuple[T, ...]
    """Seen at once."""
    more: tuple[T, ...]
    """Seen when asked for."""
    left_out: int
    """Not on the page."""

    @property
    def total(self) -> int:
        return len(self.first) + len(self.more) + self.left_out


def some(things: Sequence[T], most: tuple[int, int]) -> Some[T]:
    """The first of many; nothing is hidden to save a single line."""
    seen, held = most
    seen = seen + 1 if len(things) == seen + 1 else seen
    return Some(
        first=tuple(things[:seen]), more=tuple(things[seen:held]), left_out=max(0, len(things) - held)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A number with what it counts."""

    number: int
    what: str
    mood: str
    """`good`, `bad`, `warn` or `plain`: a colour and a mark, never the colour alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerView:
    """One layer of the environment in one line."""

    name: str
    mood: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnView:
    """One column with its plots."""

    id: str
    result: ColumnResult
    dtype: str
    open: bool
    distances: Markup
    pairs: Markup
    filter: int | None
    """Its place among the names of the case's table of rows; None where it has no rows there."""

    @property
    def other_flips(self) -> int:
        """Flips that are of none of the kinds listed."""
        return _words.other_flips(self.result, len(self.result.flips))


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One case with the parts that the page shows of it."""

    id: str
    case: CaseReport
    mood: str
    told: tuple[ColumnResult, ...]
    """The columns that its card names."""
    full: tuple[ColumnView, ...]
    brief: Some[ColumnResult]
    """Columns that are not identical and for which there is no room in full."""
    identical: Some[str]
    rows: _rows.Rows | None

    @property
    def failing(self) -> int:
        return sum(not column.passes for column in self.case.table.columns) if self.case.table else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedColumn:
    """A column that does not count, or that is another right answer."""

    case: str
    column: ColumnResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the templates read."""

    report: Report
    mood: str
    sentence: str
    tallies: tuple[Tally, ...]
    layers: tuple[LayerView, ...]
    severities: tuple[tuple[Severity, Some[Finding]], ...]
    unknown: Some[Finding]
    accepted: Some[Finding]
    set_apart: Some[AcceptedColumn]
    cases: tuple[CaseView, ...]
    cases_left_out: int
    headline: tuple[tuple[str, str], ...]
    """What the verdict is about."""
    facts: tuple[tuple[str, str], ...]
    """For whoever wants to see it again: what, and its value."""


_MOODS = {Verdict.MATCH: "good", Verdict.DRIFT: "bad", Verdict.COULD_NOT_RUN: "warn"}


def page(report: Report) -> Page:
    """The report as the page shows it."""
    accepted = [f for f in report.findings if f.accepted and f.status is not Status.SAME]
    unknown = [f for f in report.findings if f.status is Status.UNKNOWN and not f.accepted]
    differing = [
        f for f in report.findings if f.status not in {Status.UNKNOWN, Status.SAME} and not f.accepted
    ]
    by_severity = [(severity, [f for f in differing if f.severity is severity]) for severity in Severity]
    apart = [
        AcceptedColumn(case=case.name, column=column)
        for case in report.cases
        if case.table is not None
        for column in case.table.columns
        if column.ignored or column.rung is Rung.EQUIVALENT
    ]
    return Page(
        report=report,
        mood=_MOODS[report.verdict],
        sentence=_sentence(report, differing),
        tallies=_tallies(report, by_severity, len(unknown), len(accepted)),
        layers=_layers(report, differing, unknown, accepted),
        severities=tuple((severity, some(found, _FINDINGS)) for severity, found in by_severity if found),
        unknown=some(unknown, _FINDINGS),
        accepted=some(accepted, _FINDINGS),
        set_apart=some(apart, _FINDINGS),
        cases=tuple(_case(case, f"case-{n}") for n, case in enumerate(_worst_first(report)[:_CASES], 1)),
        cases_left_out=max(0, len(report.cases) - _CASES),
        headline=tuple(
            (what, fact)
            for what, fact in (
                ("Image", report.image or ""),
                ("Engine", report.engine),
                ("Lock", report.lock_id or ""),
                ("CPU", cpu(report)),
                ("Made", report.created),
            )
            if fact
        ),
        facts=_facts(report),
    )


def _worst_first(report: Report) -> list[CaseReport]:
    order = [Verdict.DRIFT, Verdict.COULD_NOT_RUN, Verdict.MATCH]
    return sorted(report.cases, key=lambda case: order.index(case.verdict))


def _sentence(report: Report, differing: Sequence[Finding]) -> str:
    """What was found, in one or two sentences."""
    number = len(report.cases)
    of = {verdict: sum(case.verdict is verdict for case in report.cases) for verdict in Verdict}
    drifted, lost = of[Verdict.DRIFT], of[Verdict.COULD_NOT_RUN]
    told = []
    if number == 1:
        told.append(
            "The case drifted."
            if drifted
            else "The case could not be run."
            if lost
            else "The case matches its golden."
        )
    elif number and not drifted and not lost:
        told.append(f"All {number:,} cases match their goldens.")
    elif number:
        told += [f"{drifted:,} of {number:,} cases drifted."] if drifted else []
        told += [f"{lost:,} {'' if drifted else f'of {number:,} cases '}could not be run."] if lost else []
    counted = sum(map(report.fail_on.counts, report.findings))
    missed = sum(map(report.fail_on.misses, report.findings))
    if report.failure is not None:
        told.append("The environment could not be looked at.")
    elif counted:
        told.append(
            f"{_text.many(counted, 'environment difference')} {'counts' if counted == 1 else 'count'} as drift."
        )
    elif differing:
        told.append(f"{_text.many(len(differing), 'environment difference')}, none of which counts as drift.")
    elif report.lock_id is not None and not missed:
        told.append("The environment is as locked.")
    if missed:
        told.append(
            f"{_text.many(missed, 'thing')} could not be looked at, which --strict does not let pass."
        )
    return " ".join(told)


def _tallies(
    report: Report, by_severity: Sequence[tuple[Severity, Sequence[Finding]]], unknown: int, accepted: int
) -> tuple[Tally, ...]:
    """Zero is told where it is news: nothing drifted, no error."""
    of = {verdict: sum(case.verdict is verdict for case in report.cases) for verdict in Verdict}
    found = {severity: len(findings) for severity, findings in by_severity}
    shown = [
        Tally(
            number=of[Verdict.DRIFT],
            what="case drifted" if of[Verdict.DRIFT] == 1 else "cases drifted",
            mood="bad"
            if of[Verdict.DRIFT]
            else "plain"
            if not report.cases or of[Verdict.COULD_NOT_RUN]
            else "good",
        )
    ]
    if of[Verdict.COULD_NOT_RUN]:
        shown.append(Tally(number=of[Verdict.COULD_NOT_RUN], what="could not run", mood="warn"))
    for severity, mood in ((Severity.ERROR, "bad"), (Severity.WARNING, "warn")):
        number = found[severity]
        if not number and not _environment_seen(report):
            continue
        shown.append(
            Tally(
                number=number,
                what=f"environment {severity.value}{'' if number == 1 else 's'}",
                mood=mood if number else "good",
            )
        )
    for number, what in ((unknown, "unknown"), (accepted, "accepted")):
        if number:
            shown.append(Tally(number=number, what=what, mood="plain"))
    return tuple(shown)


def _environment_seen(report: Report) -> bool:
    """Whether silence about the environment means that it is the same."""
    return report.failure is None and report.lock_id is not None


def _layers(
    report: Report, differing: Sequence[Finding], unknown: Sequence[Finding], accepted: Sequence[Finding]
) -> tuple[LayerView, ...]:
    """Each layer that was looked at or that something is said about."""
    views = []
    for layer in Layer:
        found = [f for f in differing if f.layer is layer]
        unseen = sum(f.layer is layer for f in unknown)
        known = sum(f.layer is layer for f in accepted)
        looked_at = layer in report.layers and _environment_seen(report)
        if not (found or unseen or known or looked_at):
            continue
        told = [
            _text.many(number, severity.value, severity.value if severity is Severity.INFO else "")
            for severity in Severity
            if (number := sum(f.severity is severity for f in found))
        ]
        told += [
            f"{number:,} {what}" for number, what in ((unseen, "unknown"), (known, "accepted")) if number
        ]
        worst = min((f.severity.rank for f in found), default=None)
        mood = "plain" if worst == Severity.INFO.rank or (worst is None and unseen) else "good"
        if worst is not None and worst < Severity.INFO.rank:
            mood = "bad" if worst == Severity.ERROR.rank else "warn"
        views.append(LayerView(name=layer.value, mood=mood, said=", ".join(told) or "the same"))
    return tuple(views)


def _case(case: CaseReport, name: str) -> CaseView:
    columns = () if case.table is None else case.table.columns
    table = _rows.rows(case)
    worth = sorted(
        (c for c in columns if c.rung is not Rung.IDENTICAL or c.note or c.ignored),
        key=lambda c: (c.passes, -c.rung.rank),
    )
    identical = [c.name for c in columns if c.rung is Rung.IDENTICAL and not c.note and not c.ignored]
    # The rows' own order: by rung alone, which is how their names are numbered.
    with_rows = sorted((c for c in columns if c.worst and not c.ignored), key=lambda c: -c.rung.rank)
    places = {id(column): number for number, column in enumerate(with_rows)} if table else {}
    full = [
        ColumnView(
            id=f"{name}-column-{number}",
            result=column,
            dtype=_text.dtype_of(column.expected_type),
            open=number <= _OPEN and not column.passes,
            distances=_histogram.distances(column, f"{name}-column-{number}")
            if column.differing
            else NOTHING,
            pairs=_pairs.pairs(column, f"{name}-column-{number}") if column.differing else NOTHING,
            filter=places.get(id(column)),
        )
        for number, column in enumerate(worth[:_IN_FULL], 1)
    ]
    return CaseView(
        id=name,
        case=case,
        mood=_MOODS[case.verdict],
        told=tuple(c for c in worth if not c.passes)[:4],
        full=tuple(full),
        brief=some(worth[_IN_FULL:], _LINES),
        identical=some(identical, _NAMES),
        rows=table,
    )


def _facts(report: Report) -> tuple[tuple[str, str], ...]:
    seen = report.snapshot
    blas = " ".join(
        filter(None, (_dig(seen, "numerics", "blas", "version"), _dig(seen, "numerics", "blas", "kernel")))
    )
    level = _dig(seen, "host", "cpu-level")
    facts = (
        ("Lock", report.lock_id or ""),
        ("Image", report.image or ""),
        ("Image configuration", _dig(seen, "image", "config-id")),
        ("Image manifest", _dig(seen, "image", "manifest-digest")),
        ("Engine", report.engine),
        ("CPU", " ".join(filter(None, (cpu(report), f"({level})" if level else "")))),
        ("BLAS", blas),
        ("Python", _dig(seen, "python", "version")),
        ("Made", report.created),
        ("goldlock", report.goldlock_version),
        ("Counts as drift", _FAIL_ON[report.fail_on]),
    )
    return tuple((what, fact) for what, fact in facts if fact)


_FAIL_ON = {
    FailOn.ERROR: "outputs, and environment errors",
    FailOn.WARNING: "outputs, and environment errors and warnings",
    FailOn.OUTPUTS: "outputs only; the environment is told, not judged",
    FailOn.STRICT: "strictly: outputs, environment errors and warnings, accepted or not; what is unknown does not pass",
}


def cpu(report: Report) -> str:
    """The model of the CPU that it ran on, or its architecture; empty where nobody knows."""
    return _dig(report.snapshot, "host", "cpu-model") or _dig(report.snapshot, "host", "architecture")


def _dig(document: object, *path: str) -> str:
    """Text deep in a snapshot; a saved report may hold anything there."""
    for key in path:
        if not isinstance(document, Mapping):
            return ""
        document = document.get(key)
    return document if isinstance(document, str) else ""
