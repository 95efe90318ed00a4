"""Which columns an answer holds: from the JSON of a service to JMESPath expressions that find them.

A column has a value for each row that was asked for: a list of scalars, of lists of numbers of one shape, or a key of
a list of records. Tensors of the Open Inference Protocol (`name`, `shape`, `data`) are found by their name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from goldlock.proposing.expressions import key, path, text
from goldlock.proposing.recognising import listed, table

# What services say about themselves and the request, beside the outputs.
_ABOUT = frozenset(
    [
        "completed_at",
        "created_at",
        "duration",
        "elapsed",
        "error",
        "id",
        "latency",
        "logs",
        "message",
        "metrics",
        "model",
        "model_id",
        "model_name",
        "model_version",
        "ok",
        "request_id",
        "started_at",
        "status",
        "success",
        "time",
        "timestamp",
        "took",
        "version",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The columns of an answer."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Column to the expression that finds it."""
    lost: tuple[str, ...] = ()
    """Paths whose values are none for each row, so that they can't be a column."""
    unstable: tuple[str, ...] = ()
    """Columns that were left out: they differ from one answer to the next."""


@dataclass(frozen=True, slots=True)
class _Column:
    keys: tuple[str, ...]
    expression: str


def find(answer: object, rows: int, *, within: Sequence[str] = ()) -> Found:
    """The columns of the answer to so many rows; only what these keys lead to is looked at."""
    value = answer
    for name in within:
        value = table(value).get(name)
    columns: list[_Column] = []
    lost: list[str] = []
    for each in _walk(value, rows, tuple(within)):
        if isinstance(each, _Column):
            columns.append(each)
        else:
            lost.append(each)
    if rows == 1:
        spoken = [each for each in columns if not each.keys or each.keys[-1].lower() not in _ABOUT]
        columns = spoken or columns
    return Found(columns=_named(columns), lost=tuple(lost))


def without(found: Found, names: Sequence[str]) -> Found:
    """The same without columns that differ from one answer to the next."""
    kept = {name: expression for name, expression in found.columns.items() if name not in names}
    return Found(columns=kept, lost=found.lost, unstable=tuple(names))


def _walk(value: object, rows: int, keys: tuple[str, ...]) -> Iterator[_Column | str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, rows, (*keys, name))
    elif isinstance(value, list):
        if _are_tensors(value):
            yield from _tensors(value, rows, keys)
        elif len(value) == rows:
            yield from _rows(value, keys, path(keys))
        elif rows == 1 and value:
            yield from _one_row(value, keys)
        elif value:
            yield path(keys)
    elif rows == 1 and value is not None:
        yield _Column(keys, path(keys))


def _rows(value: list[object], keys: tuple[str, ...], expression: str) -> Iterator[_Column | str]:
    """A list with an entry for each row."""
    if all(isinstance(each, dict) for each in value):
        for name in table(value[0]):
            yield from _field(value, (name,), keys)
    elif _is_regular(value):
        yield _Column(keys, expression)
    else:
        yield expression


def _field(records: list[object], names: tuple[str, ...], keys: tuple[str, ...]) -> Iterator[_Column | str]:
    """One key of all records, or what is nested in it."""
    values = []
    for record in records:
        value: object = record
        for name in names:
            value = table(value).get(name)
        values.append(value)
    start = path(keys) if keys else ""
    expression = f"{start}[*].{path(names)}"
    if all(isinstance(each, dict) for each in values):
        for name in table(values[0]):
            yield from _field(records, (*names, name), keys)
    elif any(each is None for each in values) or not _is_regular(values):
        # A projection leaves null out, and the rows behind it would move up.
        yield expression
    else:
        yield _Column((*keys, *names), expression)


def _one_row(value: list[object], keys: tuple[str, ...]) -> Iterator[_Column | str]:
    """A list that is the one row's own: such as a probability for each class."""
    if all(isinstance(each, dict) for each in value):
        for name in table(value[0]):
            inner = [table(each).get(name) for each in value]
            expression = f"[{path(keys) if keys else '@'}[*].{key(name)}]"
            if None not in inner and _is_regular(inner):
                yield _Column((*keys, name), expression)
            else:
                yield expression
    elif _is_regular(value):
        yield _Column(keys, f"[{path(keys)}]")
    else:
        yield path(keys)


def _are_tensors(value: list[object]) -> bool:
    return bool(value) and all({"name", "shape", "data"} <= table(each).keys() for each in value)


def _tensors(value: list[object], rows: int, keys: tuple[str, ...]) -> Iterator[_Column | str]:
    """Tensors by name. Their data may be flat, of which JMESPath makes rows only where there is one."""
    for each in map(table, value):
        name, data = str(each["name"]), listed(each["data"])
        expression = f"{path(keys)}[?name=={text(name)}].data | [0]"
        if rows == 1 and len(data) != 1:
            yield _Column((name,), f"[{expression}]")
        elif len(data) == rows and _is_regular(data):
            yield _Column((name,), expression)
        else:
            yield expression


def _is_regular(values: list[object]) -> bool:
    """Whether values are scalars of one kind, or lists of one shape with numbers in them."""
    shapes = {_shape(each) for each in values}
    return len(shapes) == 1 and None not in shapes


def _shape(value: object) -> tuple[int, ...] | None:
    """The shape of a value, None where it has none: null, records and lists of unequal length."""
    if isinstance(value, list):
        inner = {_shape(each) for each in value}
        if len(inner) != 1 or None in inner:
            return None
        return (len(value), *(inner.pop() or ()))
    return None if value is None or isinstance(value, dict) else ()


def _named(columns: Sequence[_Column]) -> dict[str, str]:
    """A name for each column: its last key, or all of them where two end alike."""
    short = [each.keys[-1] if each.keys else "value" for each in columns]
    named = {}
    for name, column in zip(short, columns, strict=True):
        named[".".join(column.keys) if short.count(name) > 1 else name] = column.expression
    return named
