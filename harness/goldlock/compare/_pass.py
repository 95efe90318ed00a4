"""Walking through two tables at once: aligned parts, given to threads, whose findings are added up."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from goldlock.compare._look import Part, look_at
from goldlock.compare._plan import Plan
from goldlock.compare._seen import Seen
from goldlock.tables import BATCH_ROWS, Array, Batches, Mask, Table, fitting_rows

# Values of one column that a thread takes at a time.
_TASK = 1 << 20
# Below, starting threads takes longer than the work.
_ALONE = 1 << 18
BATCH_BYTES = 16 << 20
"""Bytes of a batch of all columns unless told; four of them are in memory, two a side."""


@dataclass(frozen=True, slots=True)
class _Batch:
    columns: Mapping[str, Array]
    absent: Mapping[str, Mask]
    rows: int


def walk(
    expected: Batches,
    actual: Batches,
    plans: Sequence[Plan],
    *,
    worst: int,
    threads: int | None = None,
    batch: int = BATCH_BYTES,
) -> list[Seen]:
    """Return what is seen of each of `plans`, in their order, in one pass over both tables.

    NumPy works outside the interpreter's lock, so threads (by default one for each core that this process may
    use) share the work. Raises CouldNotRunError where the data turn out broken.
    """
    if not plans:
        return []
    work = _Work(plans, worst)
    values = sum(plan.size for plan in plans)
    count = threads or _cores()
    if count == 1 or values <= _ALONE:
        for number, part in _parts(expected, actual, plans, batch):
            work.look(number, part)
        return work.merged()
    pool = ThreadPoolExecutor(count, thread_name_prefix="goldlock-compare")
    try:
        if isinstance(expected, Table) and isinstance(actual, Table):
            _wait([pool.submit(work.look, *task) for task in _parts(expected, actual, plans, batch)])
        else:
            _streamed(pool, work, expected, actual, plans, batch)
    finally:
        pool.shutdown(cancel_futures=True)
    return work.merged()


class _Work:
    """What was seen so far: for each column as many parts as threads looked at it at once."""

    def __init__(self, plans: Sequence[Plan], worst: int) -> None:
        self._plans = plans
        self._worst = worst
        self._free: list[list[Seen]] = [[] for _ in plans]

    def look(self, number: int, part: Part) -> None:
        """Look at a part of a column; called by several threads."""
        free = self._free[number]
        try:
            seen = free.pop()
        except IndexError:
            seen = Seen(self._plans[number], self._worst)
        with np.errstate(all="ignore"):
            look_at(seen, part)
        free.append(seen)

    def merged(self) -> list[Seen]:
        found = []
        for plan, parts in zip(self._plans, self._free, strict=True):
            seen = parts[0] if parts else Seen(plan, self._worst)
            for other in parts[1:]:
                seen.merge(other)
            found.append(seen)
        return found


def _parts(
    expected: Batches, actual: Batches, plans: Sequence[Plan], batch: int
) -> Iterator[tuple[int, Part]]:
    """Yield the parts of all columns, each with its plan's number."""
    if isinstance(expected, Table) and isinstance(actual, Table):
        left, right = (_Batch(side.columns, side.absent, side.rows) for side in (expected, actual))
        yield from _of_batch(0, left, right, plans)
        return
    row = 0
    for left, right in zip(*_readers(expected, actual, plans, batch), strict=False):
        yield from _of_batch(row, left, right, plans)
        row += min(left.rows, right.rows)


def _of_batch(
    row: int, expected: _Batch, actual: _Batch, plans: Sequence[Plan]
) -> Iterator[tuple[int, Part]]:
    rows = min(expected.rows, actual.rows)
    for number, plan in enumerate(plans):
        step = max(1, _TASK // plan.width)
        absent, absent_actual = expected.absent.get(plan.name), actual.absent.get(plan.output)
        for start in range(0, rows, step):
            piece = slice(start, min(start + step, rows))
            yield (
                number,
                Part(
                    row + start,
                    expected.columns[plan.name][piece],
                    actual.columns[plan.output][piece],
                    None if absent is None else absent[piece],
                    None if absent_actual is None else absent_actual[piece],
                    [_scores(expected, name, piece) for name in plan.scores],
                ),
            )


def _scores(batch: _Batch, name: str, piece: slice) -> Array:
    """Return a column's values, NaN where there is none: then no margin is known."""
    values, absent = batch.columns[name][piece], batch.absent.get(name)
    return values if absent is None else np.where(absent[piece], np.nan, values.astype(np.float64))


def _streamed(
    pool: ThreadPoolExecutor,
    work: _Work,
    expected: Batches,
    actual: Batches,
    plans: Sequence[Plan],
    batch: int,
) -> None:
    """Look at one batch of both sides while the next ones are read."""
    left, right = _readers(expected, actual, plans, batch)
    row = 0
    reading = [pool.submit(next, side, None) for side in (left, right)]
    while True:
        before, after = (future.result() for future in reading)
        if before is None or after is None:
            return
        reading = [pool.submit(next, side, None) for side in (left, right)]
        _wait([pool.submit(work.look, *task) for task in _of_batch(row, before, after, plans)])
        row += min(before.rows, after.rows)


def _readers(
    expected: Batches, actual: Batches, plans: Sequence[Plan], batch: int
) -> tuple[Iterator[_Batch], Iterator[_Batch]]:
    names = tuple(dict.fromkeys(name for plan in plans for name in (plan.name, *plan.scores)))
    outputs = tuple(dict.fromkeys(plan.output for plan in plans))
    rows = min(
        fitting_rows({name: types[name] for name in chosen}, size=batch, most=4 * BATCH_ROWS)
        for types, chosen in ((expected.types, names), (actual.types, outputs))
    )
    return _read(expected, names, rows), _read(actual, outputs, rows)


def _read(side: Batches, names: Sequence[str], rows: int) -> Iterator[_Batch]:
    if isinstance(side, Table):
        for start in range(0, side.rows, rows):
            piece = slice(start, start + rows)
            columns = {name: side.columns[name][piece] for name in names}
            absent = {name: side.absent[name][piece] for name in names if name in side.absent}
            yield _Batch(columns, absent, min(rows, side.rows - start))
        return
    for batch in side.batches(names, rows=rows):
        yield _Batch(batch.columns, batch.absent, batch.rows)


def _wait(tasks: Sequence[Future[None]]) -> None:
    for task in tasks:
        task.result()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
