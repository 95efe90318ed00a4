"""Comparing outputs with their golden: the ladder of rungs, column by column.

Rules, beside the tolerance of each column:

- names, order, dtypes and shapes of columns and the number of rows are never waved through (schema), unless the
  tolerance says so: `Loose.DTYPE` compares numbers of two dtypes by value, `Loose.SHAPE` ignores lengths of 1;
- floats (float16, bfloat16, float32, float64): a distance in ULP counts the representable numbers of that dtype,
  denormals among them one by one; absolute and relative distances are float64's;
- NaN matches NaN at the same place only, whatever its bits; an infinity matches itself only;
- -0.0 equals 0.0 and is not identical to it: rung ulp, distance 0, and a note;
- whole numbers of every size, with a sign or without, are compared as such; no float comes between but the bound
  of a tolerance;
- true/false, text, dates and datetimes are the same value or not; they have no distance, and a tolerance of
  numbers on them is an error. None among text is a value of its own, and is not the text "None";
- an absent value (`Table.absent`) matches an absent one only; what stands under the mask means nothing. A value
  against an absent one is outside every tolerance, and noted;
- numbers of two dtypes (loose, or told of a column whose dtype changed) are compared by value: exactly, within
  rtol and atol, without ULP; zeros of two signs are told apart between floats only;
- a probability with several values a row must keep the place of its largest one (the first of several): else it
  is flipped, tolerance or not. Others that change places are counted only; rows with a NaN have no order;
- an ignored column is shown with what the default tolerance would say, and lets the case match unless its
  presence, type, shape or number of rows changed;
- what the tolerance takes for the same answer (`UpTo.SIGN`, `UpTo.NAMES`, loose types, rows in another order
  that `rows_by` matches) and needs to be taken so is equivalent, with a note that says what was taken for what.

One pass over both tables finds everything. Its findings can be added in any order: the result does not depend on
the number of threads nor on how the tables are cut into batches.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace as changed

import numpy as np
from msgspec.structs import replace

from goldlock.compare._equivalent import one_to_one
from goldlock.compare._histogram import Distances
from goldlock.compare._keys import match_rows
from goldlock.compare._look import CHUNK
from goldlock.compare._pass import BATCH_BYTES, walk
from goldlock.compare._plan import Plan
from goldlock.compare._result import Numbering, result_of
from goldlock.compare._rows import explain_rows
from goldlock.compare._schema import (
    both_numbers,
    extra_column,
    judged_by,
    missing_column,
    moved,
    renamed,
    same_shape,
    tolerance_for,
    type_fault,
)
from goldlock.compare._seen import Seen
from goldlock.compare._ulp import UNMEASURABLE, ulp_distance
from goldlock.results import ColumnResult, Extreme, Flip, Rung, TableResult, Value, WorstRow
from goldlock.tables import Batches, ColumnType
from goldlock.tolerance import Kind, Tolerance, UpTo
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

_LISTED = 10


def compare_tables(
    expected: Batches,
    actual: Batches,
    tolerances: Mapping[str, Tolerance],
    *,
    rows_by: Sequence[str] = (),
    worst: int = 100,
    threads: int | None = None,
    batch: int = BATCH_BYTES,
    same: Collection[str] = (),
) -> TableResult:
    """Return how far `actual` is from the golden `expected`.

    A column without an entry in `tolerances` has `default_for` its dtype; entries for other columns are
    not looked at. With `rows_by` rows belong together whose values in these columns are the same, and both
    tables are read into memory; without, rows at the same place, read in batches: memory does not grow with
    the rows. `worst` rows are kept of each column. Columns `same` are known to hold the same content on both
    sides and are not read. `threads`: by default one for each core. `batch`: bytes of all columns of the rows
    that are read at once; four times as much is held.

    Raises ConfigurationError for a tolerance that cannot be applied to its column and for `rows_by` that do
    not tell the golden's rows apart, CouldNotRunError for data that turn out broken.
    """
    types, types_actual = expected.types, actual.types
    matched = match_rows(expected, actual, rows_by)
    notes = list(matched.faults)
    rungs = [Rung.SCHEMA] if matched.faults else [Rung.EQUIVALENT] if matched.reordered else []
    common = [name for name in types if name in types_actual]
    places = moved(common, [name for name in types_actual if name in types])
    stated = {name: tolerance_for(name, type_.dtype, tolerances) for name, type_ in types.items()}
    new_names = renamed(expected, actual, stated, threads)
    old_names = {new: old for old, new in new_names.items()}
    untouched = set(same) if expected.rows == actual.rows and not rows_by else set()
    plans = [
        _plan(name, types, types_actual[name], min(matched.expected.rows, matched.actual.rows), stated[name])
        for name in common
        if _comparable(types[name], types_actual[name])
        and not (name in untouched and types[name] == types_actual[name])
    ]
    compared = _compare(
        plans,
        matched.expected,
        matched.actual,
        worst=worst,
        threads=threads,
        batch=batch,
        numbering=matched.numbering,
    )
    rows = expected.rows, actual.rows
    columns = [
        _judged(
            name,
            compared.get(name),
            (type_, types_actual[name]),
            rows,
            stated[name],
            places.get(name, ""),
        )
        if name in types_actual
        else missing_column(name, type_, new_names.get(name))
        for name, type_ in types.items()
    ]
    columns += [
        extra_column(name, type_, old_names.get(name))
        for name, type_ in types_actual.items()
        if name not in types
    ]
    rungs += [column.rung for column in columns if not column.passes or not column.ignored]
    if places:
        notes.append(f"the columns are in another order: expected {common!r}, got {list(types_actual)!r}")
    if rows[0] != rows[1] and types and types_actual:
        rungs.append(Rung.SCHEMA)
        notes.append(f"{expected.rows} rows are expected, {actual.rows} came")
    rung = max(rungs, key=lambda rung: rung.rank, default=Rung.IDENTICAL)
    if matched.reordered:
        notes.append(matched.reordered)
    if not rung.passes and not rows_by:
        alike = [name for name in common if types[name] == types_actual[name]]
        notes += explain_rows(expected, actual, alike) if alike else ()
    return TableResult(
        rung=rung,
        columns=tuple(columns),
        notes=tuple(notes),
        expected_rows=expected.rows,
        actual_rows=actual.rows,
    )


def _comparable(expected: ColumnType, actual: ColumnType) -> bool:
    """Whether the values of a column can be laid side by side."""
    same = expected.dtype == actual.dtype or both_numbers(expected, actual)
    return same and (expected.shape == actual.shape or same_shape(expected, actual))


def _plan(
    name: str, types: Mapping[str, ColumnType], actual: ColumnType, rows: int, stated: Tolerance
) -> Plan:
    judged = judged_by(stated, types[name].dtype)
    for scores in judged.scores:
        found = types.get(scores)
        if found is None or "float" not in found.dtype or 0 in found.shape:
            listed = ", ".join(f"{name} ({type_})" for name, type_ in types.items())
            raise ConfigurationError(
                f"column {name!r} names {scores!r} as its scores, and the golden has no column of floats"
                " of that name",
                hint=f"its columns are: {listed}",
            )
    return Plan(
        name=name,
        output=name,
        expected=types[name],
        actual=actual,
        rows=rows,
        tolerance=judged,
        scores=judged.scores,
    )


def _compare(
    plans: Sequence[Plan],
    expected: Batches,
    actual: Batches,
    *,
    worst: int,
    threads: int | None,
    batch: int,
    numbering: Numbering | None,
) -> dict[str, ColumnResult]:
    """Return the results of one pass, and of a second one over the columns that may be equivalent."""
    seen = walk(expected, actual, plans, worst=worst, threads=threads, batch=batch)
    results = {each.plan.name: result_of(each, numbering) for each in seen}
    again = [
        plan
        for each in seen
        if not results[each.plan.name].rung.passes and (plan := _under_equivalence(each)) is not None
    ]
    for each in walk(expected, actual, again, worst=worst, threads=threads, batch=batch):
        name, result = each.plan.name, result_of(each, numbering)
        if result.rung.passes:
            note = "; ".join(filter(None, [_taken_for(each.plan), result.note]))
            results[name] = replace(result, rung=Rung.EQUIVALENT, note=note)
        elif result.count < results[name].count:
            results[name] = replace(
                result, note="; ".join(filter(None, [_taken_for(each.plan), result.note]))
            )
    return results


def _under_equivalence(seen: Seen) -> Plan | None:
    """Return the plan of a column that did not pass under what it is equivalent up to; None where that is nothing."""
    if seen.tolerance.up_to is UpTo.SIGN and bool((signs := seen.dots.signs())[signs < 0].size):
        return changed(seen.plan, signs=signs)
    if seen.tolerance.up_to is UpTo.NAMES and seen.pairs.complete:
        names = one_to_one(seen.pairs.counts())
        if any(before != after for before, after in names.items()):
            return changed(seen.plan, names=names)
    return None


def _taken_for(plan: Plan) -> str:
    """Return what was taken for what."""
    if plan.names is not None:
        others = [f"{after!r} for {before!r}" for before, after in plan.names.items() if before != after]
        return f"taken under other names: {_listed(others)}"
    assert plan.signs is not None  # noqa: S101 - a plan has one of them here
    turned = np.flatnonzero(plan.signs < 0)
    if not plan.expected.shape:
        return "taken times -1"
    indices = [
        str([int(each) for each in np.unravel_index(place, plan.expected.shape)])[1:-1] for place in turned
    ]
    return f"taken times -1: {len(turned)} of {plan.width} components: {_listed(indices)}"


def _listed(values: Sequence[str]) -> str:
    more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    return ", ".join(values[:_LISTED]) + more


def _judged(
    name: str,
    result: ColumnResult | None,
    types: tuple[ColumnType, ColumnType],
    rows: tuple[int, int],
    stated: Tolerance,
    move: str,
) -> ColumnResult:
    """Return a column's result with what its place, type and number of rows say; None for one that was not compared."""
    fault, let = type_fault(*types, stated.loose)
    length = "" if rows[0] == rows[1] else f"{rows[0]} rows are expected, {rows[1]} came"
    faults = [each for each in (move, length, fault) if each]
    if result is None:
        result = _same_content(name, types[0], rows[0]) if not fault else None
    if result is None or (types[0].shape != types[1].shape and fault):
        result = ColumnResult(
            name=name, rung=Rung.SCHEMA, expected_type=str(types[0]), actual_type=str(types[1])
        )
    rung = result.rung
    if faults:
        rung = Rung.SCHEMA
    elif let and rung.passes:
        rung = Rung.EQUIVALENT
    ignored = stated.kind is Kind.IGNORE
    notes = [f"ignored: {stated.reason}" if ignored else "", *faults, let, result.note]
    return replace(
        result,
        rung=rung,
        would_pass="" if faults else result.would_pass,
        ignored=ignored,
        note="; ".join(filter(None, notes)),
        tolerance=stated.stated(),
    )


def _same_content(name: str, type_: ColumnType, rows: int) -> ColumnResult:
    """Return the result of a column that is known to hold the same on both sides."""
    plan = Plan(
        name=name,
        output=name,
        expected=type_,
        actual=type_,
        rows=rows,
        tolerance=Tolerance(kind=Kind.EXACT),
    )
    distances = Distances()
    distances.add_zeros(plan.size)
    return ColumnResult(
        name=name,
        rung=Rung.IDENTICAL,
        expected_type=str(type_),
        actual_type=str(type_),
        size=plan.size,
        distances=distances.histogram("ulp" if plan.one_float else "absolute") if plan.numbers else None,
    )
