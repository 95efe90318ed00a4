"""The table of flowers, in and out: CSV with a header, one row a flower, measures in cm."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

FEATURES = ("SepalLength", "SepalWidth", "PetalLength", "PetalWidth")
LABEL = "Species"
# Rows are predicted in blocks of one size, the last one filled up, because kernels are chosen by the
# shape of their input: a flower's prediction must not depend on how many others are asked about.
BLOCK = 64
STANDARD = "-"


class TableError(Exception):
    """The input is not a table of flowers; the message names the line."""


def read_text(name: str) -> str:
    """The text of the file, or of standard input for `-`. Raises TableError when it cannot be read."""
    try:
        data = sys.stdin.buffer.read() if name == STANDARD else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise TableError(f"{name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{name}: not UTF-8 text: byte {error.start}") from error


def write_text(name: str, text: str) -> None:
    """Write to the file, or to standard output for `-`. Raises TableError when it cannot be written."""
    try:
        if name == STANDARD:
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            Path(name).write_bytes(text.encode())
    except OSError as error:
        raise TableError(f"{name}: cannot be written: {error.strerror}") from error


def parse(text: str, *, labelled: bool = False) -> Tuple[np.ndarray, List[str]]:
    """Features, float64 of shape (rows, 4), in the order of FEATURES; and the labels, when `labelled`.

    Columns are found by name. Raises TableError for a column too few or too many, a cell that is no
    finite number, and an empty label.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    wanted = (*FEATURES, LABEL) if labelled else FEATURES
    rows: List[List[float]] = []
    labels: List[str] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        if sorted(header) != sorted(wanted):
            raise TableError(
                f"line 1: the columns are {', '.join(header) or 'none'}; expected {', '.join(wanted)}"
            )
        places = [header.index(name) for name in FEATURES]
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise TableError(f"line {reader.line_num}: {len(cells)} cells; expected {len(header)}")
            rows.append(
                [_number(cells[place], name, reader.line_num) for place, name in zip(places, FEATURES)]
            )
            if labelled:
                label = cells[header.index(LABEL)].strip()
                if not label:
                    raise TableError(f"line {reader.line_num}: {LABEL} is empty")
                labels.append(label)
    except csv.Error as error:
        raise TableError(f"line {reader.line_num}: not CSV: {error}") from error
    return np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES)), labels


def _number(cell: str, name: str, line: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise TableError(f"line {line}: {name} is {cell!r}, not a number") from None
    if not math.isfinite(value):
        raise TableError(f"line {line}: {name} is {cell!r}, not a finite number")
    return value


def in_blocks(predict: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, width: int) -> np.ndarray:
    """`predict` over the rows, shape (rows, features) to (rows, width), always called with BLOCK rows."""
    parts: List[np.ndarray] = []
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        full = np.zeros((BLOCK, rows.shape[1]), dtype=rows.dtype)
        full[: len(part)] = part
        parts.append(np.asarray(predict(full))[: len(part)])
    return np.concatenate(parts) if parts else np.zeros((0, width))


def numbers(values: np.ndarray) -> List[List[float]]:
    """The values as Python floats that print as short as the array's own type allows, and no shorter."""
    return [[float(str(value)) for value in row] for row in values]


def render(
    labels: Sequence[str], probabilities: np.ndarray, classes: Sequence[str], form: Optional[str] = None
) -> str:
    """Predictions as CSV, or as a JSON list of records when `form` is `json`."""
    header = ["label", *(f"probability_{name}" for name in classes)]
    records = [[label, *values] for label, values in zip(labels, numbers(probabilities))]
    if form == "json":
        listed: List[Dict[str, object]] = [dict(zip(header, record)) for record in records]
        return "[" + ",\n ".join(json.dumps(record) for record in listed) + "]\n"
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(records)
    return text.getvalue()
