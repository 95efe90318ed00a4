"""What is wrong with a table before any value is looked at: columns missing, extra, moved or renamed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from goldlock.compare._pass import walk
from goldlock.compare._plan import Plan
from goldlock.compare._result import result_of
from goldlock.results import ColumnResult, Rung
from goldlock.tables import Batches, ColumnType, Table
from goldlock.tolerance import Kind, Loose, Tolerance, default_for

# Rows by which columns of other names are ruled out, before all of their rows are compared.
_HEAD = 1 << 12
# More pairs of a missing and a new column are not tried.
_MOST_PAIRS = 10_000


def tolerance_for(name: str, dtype: str, tolerances: Mapping[str, Tolerance]) -> Tolerance:
    """Return the column's tolerance; raises ConfigurationError where it cannot be applied to its type."""
    tolerance = tolerances.get(name) or default_for(dtype)
    tolerance.check(name, dtype)
    return tolerance


def judged_by(stated: Tolerance, dtype: str) -> Tolerance:
    """Return the tolerance by which values are compared: an ignored column is shown by its default."""
    return default_for(dtype) if stated.kind is Kind.IGNORE else stated


def type_fault(expected: ColumnType, actual: ColumnType, loose: Collection[Loose]) -> tuple[str, str]:
    """Return what is wrong with a column's type, and what is let pass about it: notes, or nothing."""
    if expected == actual:
        return "", ""
    said = f"{expected} is expected, {actual} came"
    let = []
    if expected.dtype != actual.dtype:
        if Loose.DTYPE not in loose or not both_numbers(expected, actual):
            return said, ""
        let.append("compared by value")
    if expected.shape != actual.shape:
        if Loose.SHAPE not in loose or not same_shape(expected, actual):
            return said, ""
        let.append("compared without lengths of 1")
    return "", f"{said}: {', '.join(let)}"


def both_numbers(expected: ColumnType, actual: ColumnType) -> bool:
    return all("int" in each.dtype or "float" in each.dtype for each in (expected, actual))


def same_shape(expected: ColumnType, actual: ColumnType) -> bool:
    """Whether the shapes are the same but for lengths of 1."""
    before, after = ([length for length in each.shape if length != 1] for each in (expected, actual))
    return before == after


def moved(expected: Sequence[str], actual: Sequence[str]) -> dict[str, str]:
    """Return, for columns that are on both sides, a note for each at another place among them."""
    return {
        name: f"moved from place {place} to {actual.index(name)} among the columns"
        for place, name in enumerate(expected)
        if actual[place] != name
    }


def renamed(
    expected: Batches, actual: Batches, tolerances: Mapping[str, Tolerance], threads: int | None
) -> dict[str, str]:
    """Return missing columns whose type and values, within tolerance, stand under a name that is not expected."""
    types, types_actual = expected.types, actual.types
    missing = [name for name in types if name not in types_actual]
    extra = [name for name in types_actual if name not in types]
    if expected.rows != actual.rows or not 0 < len(missing) * len(extra) <= _MOST_PAIRS:
        return {}
    plans = [
        Plan(
            name=name,
            output=candidate,
            expected=types[name],
            actual=types[name],
            rows=expected.rows,
            tolerance=judged_by(tolerances[name], types[name].dtype),
        )
        for name in missing
        for candidate in extra
        if types[name] == types_actual[candidate]
    ]
    if not plans:
        return {}
    heads = [next(_head(side, names)) for side, names in ((expected, missing), (actual, extra))]
    alike = zip(plans, walk(heads[0], heads[1], plans, worst=0, threads=1), strict=True)
    found: dict[str, str] = {}
    for plan in [plan for plan, seen in alike if result_of(seen).rung.passes]:
        if plan.name in found or plan.output in found.values():
            continue
        (seen,) = walk(expected, actual, [plan], worst=0, threads=threads)
        if result_of(seen).rung.passes:
            found[plan.name] = plan.output
    return found


def missing_column(name: str, type_: ColumnType, new_name: str | None) -> ColumnResult:
    looks = "" if new_name is None else f"; looks renamed to {new_name!r}, which holds the same values"
    return ColumnResult(
        name=name,
        rung=Rung.SCHEMA,
        expected_type=str(type_),
        actual_type=None,
        note=f"missing from the output{looks}",
    )


def extra_column(name: str, type_: ColumnType, old_name: str | None) -> ColumnResult:
    looks = "" if old_name is None else f"; looks like {old_name!r} under another name"
    return ColumnResult(
        name=name,
        rung=Rung.SCHEMA,
        expected_type=None,
        actual_type=str(type_),
        note=f"not in the golden{looks}",
    )


def _head(side: Batches, names: Sequence[str]) -> Iterator[Table]:
    """Yield the first rows of some columns."""
    yield from side.batches(names, rows=_HEAD)
    yield Table({})
