"""The types a column can have, and which NumPy types stand for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt

from goldlock_env.errors import CouldNotRunError

Array: TypeAlias = npt.NDArray[np.generic]
Mask: TypeAlias = npt.NDArray[np.bool_]

BFLOAT16: np.dtype[np.generic] = np.dtype(ml_dtypes.bfloat16)

_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_OWN = {
    "str": np.dtype(object),
    "bfloat16": BFLOAT16,
    "date": np.dtype("datetime64[D]"),
    "datetime": np.dtype("datetime64[us]"),
}
DTYPES = frozenset(("bool", *_WHOLE, "float16", "float32", "float64", *_OWN))
"""The types a column can have.

``str`` is held as an object array of `str`, and None where a value is absent. ``date`` is datetime64[D], ``datetime``
datetime64[us]: an instant without a time zone. ``bfloat16`` is the type of that name of the package ml_dtypes.
"""

MOST_DIMENSIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """A column's type: dtype, and the shape of one row's value."""

    dtype: str
    """One of `DTYPES`."""
    shape: tuple[int, ...] = ()
    """Empty for a column with one value a row."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            message = f"{self.dtype!r} is not a type a column can have"
            raise CouldNotRunError(message, hint=f"the types are: {', '.join(sorted(DTYPES))}")
        if len(self.shape) >= MOST_DIMENSIONS or any(length < 0 for length in self.shape):
            raise CouldNotRunError(
                f"{list(self.shape)!r} is not the shape of a value",
                hint=f"a shape has at most {MOST_DIMENSIONS - 1} lengths, none of them negative",
            )

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]" if self.shape else self.dtype


def dtype_of(name: str) -> np.dtype[np.generic]:
    """Return the NumPy type that holds a column of the type called `name` (one of `DTYPES`)."""
    return _OWN[name] if name in _OWN else np.dtype(name)


def type_of(array: Array) -> ColumnType:
    """Return the type of a column of a `Table`."""
    kind = array.dtype.kind
    if kind == "O":
        name = "str"
    elif kind == "M":
        name = "date" if array.dtype == _OWN["date"] else "datetime"
    else:
        name = array.dtype.name
    return ColumnType(dtype=name, shape=array.shape[1:])


def is_float(dtype: np.dtype[np.generic]) -> bool:
    """Whether it is float16, bfloat16, float32 or float64."""
    return dtype.kind == "f" or dtype == BFLOAT16


def is_whole(dtype: np.dtype[np.generic]) -> bool:
    """Whether it is a whole number of any size, with a sign or without."""
    return dtype.kind in "iu"


def is_date(dtype: np.dtype[np.generic]) -> bool:
    """Whether it is a date or a datetime."""
    return dtype.kind == "M"
