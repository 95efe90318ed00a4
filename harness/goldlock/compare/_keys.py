"""Rows matched by key columns instead of by their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from goldlock.compare._seen import plain_list
from goldlock.results import Value
from goldlock.tables import Array, Batches, Table, whole
from goldlock_env.errors import ConfigurationError

_LISTED = 10

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Two tables whose rows belong together."""

    expected: Batches
    actual: Batches
    numbering: Rows | None = None
    """The golden's row for each row of `expected`; None: they are all there, in order."""
    reordered: str = ""
    """A note, where the output's rows stand in another order."""
    faults: tuple[str, ...] = ()
    """Rows that have no counterpart, and keys that tell no row."""


def match_rows(expected: Batches, actual: Batches, keys: Sequence[str]) -> Matched:
    """Return both tables with the rows that belong together at the same place, in the golden's order.

    Both are read into memory. Raises ConfigurationError where `keys` are no keys of the golden: a column that
    it does not have or that holds several values a row, absent values, or two rows of one key.
    """
    if not keys:
        return Matched(expected=expected, actual=actual)
    types, types_actual = expected.types, actual.types
    for key in keys:
        if key not in types or types[key].shape:
            raise ConfigurationError(
                f"rows-by names {key!r}, and the golden has no column of single values of that name",
                hint=f"its columns are: {', '.join(f'{name} ({each})' for name, each in types.items())}",
            )
        if types_actual.get(key) != types[key]:
            came = f"of type {types_actual[key]}" if key in types_actual else "missing from the output"
            return Matched(
                expected=expected,
                actual=actual,
                faults=(f"the rows are compared by their place: key column {key!r} is {came}",),
            )
    left, right = whole(expected), whole(actual)
    codes, codes_actual = _codes(left, right, keys)
    _check_golden(left, codes, keys)
    faults = []
    if (nameless := np.flatnonzero(codes_actual < 0)).size:
        faults.append(f"rows of the output lack a key: {_listed(nameless.tolist())}")
    known, first, counts = np.unique(codes_actual, return_index=True, return_counts=True)
    if (several := first[(counts > 1) & (known >= 0)]).size:
        faults.append(f"keys come several times in the output: {_keys_of(right, several, keys)}")
    first, known = first[known >= 0], known[known >= 0]
    places = np.searchsorted(known, codes)
    found = places < len(known)
    found[found] = known[places[found]] == codes[found]
    rows, rows_actual = np.flatnonzero(found), first[places[found]]
    if (missing := np.flatnonzero(~found)).size:
        faults.append(f"rows with these keys are missing: {_keys_of(left, missing, keys)}")
    if (new := first[~np.isin(known, codes)]).size:
        faults.append(f"rows with these keys are not in the golden: {_keys_of(right, np.sort(new), keys)}")
    moved = int(np.count_nonzero(np.diff(rows_actual) < 0))
    complete = len(rows) == left.rows
    return Matched(
        expected=left if complete else _taken(left, rows),
        actual=_taken(right, rows_actual),
        numbering=None if complete else rows,
        reordered=f"the rows stand in another order; they were matched by {', '.join(map(repr, keys))}"
        if moved
        else "",
        faults=tuple(faults),
    )


def _codes(expected: Table, actual: Table, keys: Sequence[str]) -> tuple[Rows, Rows]:
    """Return a number for each row, the same for the same key; below 0 where a part of the key is absent."""
    total = expected.rows + actual.rows
    codes = np.zeros(total, dtype=np.intp)
    absent = np.zeros(total, dtype=np.bool_)
    for key in keys:
        values = np.concatenate([expected.columns[key], actual.columns[key]])
        nowhere = np.concatenate(
            [side.absent.get(key, np.zeros(side.rows, dtype=np.bool_)) for side in (expected, actual)]
        )
        if values.dtype.kind == "O":
            nowhere |= np.fromiter((value is None for value in values), dtype=np.bool_, count=total)
        else:
            nowhere |= values != values  # noqa: PLR0124 - NaN is what is not itself
        absent |= nowhere
        kinds, part = _numbered(values, ~nowhere)
        _, codes = np.unique(codes * (kinds + 1) + part, return_inverse=True)
        codes = codes.reshape(-1)
    codes = np.where(absent, -1, codes)
    return codes[: expected.rows], codes[expected.rows :]


def _numbered(values: Array, present: npt.NDArray[np.bool_]) -> tuple[int, Rows]:
    numbers = np.zeros(len(values), dtype=np.intp)
    kinds, inverse = np.unique(values[present], return_inverse=True)
    numbers[present] = inverse.reshape(-1)
    return len(kinds), numbers


def _check_golden(table: Table, codes: Rows, keys: Sequence[str]) -> None:
    if (absent := np.flatnonzero(codes < 0)).size:
        raise ConfigurationError(
            f"rows-by names {_names(keys)}, and rows of the golden have no value there: {_listed(absent.tolist())}",
            hint="name columns that have a value in every row",
        )
    _, first, counts = np.unique(codes, return_index=True, return_counts=True)
    if (several := np.sort(first[counts > 1])).size:
        raise ConfigurationError(
            f"rows-by names {_names(keys)}, and several rows of the golden have the same key:"
            f" {_keys_of(table, several, keys)}",
            hint="name as many columns as it takes to tell each row from the others",
        )


def _taken(table: Table, rows: Rows) -> Table:
    return Table(
        {name: array[rows] for name, array in table.columns.items()},
        {name: mask[rows] for name, mask in table.absent.items()},
    )


def _keys_of(table: Table, rows: Rows, keys: Sequence[str]) -> str:
    columns = [plain_list(table.columns[key][rows[:_LISTED]]) for key in keys]
    shown: list[object] = [values[0] if len(values) == 1 else values for values in zip(*columns, strict=True)]
    return _listed(shown, len(rows))


def _listed(values: Sequence[Value | object], total: int | None = None) -> str:
    total = len(values) if total is None else total
    more = f" and {total - _LISTED} more" if total > _LISTED else ""
    return ", ".join(map(repr, values[:_LISTED])) + more


def _names(keys: Sequence[str]) -> str:
    return ", ".join(map(repr, keys))
