"""Floats as the shortest digits that read back as the same float of the same width."""

from __future__ import annotations

import numpy as np

from goldlock.tables._types import Array


def plain_floats(array: Array) -> list[float]:
    """Return Python floats whose repr is the shortest text that reads back as the values of `array`.

    The narrow floats have shorter digits than the float64 they widen to ("0.1"). Readers go through
    float64, and rounding twice can miss by one step: where it would, the float64 digits are kept.
    """
    flat = array.reshape(-1)
    wide = flat.astype(np.float64)
    if array.dtype == np.float64:
        exact: list[float] = wide.tolist()
        return exact
    short = np.array([float(str(value)) for value in flat], dtype=np.float64)
    with np.errstate(over="ignore"):
        back = short.astype(array.dtype)
    chosen: list[float] = np.where(back == flat, short, wide).tolist()
    return chosen
