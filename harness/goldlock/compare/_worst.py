"""The few worst rows of a column, kept while it is walked through."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from goldlock.compare._measure import Floats
from goldlock.results import WorstRow


class Level(IntEnum):
    """What is worse than any distance of the level before."""

    WITHIN = 0
    OUTSIDE = 1
    TOP_MOVED = 2


class WorstRows:
    """At most `limit` rows, each with its worst value: by level, then by rank, then the earliest."""

    def __init__(self, limit: int, width: int) -> None:
        self._limit = limit
        self._width = width
        """Values of one row."""
        self._kept: dict[int, tuple[Level, float, WorstRow]] = {}

    def add(
        self, level: Level, where: npt.NDArray[np.intp], ranks: Floats, make: Callable[[int], WorstRow]
    ) -> None:
        """Consider the values at the flat places `where` (rising); `make` builds the row of one of them."""
        ranks = np.where(np.isnan(ranks), -1.0, ranks)
        rows = where // self._width
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        best = np.maximum.reduceat(ranks, starts) if len(starts) < len(rows) else ranks
        stops = np.append(starts[1:], len(rows))
        candidates = np.flatnonzero(self._may_enter(level, best))
        leading = candidates[np.argsort(-best[candidates], kind="stable")[: self._limit]]
        for group in leading.tolist():
            start, stop = int(starts[group]), int(stops[group])
            place = start + int(ranks[start:stop].argmax())
            row, rank = int(rows[place]), float(ranks[place])
            if row not in self._kept or self._kept[row][:2] < (level, rank):
                self._kept[row] = (level, rank, make(place))
        self._kept = dict(self._sorted()[: self._limit])

    def rows(self) -> tuple[WorstRow, ...]:
        """Return the rows, the worst first."""
        return tuple(entry[2] for _, entry in self._sorted())

    def _may_enter(self, level: Level, best: Floats) -> npt.NDArray[np.bool_]:
        if len(self._kept) < self._limit:
            return np.ones(len(best), dtype=np.bool_)
        last_level, last_rank, _ = self._sorted()[-1][1]
        if level != last_level:
            return np.full(len(best), level > last_level)
        return best > last_rank

    def _sorted(self) -> list[tuple[int, tuple[Level, float, WorstRow]]]:
        return sorted(self._kept.items(), key=lambda item: (-item[1][0], -item[1][1], item[0]))
