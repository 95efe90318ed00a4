"""Which value became which, counted for as many kinds as memory allows."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable

from goldlock.results import Flip, Value

KINDS = 10_000
"""Kinds of flip that are told apart; a column of free text has as many as rows."""

Pair = tuple[Value, Value]


class Flips:
    """Counts of pairs (expected, actual).

    Of more than `KINDS` kinds those with the smallest digests are counted, exactly: the same ones whatever the
    order in which they are seen, so that counts of parts can be added.
    """

    def __init__(self) -> None:
        self._counts: Counter[Pair] = Counter()
        self._digests: dict[Pair, bytes] = {}
        self._limit: bytes | None = None
        """Digests above it are not counted any more; None while all are."""

    @property
    def complete(self) -> bool:
        """Whether every kind is counted."""
        self._trim()
        return self._limit is None

    def add(self, pairs: Iterable[Pair]) -> None:
        # Each NaN is itself only: one stands for all, so that they are counted together.
        self._counts.update((_one_nan(before), _one_nan(after)) for before, after in pairs)
        if len(self._counts) > 2 * KINDS:
            self._trim()

    def merge(self, other: Flips) -> None:
        self._counts.update(other._counts)
        if other._limit is not None and (self._limit is None or other._limit < self._limit):
            self._limit = other._limit
        self._trim()

    def counts(self) -> dict[Pair, int]:
        """Return the pairs with their counts, the most frequent first."""
        self._trim()
        return dict(sorted(self._counts.items(), key=lambda item: (-item[1], repr(item[0]))))

    def most_frequent(self, limit: int) -> tuple[Flip, ...]:
        """Return at most `limit` flips, the most frequent first."""
        return tuple(
            Flip(expected=expected, actual=actual, count=count)
            for (expected, actual), count in list(self.counts().items())[:limit]
        )

    def _trim(self) -> None:
        if self._limit is None and len(self._counts) <= KINDS:
            return
        known = self._digests
        digests = {pair: known.get(pair) or _digest(pair) for pair in self._counts}
        kept = [pair for pair, digest in digests.items() if self._limit is None or digest <= self._limit]
        if len(kept) > KINDS:
            kept = sorted(kept, key=digests.__getitem__)[:KINDS]
            self._limit = digests[kept[-1]]
        self._counts = Counter({pair: self._counts[pair] for pair in kept})
        self._digests = {pair: digests[pair] for pair in kept}


def _one_nan(value: Value) -> Value:
    return math.nan if value != value else value  # noqa: PLR0124 - NaN is what is not itself


def _digest(pair: Pair) -> bytes:
    return hashlib.blake2b(repr(pair).encode("utf-8", "surrogatepass"), digest_size=8).digest()
