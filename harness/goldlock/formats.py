"""The formats of tables by name; apart from goldlock.tables, so that reading a configuration needs no NumPy."""

from __future__ import annotations

from enum import Enum


class Format(str, Enum):
    """How a table is written; the value is the suffix of its files."""

    CSV = "csv"
    """RFC 4180 with a header line, UTF-8."""
    JSON = "json"
    """A list of records, ``{"columns": {name: [...]}}``, or a mapping of names to lists."""
    JSONL = "jsonl"
    """One JSON record a line, https://jsonlines.org."""
    NPZ = "npz"
    """A zip file of .npy arrays, one a column, as numpy.savez writes it."""
    NPY = "npy"
    """One array as numpy.save writes it: the column ``value``, or a column for each field of a structured array."""
    PARQUET = "parquet"
    """Apache Parquet; needs pyarrow (``pip install 'goldlock[parquet]'``)."""
    ARROW = "arrow"
    """Arrow IPC, as a file (Feather) or a stream; needs pyarrow."""
