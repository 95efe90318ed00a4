"""Tables as JSON (RFC 8259, with NaN and the infinities of ECMAScript) and JSON Lines (jsonlines.org)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from goldlock.tables._batches import Batches, fitting_rows
from goldlock.tables._infer import Guess, as_column, as_recorded, check_names, from_columns
from goldlock.tables._normal import check_name
from goldlock.tables._source import DEFAULT_LIMITS, Limits, Source
from goldlock.tables._table import Table, nested
from goldlock.tables._text import Block, KeptBlocks, TextBatches, lines
from goldlock.tables._types import Array, ColumnType, Mask

# Inside a text it does no harm.
_MINUS_ZERO = re.compile(r"-0(?![0-9.eE])")
_BLOCK_ROWS = 1 << 14
_BLOCK_CHARACTERS = 1 << 22
_FORMS = 'write a record, a list of records, {"columns": {"name": [...]}}, or {"name": [...]}'
_HINT = "see whether the subject was cut off or wrote something else (a log?) to the same place"


class _DuplicateKeyError(ValueError):
    """A key stands twice in one object, and JSON readers differ in which one they keep."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKeyError(next(key for key in keys if keys.count(key) > 1))
    return found


def _signed(digits: str) -> int | float:
    """Return a whole number; "-0", as some programs write the float -0.0, keeps its sign."""
    return -0.0 if digits == "-0" else int(digits)


def _parse(source: Source, text: str, line: int | None = None) -> object:
    """Return the value of `text`; `line` is where it stands when it is one of many."""
    try:
        # The hook takes time, and few texts have what it is for.
        whole = _signed if _MINUS_ZERO.search(text) else None
        parsed: object = json.loads(text, object_pairs_hook=_unique, parse_int=whole)
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
    check_cells(source)
    return _parse(source, text)


def check_cells(source: Source) -> None:
    """Raise for more values than may be read whole."""
    # Every value but the first follows a comma or opens a list: an upper bound before anything is built.
    cells = sum(source.whole().count(sign) for sign in (b",", b"[", b"{"))
    if cells > source.limits.cells:
        raise source.too_large("values", cells, source.limits.cells)


def decode_json(source: Source, types: Mapping[str, ColumnType] | None) -> Table:
    """Return the table of one JSON value in any of its forms: records, one record, or columns."""
    text = source.text("JSON")
    check_cells(source)
    value = _parse(source, text)
    if isinstance(value, list):
        return _from_records(source, value, types)
    if isinstance(value, dict):
        if value and not any(isinstance(each, list | dict) for each in value.values()):
            return _from_records(source, [value], types)
        inner = value.get("columns")
        columns = inner if isinstance(inner, dict) and len(value) == 1 else value
        source.check_columns(len(columns))
        return from_columns(columns, where=source.where, types=types)
    raise source.fault(f"is a single JSON value, not a table: {text.strip()[:60]!r}", _FORMS)


def open_jsonl(source: Source, types: Mapping[str, ColumnType] | None) -> TextBatches:
    """Return the table of one JSON object a line."""
    reader, kept = _Lines(source, types), KeptBlocks()
    if source.size or types is None:
        source.check_text("JSON Lines")
    # What `write_jsonl` writes for no rows; without types it would hide a subject that wrote nothing.
    guesses: dict[str, Guess] = {}
    for block in reader.blocks():
        if not guesses:
            source.check_columns(len(block.columns))
            check_names(list(block.columns), types, source.fault)
            guesses = {name: Guess(name, source.fault) for name in block.columns}
            for name in guesses:
                check_name(name)
        kept.add(block)
        if types is None:
            for name, values in block.columns.items():
                guesses[name].add(values, block.first)
    found = {name: guess.column_type for name, guess in guesses.items()} if types is None else types
    return TextBatches(source, reader, found, kept)


