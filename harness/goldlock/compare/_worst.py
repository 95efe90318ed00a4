"""The worst rows of a column, kept while it is walked through, in arrays."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from goldlock.compare._measure import Floats
from goldlock.tables import Array

Places = npt.NDArray[np.intp]


class Level(IntEnum):
    """What is worse than any distance of the level before."""

    WITHIN = 0
    OUTSIDE = 1
    TOP_MOVED = 2


class Side(IntEnum):
    """On which side there is no value."""

    NEITHER = 0
    EXPECTED = 1
    ACTUAL = 2


@dataclass(frozen=True, slots=True)
class Entries:
    """Values, at most one a row once they are compacted; arrays of one length."""

    level: npt.NDArray[np.int8]
    rank: Floats
    """Larger is worse."""
    place: Places
    """Flat place in the column."""
    expected: Array
    actual: Array
    margin: Floats
    """NaN where none is known."""
    absent: npt.NDArray[np.int8]
    """A `Side`."""

    def taken(self, places: npt.NDArray[np.intp]) -> Entries:
        return Entries(*(getattr(self, name)[places] for name in _NAMES))

    @classmethod
    def joined(cls, parts: list[Entries]) -> Entries:
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES))


_NAMES = ("level", "rank", "place", "expected", "actual", "margin", "absent")


class WorstRows:
    """At most `limit` rows, each with its worst value: by level, then by rank, then the earliest."""

    def __init__(self, limit: int, width: int) -> None:
        self._limit = limit
        self._width = width
        """Values of one row."""
        self._parts: list[Entries] = []
        self._pending = 0
        self._floor: tuple[int, float, int] | None = None
        """Level, rank and row of the last one kept, once there are enough."""

    def may_enter(self, level: Level, rank: float, row: int) -> bool:
        """Return whether values from `row` on, ranking `rank` at most, could be among the worst."""
        if self._limit == 0:
            return False
        return self._floor is None or (int(level), rank, -row) > (
            self._floor[0],
            self._floor[1],
            -self._floor[2],
        )

    def add(
        self,
        level: Level,
        places: Places,
        ranks: Floats,
        expected: Array,
        actual: Array,
        *,
        margin: Floats | None = None,
        absent: Side = Side.NEITHER,
    ) -> None:
        """Consider the values at the flat places `places` (rising); a rank that is NaN is the least."""
        if self._limit == 0 or not len(places):
            return
        ranks = np.where(np.isnan(ranks), -1.0, ranks)
        chosen = self._candidates(level, places, ranks)
        if not len(chosen):
            return
        count = len(chosen)
        self._append(
            Entries(
                np.full(count, level, dtype=np.int8),
                ranks[chosen],
                places[chosen],
                expected[chosen],
                actual[chosen],
                np.full(count, np.nan) if margin is None else margin[chosen],
                np.full(count, absent, dtype=np.int8),
            )
        )

    def merge(self, other: WorstRows) -> None:
        for part in other._parts:
            self._append(part)

    def entries(self, least: Level) -> Entries | None:
        """Return the rows of level `least` or worse, the worst first; None for none."""
        self._compact()
        if not self._parts:
            return None
        kept = self._parts[0]
        return kept.taken(np.flatnonzero(kept.level >= least))

    def _candidates(self, level: Level, places: Places, ranks: Floats) -> npt.NDArray[np.intp]:
        """Return which values are the worst of their row and could be among the worst rows."""
        chosen = np.arange(len(places))
        if self._floor is not None:
            floor_level, floor_rank, floor_row = self._floor
            if level < floor_level:
                return chosen[:0]
            if level == floor_level:
                rows = places // self._width
                chosen = np.flatnonzero((ranks > floor_rank) | ((ranks == floor_rank) & (rows < floor_row)))
        if len(chosen) > 1 and self._width > 1:
            chosen = self._first_of_rows(chosen, places, ranks)
        if len(chosen) > self._limit:
            left = ranks[chosen]
            last = np.partition(left, len(left) - self._limit)[len(left) - self._limit]
            above = chosen[left > last]
            level_with = chosen[left == last][: self._limit - len(above)]
            chosen = np.sort(np.concatenate([above, level_with]))
        return chosen

    def _first_of_rows(self, chosen: npt.NDArray[np.intp], places: Places, ranks: Floats) -> Places:
        rows, left = places[chosen] // self._width, ranks[chosen]
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        best = np.maximum.reduceat(left, starts)
        group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(rows))))
        tops = np.flatnonzero(left == best[group])
        return chosen[tops[np.flatnonzero(np.diff(group[tops], prepend=-1))]]

    def _append(self, part: Entries) -> None:
        self._parts.append(part)
        self._pending += len(part.rank)
        if self._pending >= self._limit:
            self._compact()

    def _compact(self) -> None:
        if not self._parts:
            return
        entries = Entries.joined(self._parts)
        rows = entries.place // self._width
        if self._width > 1:
            order = np.lexsort((entries.place, -entries.rank, -entries.level, rows))
            order = order[np.flatnonzero(np.diff(rows[order], prepend=-1))]
            entries, rows = entries.taken(order), rows[order]
        order = np.lexsort((rows, -entries.rank, -entries.level))[: self._limit]
        entries, rows = entries.taken(order), rows[order]
        self._parts, self._pending = [entries], 0
        if len(order) == self._limit:
            self._floor = (int(entries.level[-1]), float(entries.rank[-1]), int(rows[-1]))
        else:
            self._pending = len(order)
