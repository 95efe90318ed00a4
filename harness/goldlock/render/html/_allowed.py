"""The numbers of a stated tolerance, for the lines of a plot."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goldlock.results import Point

_PRECISION = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""Bits of a significand, with the hidden one (IEEE 754, table 3.5; bfloat16 has 8)."""
_NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The numbers of a stated tolerance, as far as its words hold them."""

    rtol: float = 0.0
    atol: float = 0.0
    ulp: int = 0

    @classmethod
    def read(cls, stated: str) -> Allowed:
        """From ``probability, rtol 0.0001, atol 1e-06, ulp 4``."""
        found = {
            name: float(match[1])
            for name in ("rtol", "atol", "ulp")
            if (match := re.search(rf"\b{name} {_NUMBER}(?![\w.])", stated))
        }
        return cls(rtol=found.get("rtol", 0.0), atol=found.get("atol", 0.0), ulp=int(found.get("ulp", 0)))

    def around(self, expected: float) -> float:
        """How far from the expected value rtol and atol reach."""
        return self.atol + self.rtol * abs(expected)

    def holds(self, point: Point, dtype: str) -> bool:
        """Whether the pair is within this tolerance, as near as a plot needs it."""
        apart = abs(point.actual - point.expected)
        if apart <= self.around(point.expected):
            return True
        precision = _PRECISION.get(dtype)
        if not self.ulp or precision is None:
            return False
        return apart <= self.ulp * math.ldexp(1.0, max(math.frexp(point.expected)[1] - precision, -1074))
