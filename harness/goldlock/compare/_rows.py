"""Whether rows were dropped, duplicated or reordered: the two tables as multisets of rows.

Rows are told apart by a 64-bit digest of their exact values (splitmix64's mixing function, Steele, Lea and
Flood, "Fast Splittable Pseudorandom Number Generators", 2014). A collision is unlikely, and would only make
a note wrong: what passes and what does not is decided value by value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from goldlock.tables import Array, Batches, fitting_rows, is_float

# Sorting more digests takes longer than all the rest of a comparison.
_MOST_ROWS = 2_000_000
_LISTED = 10
# An odd constant, so that no NaN is like a number that happens to hash to nothing.
_NAN = np.uint64(0x7FF8_0000_0000_0001)
_ABSENT = np.uint64(0x7FF8_0000_0000_0003)

Digests = npt.NDArray[np.uint64]


def explain_rows(expected: Batches, actual: Batches, names: Sequence[str]) -> tuple[str, ...]:
    """Return notes that explain `actual` as `expected` with rows dropped, duplicated, added or reordered.

    Both hold the columns `names` (one at least), of the same types. Nothing is claimed of changed values, nor where
    most rows are alike, as another order and other labels then look the same, nor of tables of millions of rows.
    """
    if max(expected.rows, actual.rows) > _MOST_ROWS:
        return ()
    left, right = _digests(expected, names), _digests(actual, names)
    _, which = np.unique(np.concatenate([left, right]), return_inverse=True)
    which = which.reshape(-1)
    kinds = int(which.max()) + 1 if which.size else 0
    before, after = (np.bincount(part, minlength=kinds) for part in (which[: len(left)], which[len(left) :]))
    dropped, added = np.maximum(before - after, 0), np.maximum(after - before, 0)
    known = added * (before > 0)
    if len(left) == len(right) and int((before > 0).sum()) * 2 < len(left):
        return ()
    if not dropped.any() and not added.any():
        moved = np.flatnonzero(left != right)
        return (
            (f"the rows look reordered: the same ones, {_listed(moved)} at another place",)
            if moved.size
            else ()
        )
    if int(dropped.sum()) * 2 > len(left) or (len(left) == len(right) and known.sum() < added.sum()):
        return ()
    notes = []
    for what, counts, rows in (
        ("dropped: of the golden's", dropped, which[: len(left)]),
        ("duplicated: of the output's", known, which[len(left) :]),
        ("added: of the output's", added - known, which[len(left) :]),
    ):
        if counts.any():
            places = _last_of(rows, counts)
            notes.append(f"rows look {what}, {_listed(places)}")
    return tuple(notes)


def _last_of(rows: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return, for each kind of row, the last `counts` places at which it stands."""
    order = np.argsort(rows, kind="stable")
    ends = np.cumsum(np.bincount(rows, minlength=len(counts)))
    from_end = ends[rows[order]] - 1 - np.arange(len(rows))
    return np.sort(order[from_end < counts[rows[order]]])


def _listed(places: npt.NDArray[np.intp]) -> str:
    shown = ", ".join(map(str, places[:_LISTED].tolist()))
    more = f" and {len(places) - _LISTED} more" if len(places) > _LISTED else ""
    return f"row{'' if len(places) == 1 else 's'} {shown}{more}"


def _digests(table: Batches, names: Sequence[str]) -> Digests:
    digests = np.zeros(table.rows, dtype=np.uint64)
    start = 0
    types = table.types
    for batch in table.batches(names, rows=fitting_rows({name: types[name] for name in names})):
        block = slice(start, start + batch.rows)
        for name in names:
            values = batch.columns[name].reshape(batch.rows, -1)
            bits = _bits(values.reshape(-1)).reshape(values.shape)
            if name in batch.absent:
                bits = np.where(batch.absent[name].reshape(values.shape), _ABSENT, bits)
            # Each place of a row by itself, so that two values which change places are another row.
            salted = _mixed(bits ^ _mixed(np.arange(values.shape[1], dtype=np.uint64)))
            digests[block] = _mixed(digests[block] ^ salted.sum(axis=1, dtype=np.uint64))
        start += batch.rows
    return digests


def _bits(values: Array) -> Digests:
    """Return one number for each value; equal values have equal ones (-0.0 is 0.0, NaN is NaN)."""
    if values.dtype.kind == "O":
        return np.fromiter(map(hash, values), dtype=np.int64, count=len(values)).view(np.uint64)
    if is_float(values.dtype):
        with np.errstate(invalid="ignore"):
            wide = values.astype(np.float64) + 0.0
        return np.where(np.isnan(wide), _NAN, wide.view(np.uint64))
    # Modulo 2**64 for negative numbers, which keeps them apart.
    numbers: Digests = values.astype(np.int64 if values.dtype.kind == "M" else np.uint64).view(np.uint64)
    return numbers


def _mixed(value: Digests) -> Digests:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Digests = value ^ (value >> np.uint64(31))
    return mixed
