"""Inputs that are there already: files that look like samples, and the example that an MLflow model keeps of its input.

Nothing is made up: what is proposed is a file, or the very values of an example in another form.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from goldlock.formats import Format
from goldlock.proposing.recognising import listed, table

# The likeliest first.
_LIKELY = (
    "inputs.*",
    "input.*",
    "sample*.*",
    "example*.*",
    "*/inputs.*",
    "*/input.*",
    "*/sample*.*",
    "*/example*.*",
    "*input_example.json",
    "tests/*.csv",
    "tests/*.json*",
    "tests/*.npz",
    "test/*.csv",
    "*.csv",
    "data/*.csv",
)
_FORMATS = {f".{each.value}" for each in Format}
_NOT = ("goldens/", "node_modules/", "package.json", "package-lock.json", "tsconfig.json", "manifest.json")
EXAMPLES = ("serving_input_example.json", "input_example.json")
"""What MLflow calls an example of a model's input, in the model's folder."""


def samples(names: Iterable[str]) -> tuple[str, ...]:
    """Those of a folder's files (POSIX paths relative to it) that are likely inputs, the likeliest first."""
    ranked = []
    for name in names:
        if PurePosixPath(name).suffix.lower() not in _FORMATS or any(each in name for each in _NOT):
            continue
        rank = next((i for i, pattern in enumerate(_LIKELY) if fnmatch.fnmatch(name, pattern)), None)
        if rank is not None:
            ranked.append((rank, name.count("/"), name))
    return tuple(name for _, _, name in sorted(ranked))


def records(text: str) -> list[Mapping[str, object]] | None:
    """The rows of an MLflow input example as records; None where it is none, or has no columns' names.

    Forms: `{"dataframe_split": {"columns", "data"}}`, `{"columns", "data"}`, `{"dataframe_records": [...]}`, and
    `{"inputs": ...}` or `{"instances": ...}` with records or columns.
    """
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    document = table(value)
    for name in ("dataframe_split", "dataframe_records", "inputs", "instances"):
        if name in document:
            value = document[name]
            document = table(value)
            break
    if {"columns", "data"} <= document.keys():
        names = [str(each) for each in listed(document["columns"])]
        rows = [listed(each) for each in listed(document["data"])]
        return [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)] or None
    if document and all(isinstance(each, list) for each in document.values()):
        columns = {name: listed(each) for name, each in document.items()}
        lengths = {len(each) for each in columns.values()}
        rows = list(zip(*columns.values(), strict=True)) if len(lengths) == 1 else []  # type: ignore[arg-type]
        return [dict(zip(columns, row, strict=True)) for row in rows] or None
    found = [table(each) for each in listed(value)]
    return found if found and all(found) else None


def as_json(rows: Iterable[Mapping[str, object]]) -> str:
    """Records as the text of an inputs file, one a line."""
    lines = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
    return f"[\n{lines}\n]\n"
