"""Strict decoding of TOML that people write: every problem with its line, its key's path and a way out.

msgspec alone stops at the first problem, writes `[...]` for a mapping's key and knows no lines; here
the same Struct definitions are walked once to say everything that is wrong, and msgspec then decodes.
"""

from __future__ import annotations

import datetime as dt
import difflib
import enum
import re
import sys
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from goldlock.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

S = TypeVar("S", bound=msgspec.Struct)

KeyPath = tuple[str | int, ...]
"""Keys and zero-based list positions from the top of the file to a value."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LEAVES = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dt.date: "a date",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where."""

    path: KeyPath
    text: str
    """Reads on after the key's path: "is not a known key"."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was most likely meant, None when none is close."""
    choices = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold(), choices, n=1, cutoff=0.6)
    return choices[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest one, and all that are known."""
    names = sorted(known)
    close = nearest(name, names)
    listed = f"known here: {', '.join(names)}" if names else "nothing is known here"
    return f"did you mean {close!r}? ({listed})" if close else listed


def dotted(path: KeyPath) -> str:
    """The path as TOML writes it, `case[1].http.port`, with keys quoted where TOML needs it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = (
                part
                if _BARE_KEY.fullmatch(part)
                else '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
            )
            text += f".{key}" if text else key
    return text


def parse(text: str, *, where: str) -> dict[str, object]:
    """Parse TOML text.

    Raises:
        ConfigurationError: the text is not TOML 1.0; names file, line and column.
    """
    try:
        document: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        position = re.search(r" \(at line (\d+), column (\d+)\)$", message)
        if position:
            line, column = position.groups()
            message = message[: position.start()]
        else:
            # "at end of document": something opened above was never closed.
            lines = text.splitlines() or [""]
            line, column = str(len(lines)), str(len(lines[-1]) + 1)
            message = message.replace(" (at end of document)", ": the file ends too early")
        raise ConfigurationError(
            f"{where}:{line}:{column}: not valid TOML: {message}",
            hint="Text needs quotes, tables are [name], lists of tables are [[name]].",
        ) from error
    return document


def decode(document: Mapping[str, object], kind: type[S]) -> S | tuple[Problem, ...]:
    """Turn a parsed document into a Struct, or into everything that keeps it from being one."""
    problems = tuple(_check(dict(document), kind, ()))
    return problems or msgspec.convert(document, kind)


def complaint(problems: Iterable[Problem], *, text: str, where: str, hint: str = "") -> ConfigurationError:
    """One error that lists all problems, each with the line in `text` where its key stands."""
    lines = key_lines(text)
    found = sorted((_line(lines, problem.path), problem.path, problem.text) for problem in _unique(problems))
    message = "\n".join(f"{where}:{line}: {dotted(path) or 'the file'} {said}" for line, path, said in found)
    return ConfigurationError(message, hint=hint)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, on which each key and each table header of valid TOML text stands.

    Keys inside an inline value are not listed: they stand where their statement begins.
    """
    found: dict[KeyPath, int] = {}
    lists: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, statement in _statements(text):
        is_list = statement.startswith("[[")
        if statement.startswith("["):
            names = tuple(_only_path(tomllib.loads(statement)))
            table = _place(names[:-1], lists) + names[-1:]
            if is_list:
                lists[table] = lists.get(table, -1) + 1
                found.setdefault(table, number)
                table = (*table, lists[table])
            else:
                table = _place(names, lists)
            path = table
        else:
            path = table + tuple(_only_path(tomllib.loads(_key_part(statement) + " = 0")))
        # A dotted key also makes the tables on its way.
        for end in range(1, len(path) + 1):
            found.setdefault(path[:end], number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each key-value pair or header with its first line; a value may span several lines."""
    lines = text.splitlines()
    position = 0
    while position < len(lines):
        start = position
        position += 1
        first = lines[start].strip()
        if not first or first.startswith("#"):
            continue
        while not _complete("\n".join(lines[start:position])) and position < len(lines):
            position += 1
        yield start + 1, "\n".join([first, *lines[start + 1 : position]])


def _complete(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _key_part(statement: str) -> str:
    """What stands before the first "=" that is not inside quotes."""
    match = re.match(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^=])*""", statement)
    return match.group() if match else statement


def _only_path(value: object) -> Iterator[str]:
    """The keys down a document that holds one thing."""
    while isinstance(value, (dict, list)) and value:
        if isinstance(value, list):
            value = value[0]
            continue
        key, value = next(iter(value.items()))
        yield str(key)


def _place(names: Iterable[str], lists: Mapping[KeyPath, int]) -> KeyPath:
    """A header's keys as a path: below `[[case]]` they belong to the case that came last."""
    path: KeyPath = ()
    for name in names:
        path = (*path, name)
        if path in lists:
            path = (*path, lists[path])
    return path


def _line(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """The line of the path, or of the nearest thing around it."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 1


def _unique(problems: Iterable[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def _check(value: object, kind: object, path: KeyPath) -> Iterator[Problem]:
    """Everything about the value that does not fit the annotation `kind`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        # TOML has no null: what is written must fit another member, a list the one that is a list.
        members = [argument for argument in arguments if argument is not types.NoneType]
        lists = [member for member in members if typing.get_origin(member) is tuple]
        yield from _check(value, (lists if lists and isinstance(value, list) else members)[0], path)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _check_struct(value, kind, path)
    elif origin is tuple:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _check(item, arguments[0], (*path, index))
        else:
            yield Problem(path, f"must be a list in [brackets], not {_told(value)}")
    elif origin is dict:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from _check(item, arguments[1], (*path, key))
        else:
            yield Problem(path, f"must be a table of keys and values, not {_told(value)}")
    else:
        yield from _check_leaf(value, kind, path)


def _check_struct(value: object, kind: type[msgspec.Struct], path: KeyPath) -> Iterator[Problem]:
    if not isinstance(value, dict):
        name = dotted(path)
        yield Problem(path, f"must be a table, [{name}] or [[{name}]], not {_told(value)}")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, item in value.items():
        if key in fields:
            yield from _check(item, fields[key].type, (*path, key))
        else:
            yield Problem((*path, key), f"is not a known key; {did_you_mean(key, fields)}")
    for name, field in fields.items():
        if field.required and name not in value:
            yield Problem((*path, name), "is missing; it has no default")


def _check_leaf(value: object, kind: object, path: KeyPath) -> Iterator[Problem]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            names = [str(member.value) for member in kind]
            advice = did_you_mean(value, names) if isinstance(value, str) else f"one of {', '.join(names)}"
            yield Problem(path, f"cannot be {_told(value)}; {advice}")
            return
        wanted = next((name for leaf, name in _LEAVES.items() if leaf is kind), str(kind))
        advice = ""
        if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
            advice = f'; write "{value}"'
        elif kind is str and isinstance(value, dict):
            advice = "; a key with a dot in it needs quotes"
        elif kind is dt.date:
            advice = ", written without quotes: 2027-01-31"
        yield Problem(path, f"must be {wanted}, not {_told(value)}{advice}")


def _told(value: object) -> str:
    """A value as an error names it: short, and in TOML's words."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return repr(value if len(value) <= 40 else value[:37] + "...")
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return f"{value} (a date or time)"
