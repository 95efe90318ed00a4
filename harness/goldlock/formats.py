"""The formats of tables by name; apart from goldlock.tables, so that reading a configuration needs no NumPy."""

from __future__ import annotations

from enum import Enum


class Format(str, Enum):
    """How a table is written."""

    CSV = "csv"
    """RFC 4180 with a header line, UTF-8."""
    JSON = "json"
    """A list of records, ``{"columns": {name: [...]}}``, or a mapping of names to lists."""
    JSONL = "jsonl"
    """One JSON record a line, https://jsonlines.org."""
    NPZ = "npz"
    """A zip file of .npy arrays, one a column, as numpy.savez writes it."""
