"""A case on a terminal: its rung, what is to be said of it, and every column that is not identical."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from goldlock.printable import printable
from goldlock.render import _words
from goldlock.render._page import BAD, FAINT, GOOD, NOTE, STRONG, Page
from goldlock.results import Rung

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goldlock.report import CaseReport, Failure
    from goldlock.results import ColumnResult, InputRows, TableResult

_IN_FULL = 24
"""Columns of a case that are told in full; of the others a line each, unless everything is asked for."""
_WORST_ROWS = 5
_INPUT_ROWS = 8
_INPUT_LONG = 18
_FEW_DIGITS = 6


def print_case(page: Page, case: CaseReport, *, verbose: bool) -> None:
    """Write one case, whether it was compared or not."""
    if case.failure is not None:
        print_failure(page, f"case {printable(case.name)}", case.failure)
        return
    table = case.table
    if table is None:
        return
    details = (
        case.way,
        _words.rows(table),
        _words.plural(len(table.columns), "column"),
        f"{case.seconds:.1f} s",
    )
    page.gap()
    page.say(
        (f"case {printable(case.name)}  ", STRONG),
        (table.rung.value, GOOD if table.passes else BAD),
        (f"  ({', '.join(details)})", FAINT),
    )
    if case.known_bad:
        page.say((f"matches the known-bad golden {printable(case.known_bad)}", BAD), indent=2)
    if case.variant:
        page.say(f"compared with the golden {printable(case.variant)}", indent=2)
    for note in case.notes:
        page.say((printable(note), FAINT), indent=2)
    print_table(page, table, verbose=verbose)
    if case.inputs is not None:
        _print_inputs(page, table, case.inputs)


def print_table(page: Page, table: TableResult, *, verbose: bool = False) -> None:
    """Write a comparison's notes and every column that is not identical."""
    for note in table.notes:
        page.say(printable(note), indent=2)
    told = [column for column in table.columns if column.rung is not Rung.IDENTICAL or column.note]
    full = len(told) if verbose or len(told) <= _IN_FULL + 1 else _IN_FULL
    if full < len(told):
        told.sort(key=lambda column: (column.passes, -column.rung.rank))
    for column in told[:full]:
        _print_headline(page, column)
        _print_column(page, column)
    if told[full:]:
        page.say((f"{len(told) - full:,} more columns, a line each:", FAINT), indent=2)
    for column in told[full:]:
        _print_headline(page, column)


def print_failure(page: Page, name: str, failure: Failure) -> None:
    """Write why something could not run, and what to do next."""
    first, *rest = map(printable, failure.message.splitlines() or [""])
    page.gap()
    page.say((f"{name}  ", STRONG), ("could not run", "yellow"), f": {first}")
    for line in rest:
        page.say((line, FAINT), indent=4)
    if failure.hint:
        page.say(f"-> {printable(failure.hint)}", indent=2, hang=3)


def _print_headline(page: Page, column: ColumnResult) -> None:
    share = _words.share(column)
    page.say(
        (f"{printable(column.name)}  ", STRONG),
        (column.rung.value, GOOD if column.passes else BAD),
        ("  ignored" if column.ignored else "", NOTE),
        (f"  {share}" if share else "", "" if column.count else FAINT),
        f"  {_words.types(column)}" if _words.types(column) else "",
        indent=2,
    )


def _print_column(page: Page, column: ColumnResult) -> None:
    if column.note:
        page.say((printable(column.note), FAINT), indent=4, hang=2)
    if column.rung is Rung.IDENTICAL:
        return
    for label, text in (
        ("judged by ", printable(column.tolerance)),
        ("largest: ", _words.largest(column)),
        ("distances: ", _words.histogram(column.distances, ascii_only=page.ascii_only)),
        ("order: ", _words.moves(column)),
        ("would pass at ", "" if column.passes else printable(column.would_pass)),
        ("", "" if column.passes else _words.flips(column)),
    ):
        if text:
            page.say((label, FAINT), text, indent=4, hang=2)
    if not column.passes and column.worst:
        _print_worst(page, column)


def _print_worst(page: Page, column: ColumnResult) -> None:
    """The worst rows; with shorter floats where they would not fit the page."""
    names, rows = _words.worst(column, _WORST_ROWS)
    needed = sum(max(map(len, cells)) + 2 for cells in zip(names, *rows, strict=True))
    if needed > page.console.width - 4:
        names, rows = _words.worst(column, _WORST_ROWS, digits=_FEW_DIGITS)
    page.show(_table(names, rows), indent=4)


def _print_inputs(page: Page, table: TableResult, inputs: InputRows) -> None:
    """The inputs of the rows shown above, as many as fit beside each other."""
    shown = dict.fromkeys(
        worst.row
        for column in table.columns
        if not column.passes
        for worst in column.worst[:_WORST_ROWS]
        if worst.row in inputs.rows
    )
    rows = sorted(list(shown)[:_INPUT_ROWS])
    if not rows or not inputs.names:
        return
    cells = [[_words.cut(_words.value(cell), long=_INPUT_LONG) for cell in inputs.rows[row]] for row in rows]
    names = [_words.cut(name, long=_INPUT_LONG) for name in inputs.names]
    room = page.console.width - 4 - max(len("row"), *(len(str(row)) for row in rows))
    fitting = 0
    for at, name in enumerate(names):
        room -= 2 + max(len(name), *(len(row[at]) for row in cells if at < len(row)), 0)
        if room < 0 and fitting:
            break
        fitting += 1
    left = len(names) - fitting
    more = f", and {_words.plural(left, 'more input')} not shown here" if left else ""
    page.say(("inputs of these rows", STRONG), (more, FAINT), indent=2)
    page.show(
        _table(
            ["row", *names[:fitting]],
            [[str(row), *cell[:fitting]] for row, cell in zip(rows, cells, strict=True)],
        ),
        indent=4,
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style=FAINT, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
