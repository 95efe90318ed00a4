"""Comparing outputs with their golden: the ladder of rungs, column by column.

Rules, beside the tolerance of each column:

- names, order, dtypes and shapes of columns and the number of rows are never waved through (schema);
- NaN matches NaN at the same place only, an infinity itself only;
- -0.0 equals 0.0 and is not identical to it: rung ulp, distance 0, and a note;
- whole numbers are compared as such at every size;
- an ignored column is shown with what the default tolerance would say, and lets the case match unless its
  presence, type, shape or number of rows changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from goldlock.compare._column import CHUNK, compare_values
from goldlock.compare._rows import explain_rows
from goldlock.compare._ulp import UNMEASURABLE, ulp_distance
from goldlock.results import ColumnResult, Extreme, Flip, Rung, TableResult, Value, WorstRow
from goldlock.tables import Array, Table, type_of
from goldlock.tolerance import Kind, Tolerance, default_for
from goldlock_env.errors import ConfigurationError

__all__ = [
    "CHUNK",
    "UNMEASURABLE",
    "ColumnResult",
    "Extreme",
    "Flip",
    "Rung",
    "TableResult",
    "Value",
    "WorstRow",
    "compare_tables",
    "ulp_distance",
]


def compare_tables(expected: Table, actual: Table, tolerances: Mapping[str, Tolerance]) -> TableResult:
    """Return how far `actual` is from the golden `expected`.

    A column without an entry in `tolerances` has `default_for` its dtype; entries for other columns are
    not looked at. Raises ConfigurationError for a tolerance that cannot be applied to its column.
    """
    common = [name for name in expected.names if name in actual.columns]
    moved = _moved(common, [name for name in actual.names if name in expected.columns])
    renamed = _renamed(expected, actual, tolerances)
    columns = [
        _compare_column(name, expected, actual, tolerances, moved)
        if name in actual.columns
        else _missing(name, expected, renamed.get(name))
        for name in expected.names
    ]
    sources = {new: old for old, new in renamed.items()}
    columns += [
        _extra(name, actual, sources.get(name)) for name in actual.names if name not in expected.columns
    ]
    rungs = [column.rung for column in columns if not column.passes or not column.ignored]
    notes = []
    if moved:
        notes.append(f"the columns are in another order: expected {common!r}, got {list(actual.names)!r}")
    if expected.rows != actual.rows and expected.columns and actual.columns:
        rungs.append(Rung.SCHEMA)
        notes.append(f"{expected.rows} rows are expected, {actual.rows} came")
    rung = max(rungs, key=lambda rung: rung.rank, default=Rung.IDENTICAL)
    if not rung.passes:
        alike = [name for name in common if expected.types[name] == actual.types[name]]
        pair = ([table.columns[name] for name in alike] for table in (expected, actual))
        notes += explain_rows(*pair) if alike else ()
    return TableResult(
        rung=rung,
        columns=tuple(columns),
        notes=tuple(notes),
        expected_rows=expected.rows,
        actual_rows=actual.rows,
    )


def _compare_column(
    name: str, expected: Table, actual: Table, tolerances: Mapping[str, Tolerance], moved: Mapping[str, str]
) -> ColumnResult:
    golden, output = expected.columns[name], actual.columns[name]
    types = type_of(golden), type_of(output)
    stated = _tolerance(name, golden, tolerances)
    judged = default_for(types[0].dtype) if stated.kind is Kind.IGNORE else stated
    faults = [moved[name]] if name in moved else []
    if len(golden) != len(output):
        faults.append(f"{len(golden)} rows are expected, {len(output)} came")
    if types[0] != types[1]:
        faults.append(f"{types[0]} is expected, {types[1]} came")
    if types[0].shape != types[1].shape or (types[0] != types[1] and not _both_numbers(golden, output)):
        result = ColumnResult(
            name=name, rung=Rung.SCHEMA, expected_type=str(types[0]), actual_type=str(types[1])
        )
    else:
        rows = min(len(golden), len(output))
        scores = None if judged.scores is None else _scores(name, judged.scores, expected)[:rows]
        result = compare_values(name, golden[:rows], output[:rows], judged, scores)
    notes = [*faults, *filter(None, [result.note])]
    if stated.kind is Kind.IGNORE:
        notes.insert(0, f"ignored: {stated.reason}")
    return replace(
        result,
        rung=Rung.SCHEMA if faults else result.rung,
        would_pass="" if faults else result.would_pass,
        ignored=stated.kind is Kind.IGNORE,
        note="; ".join(notes),
    )


def _tolerance(name: str, golden: Array, tolerances: Mapping[str, Tolerance]) -> Tolerance:
    dtype = type_of(golden).dtype
    tolerance = tolerances.get(name) or default_for(dtype)
    tolerance.check(name, dtype)
    return tolerance


def _scores(name: str, scores: str, expected: Table) -> Array:
    found = expected.columns.get(scores)
    if found is None or found.dtype.kind != "f" or not found[:1].size:
        raise ConfigurationError(
            f"column {name!r} names {scores!r} as its scores, and the golden has no column of floats of that name",
            hint=f"its columns are: {', '.join(f'{name} ({type_})' for name, type_ in expected.types.items())}",
        )
    return found


def _both_numbers(left: Array, right: Array) -> bool:
    return left.dtype.kind in "iuf" and right.dtype.kind in "iuf"


def _moved(expected: Sequence[str], actual: Sequence[str]) -> dict[str, str]:
    """Return, for columns that are on both sides, a note for each at another place among them."""
    return {
        name: f"moved from place {place} to {actual.index(name)} among the columns"
        for place, name in enumerate(expected)
        if actual[place] != name
    }


def _renamed(expected: Table, actual: Table, tolerances: Mapping[str, Tolerance]) -> dict[str, str]:
    """Return missing columns whose type and values, within tolerance, stand under a name that is not expected."""
    extra = [name for name in actual.names if name not in expected.columns]
    found: dict[str, str] = {}
    for name, golden in expected.columns.items():
        if name in actual.columns:
            continue
        for candidate in extra:
            output = actual.columns[candidate]
            if (
                candidate in found.values()
                or type_of(golden) != type_of(output)
                or len(golden) != len(output)
            ):
                continue
            tolerance = _tolerance(name, golden, tolerances)
            plain = default_for(type_of(golden).dtype) if tolerance.kind is Kind.IGNORE else tolerance
            if compare_values(name, golden, output, plain).rung.passes:
                found[name] = candidate
                break
    return found


def _missing(name: str, expected: Table, renamed: str | None) -> ColumnResult:
    looks = "" if renamed is None else f"; looks renamed to {renamed!r}, which holds the same values"
    return ColumnResult(
        name=name,
        rung=Rung.SCHEMA,
        expected_type=str(expected.types[name]),
        actual_type=None,
        note=f"missing from the output{looks}",
    )


def _extra(name: str, actual: Table, renamed: str | None) -> ColumnResult:
    looks = "" if renamed is None else f"; looks like {renamed!r} under another name"
    return ColumnResult(
        name=name,
        rung=Rung.SCHEMA,
        expected_type=None,
        actual_type=str(actual.types[name]),
        note=f"not in the golden{looks}",
    )
