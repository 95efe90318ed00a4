"""Text for the page: what a subject said, made harmless and short; numbers as people read them."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from goldlock.printable import printable

if TYPE_CHECKING:
    from goldlock.results import Extreme, Value

LONGEST = 300
"""Characters of one text that are shown."""
LINES = 200
"""Lines of one message that are shown."""

_DIGITS = {"float16": range(3, 6), "bfloat16": range(2, 5), "float32": range(6, 10)}
"""How many significant digits the shortest exact spelling of a float can have; float64 is Python's own."""


def clean(text: str, longest: int = LONGEST) -> str:
    """One line that controls nothing, cut where it is long, saying how much is not shown."""
    if len(text) <= longest:
        return printable(text)
    return f"{printable(text[:longest])}\N{HORIZONTAL ELLIPSIS} ({len(text) - longest:,} more characters)"


def lines(text: str) -> str:
    """A message of several lines, each harmless; the last ones are kept where there are very many."""
    found = text.splitlines()
    kept = [clean(line) for line in found[-LINES:]]
    if len(found) > LINES:
        kept.insert(0, f"\N{HORIZONTAL ELLIPSIS} ({len(found) - LINES:,} earlier lines are not shown)")
    return "\n".join(kept)


def short(text: str, longest: int = LONGEST) -> str:
    """The same as `clean`, and digests by their first twelve digits."""
    head, found, digest = text.partition("sha256:")
    return f"sha256:{printable(digest[:12])}" if found and not head else clean(text, longest)


def dtype_of(column_type: str | None) -> str:
    """``float32`` of ``float32[3]``; empty for None."""
    return (column_type or "").partition("[")[0]


def value(cell: Value, dtype: str = "", *, quoted: bool = False, longest: int = LONGEST) -> str:
    """A cell as text: floats in the fewest digits that their dtype needs, text in quotes where asked for.

    Text that is empty, or begins or ends with a space, is always quoted: it would not be seen.
    """
    if cell is None:
        return "none"
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        shown = clean(cell, longest)
        return f'"{shown}"' if quoted or cell != cell.strip() or not cell else shown
    return _shortest(cell, dtype) if isinstance(cell, float) else str(cell)


def _shortest(number: float, dtype: str) -> str:
    digits = _DIGITS.get(dtype)
    if digits is None or not math.isfinite(number):
        return repr(number)
    for precision in digits:
        text = f"{number:.{precision}g}"
        if _rounded(float(text), dtype) == number:
            return repr(float(text))
    return repr(number)


def _rounded(number: float, dtype: str) -> float:
    """As the dtype would hold it; bfloat16 is the upper half of a float32, rounded to even."""
    try:
        if dtype == "bfloat16":
            bits: int = struct.unpack("<I", struct.pack("<f", number))[0]
            bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
            upper: float = struct.unpack("<f", struct.pack("<I", bits & 0xFFFFFFFF))[0]
            return upper
        code = "<e" if dtype == "float16" else "<f"
        held: float = struct.unpack(code, struct.pack(code, number))[0]
    except OverflowError:
        return math.inf
    else:
        return held


def distance(number: float | None) -> str:
    """A distance: whole ones in full, others by six digits; empty for None."""
    if number is None:
        return ""
    return str(number) if isinstance(number, int) else f"{number:.6g}"


def largest(extreme: Extreme) -> str:
    """The value of an extreme, short enough for a sentence."""
    number = extreme.value
    return f"{number:,}" if isinstance(number, int) else f"{number:.4g}"


def index(place: tuple[int, ...]) -> str:
    """``7,1``: the row, then the place inside it."""
    return ",".join(map(str, place))


def count(number: int) -> str:
    """With thousands set apart."""
    return f"{number:,}"


def many(number: int, one: str, several: str = "") -> str:
    """``1 row``, ``2 rows``."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def share(part: float) -> str:
    """A share of all values in percent; one that is not zero never reads as zero, nor one short of all as all."""
    if part == 0:
        return "0 %"
    if part < 0.0001:
        return "< 0.01 %"
    if 0.9999 < part < 1:
        return "> 99.99 %"
    return "100 %" if part == 1 else f"{part:.2%}".replace("%", " %")