class _Lines:
    """See `goldlock.tables._text.Reader`."""

    def __init__(self, source: Source, types: Mapping[str, ColumnType] | None) -> None:
        self._source = source
        self._is_recorded = types is not None

    def blocks(self) -> Iterator[Block]:
        records: dict[int, object] = {}
        names: tuple[str, ...] = ()
        size = first = blank = 0
        for number, line in enumerate(lines(self._source, "\n"), start=1):
            if not line.strip():
                blank = blank or number
                continue
            if blank:
                raise self._source.fault(f"line {blank} is blank", "write one JSON object in every line")
            records[number] = _parse(self._source, line.rstrip(), number)
            size += len(line)
            if len(records) == _BLOCK_ROWS or size >= _BLOCK_CHARACTERS:
                block = self._block(records, first, names)
                yield block
                names, first = tuple(block.columns), first + len(records)
                records, size = {}, 0
        if records:
            yield self._block(records, first, names)

    def _block(self, records: Mapping[int, object], first: int, names: Sequence[str]) -> Block:
        columns = _columns(self._source, records, "line {}", names)
        return Block(first=first, lines=list(records), columns=columns)

    def table(self, block: Block, types: Mapping[str, ColumnType]) -> Table:
        columns: dict[str, Array] = {}
        absent: dict[str, Mask] = {}
        for name, column_type in types.items():
            values, fault = block.columns[name], self._source.fault
            if not self._is_recorded:
                columns[name], _ = as_column(name, values, column_type, fault, block.first)
                continue
            columns[name], mask = as_recorded(name, values, column_type, fault, block.first)
            if mask is not None:
                absent[name] = mask
        return Table(columns, absent)


def _from_records(source: Source, records: Sequence[object], types: Mapping[str, ColumnType] | None) -> Table:
    if not records:
        return from_columns({name: [] for name in types or ()}, where=source.where, types=types)
    columns = _columns(source, dict(enumerate(records)), "record {}", ())
    return from_columns(columns, where=source.where, types=types)


def _columns(
    source: Source, records: Mapping[int, object], place: str, names: Sequence[str]
) -> dict[str, list[object]]:
    """Return the values of numbered records by key; the keys are `names`, or those of the first where there are none."""
    columns: dict[str, list[object]] = {name: [] for name in names}
    # Where `names` are given, the first record was the first of its kind: line 1.
    first = 1 if names else next(iter(records))
    for number, record in records.items():
        if not isinstance(record, dict):
            raise source.fault(f"{place.format(number)} is not an object: {str(record)[:60]!r}", _FORMS)
        record = _flat(source, record, place.format(number))
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
    return columns


def _flat(source: Source, record: Mapping[str, object], place: str) -> Mapping[str, object]:
    """Return a record whose nested objects are columns of their own, named by their path: ``box.width``."""
    if not any(isinstance(value, dict) for value in record.values()):
        return record
    found: dict[str, object] = {}
    left = [*record.items()][::-1]
    while left:
        name, value = left.pop()
        if isinstance(value, dict):
            if not value:
                raise source.fault(
                    f"{name!r} is an empty object in {place}", "leave it out, or write null for no value"
                )
            left += [(f"{name}.{key}", inner) for key, inner in reversed(value.items())]
        elif name in found:
            raise source.fault(
                f"{place} has two values for column {name!r}, one of them nested", "rename one of the keys"
            )
        else:
            found[name] = value
    return found


def write_json(batches: Batches, sink: BinaryIO) -> None:
    """Write a table as a list of records, one a line: the form that programs read most often."""
    before = b"[\n"
    for batch in batches.batches(rows=fitting_rows(batches.types)):
        sink.write(before + ",\n".join(f"  {_dumps(record)}" for record in _records(batch)).encode())
        before = b",\n"
    sink.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def write_jsonl(batches: Batches, sink: BinaryIO) -> None:
    """Write a table as one record a line; nothing for no rows."""
    sink.writelines(
        "".join(f"{_dumps(record)}\n" for record in _records(batch)).encode()
        for batch in batches.batches(rows=fitting_rows(batches.types))
    )


def _records(table: Table) -> Iterator[dict[str, object]]:
    columns = [nested(array, table.absent.get(name)) for name, array in table.columns.items()]
    return (dict(zip(table.names, row, strict=True)) for row in zip(*columns, strict=True))


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
