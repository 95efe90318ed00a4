"""Arrays as a table holds them: contiguous, native in byte order, read-only, of one of the stated types."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from goldlock.tables._types import DTYPES, MOST_DIMENSIONS, Array, Mask, dtype_of
from goldlock_env.errors import CouldNotRunError

_NAT = np.datetime64("NaT")
_DAYS = {"Y", "M", "W", "D"}
_SHORTER = {"h", "m", "s", "ms", "us"}


def check_name(name: str) -> None:
    """Raise CouldNotRunError for a column name that could not be written down again."""
    if "\0" in name or not _encodable(name):
        raise CouldNotRunError(
            f"{name!r} cannot be a column's name",
            hint="use valid Unicode without NUL characters",
        )


def normal(name: str, array: Array, absent: Mask | None) -> tuple[Array, Mask | None]:
    """Return a column as a `Table` holds it, and where its values are absent (None where they nowhere are).

    Raises CouldNotRunError for what no column can be.
    """
    if array.ndim == 0:
        raise CouldNotRunError(
            f"column {name!r} is a single value, without rows",
            hint="give one value for each row, also when there is one row only",
        )
    if array.ndim > MOST_DIMENSIONS:
        raise CouldNotRunError(
            f"column {name!r} has {array.ndim} dimensions", hint=f"at most {MOST_DIMENSIONS} are supported"
        )
    if array.dtype.kind == "U":
        array = _text(name, array)
    elif array.dtype.kind == "O":
        _check_text(name, array)
    elif array.dtype.kind == "M":
        array = dates(name, array)
    elif array.dtype.name not in DTYPES:
        raise CouldNotRunError(
            f"column {name!r} is of type {array.dtype}, which goldlock does not compare",
            hint=f"convert it to one of: {', '.join(sorted(DTYPES))}",
        )
    # newbyteorder would make a bfloat16 something else.
    native = array.dtype if array.dtype.isnative else array.dtype.newbyteorder("=")
    made = np.ascontiguousarray(array, dtype=native)
    if made is array and array.flags.writeable:
        made = array.view()
    made, mask = without_absent(name, made, absent)
    made.flags.writeable = False
    return made, mask


def without_absent(name: str, array: Array, absent: Mask | None) -> tuple[Array, Mask | None]:
    """Give absent values one value, so that they never differ by what happened to stand there."""
    mask = absent
    if absent is not None:
        if array.dtype.kind == "O" or absent.dtype != np.bool_ or absent.shape != array.shape:
            raise CouldNotRunError(
                f"column {name!r} has absent values given as {absent.dtype}{list(absent.shape)!r}, "
                f"for {array.dtype}{list(array.shape)!r}",
                hint="give true/false in the shape of the column; text holds None instead",
            )
        mask = np.ascontiguousarray(absent)
    if array.dtype.kind == "M":
        missing = np.isnat(array)
        mask = missing if mask is None else mask | missing
    if mask is None or not mask.any():
        return array, None
    if mask is absent:
        mask = absent.view() if absent.flags.writeable else absent
    filled = array.copy()
    filled[mask] = _NAT if array.dtype.kind == "M" else np.zeros((), dtype=array.dtype)
    mask.flags.writeable = False
    return filled, mask


def dates(name: str, array: Array) -> Array:
    """Return a datetime64 array as ``date`` or ``datetime``.

    Days and longer are dates, hours to microseconds are datetimes; nanoseconds and shorter are datetimes where every
    one is a whole number of microseconds. Raises CouldNotRunError where a value cannot be kept exactly.
    """
    unit = unit_of(array.dtype)
    wanted = dtype_of("date" if unit in _DAYS else "datetime")
    if unit == "generic":
        raise CouldNotRunError(
            f"column {name!r} holds dates without a unit", hint='convert it with .astype("datetime64[us]")'
        )
    if array.dtype.newbyteorder("=") == wanted:
        return array
    numbers = array.astype(array.dtype.newbyteorder("=")).view(np.int64)
    held = numbers != np.iinfo(np.int64).min
    # By way of numbers: NumPy's own conversion wraps around without a word.
    made = array.astype(wanted)
    back = made.astype(array.dtype.newbyteorder("="))
    if bool((held & (back.view(np.int64) != numbers)).any()) or bool((held & np.isnat(made)).any()):
        fine = unit not in _DAYS | _SHORTER
        raise CouldNotRunError(
            f"column {name!r} is of type {array.dtype} and holds a time that "
            + ("is no whole number of microseconds" if fine else "microseconds cannot hold"),
            hint=(
                "round it to microseconds, or write the count of nanoseconds as int64"
                if fine
                else "write such times as text or as whole numbers"
            ),
        )
    return made


def unit_of(dtype: np.dtype[Any]) -> str:
    """Return the unit of a datetime64: ``D``, ``us``, ..., or ``generic``."""
    return np.datetime_data(dtype)[0]


def _text(name: str, array: Array) -> Array:
    native = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    points = (
        np.frombuffer(native.tobytes(), dtype=np.uint32) if native.nbytes else np.zeros(1, dtype=np.uint32)
    )
    # Python's own error for these is a SystemError.
    if points.max() > sys.maxunicode:
        raise CouldNotRunError(f"column {name!r} holds text that is not Unicode", hint="write valid Unicode")
    text: Array = native.astype(object)
    if bool(((points >= 0xD800) & (points < 0xE000)).any()):
        _check_text(name, text)
    return text


def _check_text(name: str, array: Array) -> None:
    for place, value in enumerate(array.flat):
        if value is not None and not isinstance(value, str):
            raise CouldNotRunError(
                f"column {name!r} holds a {type(value).__name__} at value {place}, among text",
                hint="an object column holds text, or None where there is none",
            )
        if value is not None and not _encodable(value):
            raise CouldNotRunError(
                f"column {name!r} holds text that is not valid Unicode at value {place}: {value!r}",
                hint="write valid Unicode, without lone surrogates",
            )


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
