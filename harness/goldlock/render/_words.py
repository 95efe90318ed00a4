"""The words that several renderers tell a report's facts in: plain text, one line each, safe to show.

Everything that a subject said has been through `printable` here. What a format escapes is that renderer's work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldlock.printable import printable
from goldlock.report import FailOn
from goldlock.results import Rung
from goldlock_env.difference import ALL
from goldlock_env.findings import Finding, Layer, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from goldlock.report import CaseReport, Report
    from goldlock.results import ColumnResult, Extreme, Flip, Histogram, TableResult, Value, WorstRow

LONG = 48
"""Characters of a value that are shown."""
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_ASCII_BARS = ".:-=+*#@"
_MOST_BARS = 32
_FLIPS = 3
_DIGITS = {"float32": 9, "float16": 5, "bfloat16": 4}
"""Digits that tell any two numbers of a type apart (C's FLT_DECIMAL_DIG and the like); float64 is shown by its repr."""


def cut(text: str, *, long: int = LONG) -> str:
    """One line that neither steers nor floods."""
    shown = printable(text[: long + 1])
    return shown if len(shown) <= long else f"{shown[: long - 1]}{_ELLIPSIS}"


def value(cell: Value, described: str | None = None, *, digits: int | None = None) -> str:
    """A cell as it stands in a table: text bare; floats by as many digits as tell those of its type apart."""
    if not isinstance(cell, float):
        return cut(str(cell))
    needed = _DIGITS.get((described or "").partition("[")[0])
    known = min((each for each in (needed, digits) if each is not None), default=None)
    return repr(cell) if known is None else f"{cell:.{known}g}"


def quoted(cell: Value, described: str | None = None) -> str:
    """A cell inside a sentence: text in quotes."""
    return value(cell, described) if isinstance(cell, float) else cut(repr(cell))


def place(index: tuple[int, ...]) -> str:
    """`7` for a row, `7,1` for a place inside it."""
    return ",".join(map(str, index))


def number(distance: float) -> str:
    """A distance: whole numbers whole, others with three digits."""
    if isinstance(distance, int):
        return f"{distance:,}" if abs(distance) < 10**9 else f"{distance:.3g}"
    return f"{distance:.3g}"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def image(reference: str | None) -> str:
    """An image as a headline names it: its reference, or the first digits of its id where that is all there is."""
    if reference is None:
        return ""
    return short(reference) if reference.startswith("sha256:") else reference


def short(text: str | None) -> str:
    """A value of a finding: a digest by its first digits, long text cut."""
    if text is None:
        return "unknown"
    head, separator, digest = text.partition("sha256:")
    if separator and not head:
        return f"sha256:{printable(digest[:12])}"
    return cut(text)


def difference(finding: Finding) -> str:
    """What a finding says, without its name and note."""
    expected, actual = short(finding.expected), short(finding.actual)
    match finding.status:
        case Status.MISSING:
            return f"missing (expected {expected})" if finding.expected is not None else "missing"
        case Status.EXTRA:
            return f"not expected: {actual}" if finding.actual is not None else "not expected"
        case Status.CHANGED:
            return f"expected {expected}, actual {actual}"
        case Status.SAME:
            return f"as expected: {expected}"
        case Status.UNKNOWN:
            return "unknown"


MISSED = 'strict   what could not be looked at does not pass; [policy] with "ignore" says what nobody needs to look at'
"""What --strict makes of unknowns."""


def accepted_counts(report: Report) -> str:
    """What becomes of accepted differences."""
    return "accepted, but --strict counts them" if report.fail_on is FailOn.STRICT else "not counted"


def reason(finding: Finding) -> str:
    """Why an unknown is one."""
    return printable(finding.note) or "nobody could look"


def unknowns(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Names of what is unknown and the reason; whole layers that share a reason are told together."""
    told: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        whole = finding.key == ALL
        name = str(finding.layer) if whole else finding.name
        told.setdefault((finding.note, "" if whole else finding.name), []).append(printable(name))
    return [(", ".join(names), printable(note)) for (note, _), names in told.items()]


def created(report: Report) -> str:
    """When, as SARIF 2.1.0 (3.9) wants it and others take it: UTC is told by a Z. Empty where nobody said."""
    shown = printable(report.created)
    return f"{shown[:-6]}Z" if shown.endswith("+00:00") else shown


def looked_at(report: Report) -> tuple[Layer, ...]:
    """Layers that the report speaks of, in their order."""
    found = {*report.layers, *(finding.layer for finding in report.findings)}
    return tuple(layer for layer in Layer if layer in found)


def rows(table: TableResult) -> str:
    """How many rows there are, and how many there should be."""
    shown = plural(table.actual_rows, "row")
    return shown if table.actual_rows == table.expected_rows else f"{shown}, expected {table.expected_rows:,}"


def types(column: ColumnResult) -> str:
    """The two types where they differ, else nothing."""
    if column.expected_type == column.actual_type:
        return ""
    return printable(
        f"expected {column.expected_type or 'no such column'}, actual {column.actual_type or 'none'}"
    )


def share(column: ColumnResult) -> str:
    """How many values differ, and how many of them too far."""
    if column.count:
        return f"{column.count:,} of {column.size:,} values ({column.share:.2%})"
    if column.differing:
        return f"{column.differing:,} of {column.size:,} values differ{_how(column)}"
    return ""


def _how(column: ColumnResult) -> str:
    if column.rung is Rung.EQUIVALENT:
        return " and are equivalent"
    return " within tolerance" if column.rung.passes else ""


def largest(column: ColumnResult) -> str:
    """The largest distances and where they are, else nothing."""
    named: Iterable[tuple[str, Extreme | None]] = (
        ("absolute", column.largest_absolute),
        ("relative", column.largest_relative),
        ("ULP", column.largest_ulp),
    )
    return ", ".join(
        f"{label} {number(extreme.value)} at {place(extreme.index)}" for label, extreme in named if extreme
    )


def pairs(column: ColumnResult) -> str:
    """Both values where a number is furthest off, where those rows are not shown anyway."""
    shown = {}
    for extreme in (column.largest_absolute, column.largest_relative, column.largest_ulp):
        if extreme is not None:
            expected = value(extreme.expected, column.expected_type)
            shown[place(extreme.index)] = f"{expected} became {value(extreme.actual, column.actual_type)}"
    return ", ".join(f"{where}: {what}" for where, what in shown.items())


def flips(column: ColumnResult, most: int = _FLIPS) -> str:
    """The most frequent kinds of flip, else nothing."""

    def told(flip: Flip) -> str:
        expected, actual = (
            quoted(flip.expected, column.expected_type),
            quoted(flip.actual, column.actual_type),
        )
        # Of a probability column it is the place of a row's largest value that flips.
        became = (
            f"the largest at {expected} is now at {actual}:"
            if column.tops_moved
            else f"{expected} became {actual}"
        )
        return f"{became} {plural(flip.count, 'time')}"

    shown = column.flips[:most]
    more = other_flips(column, len(shown))
    return ", ".join(map(told, shown)) + (f", and {plural(more, 'other')}" if shown and more else "")


def other_flips(column: ColumnResult, shown: int) -> int:
    """How many values, or rows of a probability column, flipped in other ways than the first `shown` kinds.

    A report holds the most frequent kinds only, so the rest is counted and not listed.
    """
    flipped = column.tops_moved or column.count
    return max(flipped - sum(flip.count for flip in column.flips[:shown]), 0)


def moves(column: ColumnResult) -> str:
    """What a change of probabilities does to the order inside rows, else nothing."""
    parts = []
    if column.tops_moved:
        parts.append(f"{plural(column.tops_moved, 'row')} with another largest value")
    if column.ranks_moved:
        parts.append(f"{plural(column.ranks_moved, 'row')} with the others in another order")
    return ", ".join(parts)


def histogram(distances: Histogram | None, *, ascii_only: bool = False) -> str:
    """The distances that are not zero in one line: a bar for each doubling, as high as its count's logarithm."""
    if distances is None:
        return ""
    counted = {
        (bucket.high - 1).bit_length(): bucket for bucket in distances.buckets if bucket.high and bucket.count
    }
    without = sum(bucket.count for bucket in distances.buckets if bucket.high is None)
    parts = []
    if counted:
        first, last = min(counted), max(counted)
        step = -(-(last - first + 1) // _MOST_BARS)
        counts = [
            sum(counted[at].count for at in range(start, start + step) if at in counted)
            for start in range(first, last + 1, step)
        ]
        low, high = number(counted[first].low), number(counted[last].high or 0)
        unit = "ULP" if distances.unit == "ulp" else "apart"
        bars = _ASCII_BARS if ascii_only else _BARS
        parts.append(f"{low} |{_drawn(counts, bars)}| {high} {unit}")
    if without:
        parts.append(f"{without:,} without a distance")
    return ", ".join(parts)


def _drawn(counts: list[int], bars: str) -> str:
    most = max(counts).bit_length()
    return "".join(bars[(count.bit_length() * len(bars) - 1) // most] if count else "_" for count in counts)


def statistics(column: ColumnResult, *, ascii_only: bool = False) -> tuple[tuple[str, str], ...]:
    """Everything that is known of a column but its worst rows, as labels and texts; only what there is."""
    facts = (
        ("types", types(column)),
        ("outside tolerance" if column.count else "differing", share(column)),
        ("judged by", printable(column.tolerance)),
        ("largest", largest(column)),
        ("values there", pairs(column)),
        ("distances", histogram(column.distances, ascii_only=ascii_only)),
        ("order", moves(column)),
        ("flips", flips(column, most=10)),
        ("would pass at", "" if column.passes else printable(column.would_pass)),
        ("note", printable(column.note)),
    )
    return tuple((label, text) for label, text in facts if text)


def summary(column: ColumnResult) -> str:
    """One line for a column that is not as it should be."""
    parts = [column.rung.value, types(column), share(column) if column.count else "", flips(column, most=1)]
    if not column.flips:
        parts.append(moves(column))
    parts.append(f"would pass at {printable(column.would_pass)}" if column.would_pass else "")
    if not any(parts[1:]):
        parts.append(printable(column.note))
    return "; ".join(part for part in parts if part)


def worst(column: ColumnResult, most: int, *, digits: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Names and cells of a table of the worst rows; a distance or margin that none of them has is left out.

    With `digits`, floats have no more of them, unless two that differ would look the same.
    """
    names = ["row", "expected", "actual", "absolute", "ULP", "margin"]
    rows = [
        [
            place(row.index),
            *_pair(column, row, digits),
            "" if row.absolute is None else number(row.absolute),
            "" if row.ulp is None else number(row.ulp),
            "" if row.margin is None else f"{row.margin:.3g}",
        ]
        for row in column.worst[:most]
    ]
    kept = [at for at, _ in enumerate(names) if at < 3 or any(row[at] for row in rows)]
    return [names[at] for at in kept], [[row[at] for at in kept] for row in rows]


def _pair(column: ColumnResult, row: WorstRow, digits: int | None) -> tuple[str, str]:
    expected = value(row.expected, column.expected_type, digits=digits)
    actual = value(row.actual, column.actual_type, digits=digits)
    if expected == actual and digits is not None:
        return _pair(column, row, None)
    return expected, actual


def concerns(case: CaseReport) -> tuple[str, ...]:
    """What is to be said of a case beside its columns."""
    said = []
    if case.known_bad:
        said.append(f"matches the known-bad golden {printable(case.known_bad)}")
    if case.variant:
        said.append(f"compared with the golden {printable(case.variant)}")
    said.extend(map(printable, case.notes))
    if case.table is not None:
        said.extend(map(printable, case.table.notes))
    return tuple(said)
