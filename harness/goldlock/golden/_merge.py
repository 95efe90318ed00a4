"""One table of two: some columns or rows of a new one, all the rest of the old one, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from goldlock.tables import BATCH_ROWS, Batches, ColumnType, Table
from goldlock_env.errors import ConfigurationError, CouldNotRunError


def merged(old: Batches, new: Batches, *, columns: Sequence[str] = (), rows: Sequence[range] = ()) -> Batches:
    """Return `old` with the named columns (none: all) of `new`, in the given rows (none: all) only.

    A named column that only one of them has is added, behind the column that it follows in `new`, or removed.
    Nothing is read before the result is. Raises ConfigurationError for a column that neither has, and for rows
    outside the table; CouldNotRunError where the two tables do not fit: another number of rows, or, where rows
    are named, another type.
    """
    chosen = tuple(columns) or tuple(dict.fromkeys((*old.names, *new.names)))
    for name in chosen:
        if name not in old.names and name not in new.names:
            raise ConfigurationError(
                f"there is no column {name!r}, neither in the golden nor in what was received",
                hint=f"the received columns are: {', '.join(map(repr, new.names)) or 'none'}",
            )
    taken = frozenset(chosen) & frozenset(new.names)
    names = _order(old, new, taken, frozenset(chosen) - taken)
    if rows:
        _check_rows(old, new, chosen, rows)
    elif taken != frozenset(names) and old.rows != new.rows:
        raise _other_rows(old, new)
    return _Merged(old=old, new=new, names=names, taken=taken, ranges=tuple(rows))


def _order(old: Batches, new: Batches, taken: frozenset[str], removed: frozenset[str]) -> tuple[str, ...]:
    names = [name for name in old.names if name not in removed]
    for position, name in enumerate(new.names):
        if name in taken and name not in names:
            before = [names.index(earlier) for earlier in new.names[:position] if earlier in names]
            names.insert(before[-1] + 1 if before else 0, name)
    if taken == frozenset(names):
        # Everything is the new table's, its order too.
        return new.names
    return tuple(names)


def _check_rows(old: Batches, new: Batches, chosen: Sequence[str], rows: Sequence[range]) -> None:
    for each in rows:
        if each and not 0 <= each[0] <= each[-1] < old.rows:
            raise ConfigurationError(
                f"there are no rows {each[0]} to {each[-1]}: the golden has {old.rows} rows",
                hint="rows count from 0, as in the report",
            )
    if old.rows != new.rows:
        raise _other_rows(old, new)
    for name in chosen:
        before, after = old.types.get(name), new.types.get(name)
        if before != after:
            raise CouldNotRunError(
                f"rows cannot be accepted alone: column {name!r} is {before or 'absent'} in the golden, and"
                f" {after or 'absent'} in what was received",
                hint="accept the whole column, or the whole output",
            )


def _other_rows(old: Batches, new: Batches) -> CouldNotRunError:
    return CouldNotRunError(
        f"a part cannot be accepted alone: the golden has {old.rows} rows, what was received {new.rows}",
        hint="accept the whole output",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Merged:
    """See `goldlock.tables.Batches`."""

    old: Batches
    new: Batches
    names: tuple[str, ...]
    taken: frozenset[str]
    """Columns that come from `new`: all of them, or the rows in `ranges`."""
    ranges: tuple[range, ...]

    @property
    def types(self) -> Mapping[str, ColumnType]:
        return {name: (self.new if name in self.taken else self.old).types[name] for name in self.names}

    @property
    def rows(self) -> int:
        return self.new.rows if self.taken == frozenset(self.names) else self.old.rows

    def batches(self, names: Sequence[str] | None = None, *, rows: int = BATCH_ROWS) -> Iterator[Table]:
        chosen = self.names if names is None else tuple(names)
        fresh = [name for name in chosen if name in self.taken]
        kept = [name for name in chosen if name not in self.taken or self.ranges]
        if not kept or not fresh:
            yield from (self.new if fresh else self.old).batches(chosen, rows=rows)
            return
        start = 0
        for before, after in zip(
            self.old.batches(kept, rows=rows), self.new.batches(fresh, rows=rows), strict=True
        ):
            yield self._joined(chosen, before, after, start)
            start += before.rows

    def _joined(self, chosen: Sequence[str], before: Table, after: Table, start: int) -> Table:
        mask = self._mask(start, before.rows) if self.ranges else None
        columns, absent = {}, {}
        for name in chosen:
            if name in self.taken and mask is not None:
                columns[name] = before.columns[name].copy()
                columns[name][mask] = after.columns[name][mask]
                if name in before.absent or name in after.absent:
                    nothing = np.zeros(columns[name].shape, dtype=np.bool_)
                    absent[name] = before.absent.get(name, nothing).copy()
                    absent[name][mask] = after.absent.get(name, nothing)[mask]
            else:
                table = after if name in self.taken else before
                columns[name] = table.columns[name]
                if name in table.absent:
                    absent[name] = table.absent[name]
        return Table(columns, {name: places for name, places in absent.items() if places.any()})

    def _mask(self, start: int, count: int) -> npt.NDArray[np.bool_]:
        mask = np.zeros(count, dtype=np.bool_)
        for each in self.ranges:
            mask[max(0, each.start - start) : max(0, each.stop - start)] = True
        return mask
