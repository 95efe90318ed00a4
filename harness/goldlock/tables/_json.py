"""Tables as JSON (RFC 8259, with NaN and the infinities of ECMAScript) and JSON Lines (jsonlines.org)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from goldlock.tables._digits import plain_floats
from goldlock.tables._infer import from_columns
from goldlock.tables._source import DEFAULT_LIMITS, Limits, Source
from goldlock.tables._table import Array, ColumnType, Table

_FORMS = 'write a list of records, {"columns": {"name": [...]}}, or {"name": [...]}'
_HINT = "see whether the subject was cut off or wrote something else (a log?) to the same place"


class _DuplicateKeyError(ValueError):
    """A key stands twice in one object, and JSON readers differ in which one they keep."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKeyError(next(key for key in keys if keys.count(key) > 1))
    return found


def _parse(source: Source, text: str, line: int | None = None) -> object:
    """Return the value of `text`; `line` is where it stands when it is one of many."""
    try:
        parsed: object = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        cut_off = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        place = f"line {error.lineno if line is None else line} column {error.colno}"
        kind = "truncated JSON" if cut_off else f"is not JSON: {error.msg}"
        raise source.fault(f"{kind} at {place}", _HINT) from error
    except _DuplicateKeyError as error:
        place = "" if line is None else f", line {line}"
        raise source.fault(
            f"key {str(error)!r} stands twice in one object{place}", "give every column a name of its own"
        ) from error
    except RecursionError as error:
        raise source.fault("is nested too deeply", _FORMS) from error
    except ValueError as error:
        # Python's limit on the digits of a whole number.
        raise source.fault(
            f"holds a number that is too long: {error}", "write numbers of at most 64 bits"
        ) from error
    return parsed


def parse_json(data: bytes, *, where: str, limits: Limits = DEFAULT_LIMITS) -> object:
    """Return the value of untrusted JSON that is not a table, such as an HTTP answer. Raises CouldNotRunError."""
    source = Source(data=data, where=where, limits=limits)
    text = source.text("JSON")
    _check_cells(source)
    return _parse(source, text)


def _check_cells(source: Source) -> None:
    # Every value but the first follows a comma or opens a list: an upper bound before anything is built.
    cells = sum(source.data.count(sign) for sign in (b",", b"[", b"{"))
    if cells > source.limits.cells:
        raise source.too_large("values", cells, source.limits.cells)


def decode_json(source: Source, types: Mapping[str, ColumnType] | None) -> Table:
    """Return the table of one JSON value in any of its three forms."""
    text = source.text("JSON")
    _check_cells(source)
    value = _parse(source, text)
    if isinstance(value, list):
        return _from_records(source, value, types, "record {}")
    if isinstance(value, dict):
        inner = value.get("columns")
        columns = inner if isinstance(inner, dict) and len(value) == 1 else value
        source.check_columns(len(columns))
        return from_columns(columns, where=source.where, types=types)
    raise source.fault(f"is a single JSON value, not a table: {text.strip()[:60]!r}", _FORMS)


def decode_jsonl(source: Source, types: Mapping[str, ColumnType] | None) -> Table:
    """Return the table of one JSON object a line."""
    if not source.data and types is not None:
        # What `encode_jsonl` writes for no rows; without types it would hide a subject that wrote nothing.
        return _from_records(source, [], types, "line {}")
    text = source.text("JSON Lines")
    _check_cells(source)
    # Not splitlines: U+2028 and its like may stand inside a JSON string.
    lines = text.rstrip().split("\n")
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            raise source.fault(f"line {number} is blank", "write one JSON object in every line")
        records.append(_parse(source, line, number))
    return _from_records(source, records, types, "line {}", first=1)


def _from_records(
    source: Source,
    records: Sequence[object],
    types: Mapping[str, ColumnType] | None,
    place: str,
    first: int = 0,
) -> Table:
    if not records:
        return from_columns({name: [] for name in types or ()}, where=source.where, types=types)
    columns: dict[str, list[object]] = {}
    for number, record in enumerate(records, start=first):
        if not isinstance(record, dict):
            raise source.fault(f"{place.format(number)} is not an object: {str(record)[:60]!r}", _FORMS)
        if not columns:
            source.check_columns(len(record))
            columns = {name: [] for name in record}
        if record.keys() != columns.keys():
            missing = sorted(columns.keys() - record.keys())
            extra = sorted(record.keys() - columns.keys())
            raise source.fault(
                f"{place.format(number)} has other keys than {place.format(first)}: missing {missing!r}, extra {extra!r}",
                "write the same keys in every record; null stands for no value",
            )
        for name, value in record.items():
            columns[name].append(value)
    if not columns:
        raise source.fault(f"{place.format(first)} has no keys", _FORMS)
    return from_columns(columns, where=source.where, types=types)


def encode_json(table: Table) -> bytes:
    """Return `table` as a list of records, one a line: the form that programs read most often."""
    lines = ",\n".join(f"  {_dumps(record)}" for record in _records(table))
    return f"[\n{lines}\n]\n".encode() if lines else b"[]\n"


def encode_jsonl(table: Table) -> bytes:
    """Return `table` as one record a line; nothing for no rows."""
    return "".join(f"{_dumps(record)}\n" for record in _records(table)).encode()


def _records(table: Table) -> Iterator[dict[str, object]]:
    columns = [_values(array) for array in table.columns.values()]
    return (dict(zip(table.names, row, strict=True)) for row in zip(*columns, strict=True))


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _values(array: Array) -> list[object]:
    """Return one plain value, or nested lists, for each row."""
    if array.dtype.kind != "f":
        return [*array.tolist()]
    values: list[object] = [*plain_floats(array)]
    for length in reversed(array.shape[1:]):
        count = len(values) // length if length else 0
        values = [values[i * length : (i + 1) * length] for i in range(count)]
    return values if array.size else [*array.tolist()]
