"""The table of worst rows: as data for the page's script, and the first of them for a page without one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from goldlock.render.html import _text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goldlock.report import CaseReport
    from goldlock.results import ColumnResult, InputRows, WorstRow

MOST_ROWS = 200_000
"""Rows of one case that a page holds."""
FIRST_ROWS = 50
"""Rows that are shown where no script runs, and on paper."""
MOST_INPUTS = 24
"""Columns of the inputs that are shown."""
_LONGEST_CELL = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A column of the table."""

    key: str
    title: str
    number: bool
    """Whether its cells are aligned as numbers."""
    input: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The worst rows of all columns of a case, the heaviest rung first."""

    headings: tuple[Heading, ...]
    names: tuple[str, ...]
    """Columns that have rows, as the filter lists them."""
    first: tuple[tuple[str, ...], ...]
    total: int
    left_out: int
    """Rows that the report has and the page has not."""
    hidden_inputs: int
    data: Markup
    """JSON for a data block; no `<` in it."""


def rows(case: CaseReport) -> Rows | None:
    """The table of a case; None where no row differs."""
    if case.table is None:
        return None
    columns = sorted(
        (column for column in case.table.columns if column.worst and not column.ignored),
        key=lambda column: -column.rung.rank,
    )
    found = [(number, worst) for number, column in enumerate(columns) for worst in column.worst]
    if not found:
        return None
    kept = found[:MOST_ROWS]
    inputs = case.inputs.names[:MOST_INPUTS] if case.inputs is not None else ()
    headings = _headings(kept, inputs, case.inputs)
    cells = [_cells(columns[number], worst, case, headings) for number, worst in kept]
    names = tuple(_text.clean(column.name, _LONGEST_CELL) for column in columns)
    rungs = [column.rung.value for column in columns]
    document = {
        "headings": [[heading.title, heading.number] for heading in headings],
        "names": names,
        "rungs": rungs,
        "column": [number for number, _ in kept],
        "cells": [list(cell) for cell in zip(*cells, strict=True)],
    }
    return Rows(
        headings=(
            Heading(key="column", title="Column", number=False),
            Heading(key="rung", title="Rung", number=False),
            *headings,
        ),
        names=names,
        first=tuple(
            (names[number], rungs[number], *row)
            for (number, _), row in zip(kept[:FIRST_ROWS], cells[:FIRST_ROWS], strict=True)
        ),
        total=len(kept),
        left_out=len(found) - len(kept),
        hidden_inputs=len(case.inputs.names) - len(inputs) if case.inputs is not None else 0,
        data=as_data(document),
    )


def as_data(document: object) -> Markup:
    """JSON that no HTML parser can be led out of, whatever stands in its strings."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped on this line


def _headings(
    kept: Sequence[tuple[int, WorstRow]], names: Sequence[str], inputs: InputRows | None
) -> tuple[Heading, ...]:
    """Only those that some row has a value for."""
    optional = {
        "index": any(len(worst.index) > 1 for _, worst in kept),
        "absolute": any(worst.absolute is not None for _, worst in kept),
        "ulp": any(worst.ulp is not None for _, worst in kept),
        "margin": any(worst.margin is not None for _, worst in kept),
    }
    titles = {
        "row": "Row",
        "index": "Index",
        "expected": "Expected",
        "actual": "Actual",
        "absolute": "Absolute",
        "ulp": "ULP",
        "margin": "Margin",
    }
    given = () if inputs is None else inputs.rows.values()
    return (
        *(
            Heading(key=key, title=title, number=True)
            for key, title in titles.items()
            if optional.get(key, True)
        ),
        *(
            Heading(
                key=f"input-{number}",
                title=_text.clean(name, _LONGEST_CELL),
                number=not any(isinstance(cell, str) for row in given for cell in row[number : number + 1]),
                input=True,
            )
            for number, name in enumerate(names)
        ),
    )


def _cells(
    column: ColumnResult, worst: WorstRow, case: CaseReport, headings: Sequence[Heading]
) -> tuple[str, ...]:
    dtype = _text.dtype_of(column.expected_type)
    given = case.inputs.rows.get(worst.row, ()) if case.inputs is not None else ()
    known = {
        "row": str(worst.row),
        "index": _text.index(worst.index[1:]),
        "expected": _text.value(worst.expected, dtype, longest=_LONGEST_CELL),
        "actual": _text.value(worst.actual, _text.dtype_of(column.actual_type), longest=_LONGEST_CELL),
        "absolute": _text.distance(worst.absolute),
        "ulp": _text.distance(worst.ulp),
        "margin": _text.distance(worst.margin),
        **{
            f"input-{number}": _text.value(cell, longest=_LONGEST_CELL)
            for number, cell in enumerate(given[:MOST_INPUTS])
        },
    }
    return tuple(known.get(heading.key, "") for heading in headings)
