"""How many pairs of values lie how far apart, in buckets that double."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from goldlock.compare._ulp import UNMEASURABLE
from goldlock.results import Bucket, Histogram

_LAST = 65
_NOWHERE = _LAST + 1
# The largest distance of each bucket but the last one.
_HIGH = np.array([0, *(1 << power for power in range(64))], dtype=np.uint64)


class Distances:
    """Counts of distances 0, 1, 2, 3 to 4, 5 to 8, ... and of pairs without one."""

    def __init__(self) -> None:
        self._counts = np.zeros(_NOWHERE + 1, dtype=np.int64)

    def add_zeros(self, count: int) -> None:
        self._counts[0] += count

    def add_unmeasurable(self, count: int) -> None:
        self._counts[_NOWHERE] += count

    def add(self, distances: npt.NDArray[np.uint64]) -> None:
        """Count distances; `UNMEASURABLE` is none."""
        counts = np.bincount(np.searchsorted(_HIGH, distances), minlength=_NOWHERE + 1)
        nowhere = int(np.count_nonzero(distances == np.uint64(UNMEASURABLE)))
        counts[_LAST] -= nowhere
        counts[_NOWHERE] += nowhere
        self._counts += counts

    def add_near(
        self,
        distances: npt.NDArray[np.signedinteger],
        largest: int,
        differing: int,
        mask: npt.NDArray[np.bool_],
    ) -> None:
        """Count the `differing` distances above 0 of an array, whose largest is given; `mask` is overwritten.

        One comparison for each bucket up to the largest: quicker than sorting for distances that are near.
        """
        bucket, high, above = 1, 1, differing
        while high < largest:
            np.greater(distances, high, out=mask)
            further = int(np.count_nonzero(mask))
            self._counts[bucket] += above - further
            bucket, high, above = bucket + 1, high * 2, further
        self._counts[bucket] += above

    def merge(self, other: Distances) -> None:
        self._counts += other._counts

    def histogram(self, unit: str) -> Histogram:
        """Return the buckets that hold anything."""
        buckets = []
        for bucket in np.flatnonzero(self._counts).tolist():
            count = int(self._counts[bucket])
            if bucket == _NOWHERE:
                buckets.append(Bucket(low=0, high=None, count=count))
            elif bucket <= 1:
                buckets.append(Bucket(low=bucket, high=bucket, count=count))
            else:
                buckets.append(Bucket(low=(1 << (bucket - 2)) + 1, high=1 << (bucket - 1), count=count))
        return Histogram(unit=unit, buckets=tuple(buckets))
