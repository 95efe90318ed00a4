"""Reading values that somebody else wrote: every key is asked for, and an error knows its path."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

LONGEST_TEXT = 4096
"""Characters of one string; the probe gives a digest in place of a longer one."""
LARGEST_INTEGER = 2**53
MOST_ITEMS = 200_000

DIGEST = "(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})"
"""A digest, as a regular expression."""
_DIGEST = re.compile(rf"{DIGEST}\Z")


class MalformedError(ValueError):
    """A value of the wrong shape. ``path`` grows as the error rises: ``packages[3].version``."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


class Reader:
    """One table. Ask for each key, then ``finish``: a key nobody asked for is an error."""

    def __init__(self, value: object, path: str = "") -> None:
        self.path = path
        self._rest: dict[str, object] = {}
        if not isinstance(value, Mapping):
            raise MalformedError(path, f"expected a table, got {type(value).__name__}")
        for key, item in value.items():
            if not isinstance(key, str):
                raise MalformedError(path, "a key is not a string")
            self._rest[key] = item

    def text(self, key: str) -> str:
        """A string that must be there."""
        if key not in self._rest:
            raise MalformedError(self._at(key), "is missing")
        return _text(self._rest.pop(key), self._at(key))

    def optional_text(self, key: str) -> str | None:
        """A string, or None when the key is absent."""
        return self.text(key) if self._has(key) else None

    def digest(self, key: str) -> str:
        """``sha256:`` and hexadecimal digits (sha384 and sha512 too)."""
        return _digest(self.text(key), self._at(key))

    def optional_digest(self, key: str) -> str | None:
        """A digest, or None when the key is absent."""
        return self.digest(key) if self._has(key) else None

    def integer(self, key: str) -> int:
        """A whole number from 0 to 2**53 that must be there."""
        value = self.optional_integer(key)
        if value is None:
            raise MalformedError(self._at(key), "is missing")
        return value

    def optional_integer(self, key: str) -> int | None:
        """A whole number from 0 to 2**53, or None when the key is absent."""
        if not self._has(key):
            return None
        value = self._rest.pop(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_INTEGER:
            raise MalformedError(self._at(key), "expected a whole number from 0 to 2**53")
        return value

    def flag(self, key: str) -> bool:
        """True or false; an absent key is false."""
        value = self._rest.pop(key, None)
        if value is not None and not isinstance(value, bool):
            raise MalformedError(self._at(key), f"expected true or false, got {type(value).__name__}")
        return bool(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; an absent key is an empty list."""
        return tuple(_text(item, f"{self._at(key)}[{number}]") for number, item in enumerate(self._list(key)))

    def digests(self, key: str) -> tuple[str, ...]:
        """A list of digests; an absent key is an empty list."""
        return tuple(
            _digest(item, f"{self._at(key)}[{number}]") for number, item in enumerate(self.texts(key))
        )

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """A table of strings, sorted by key; an absent key is an empty table."""
        if not self._has(key):
            return ()
        path = self._at(key)
        value = self._rest.pop(key)
        if not isinstance(value, Mapping):
            raise MalformedError(path, f"expected a table, got {type(value).__name__}")
        _bounded(value, path)
        read = {_text(name, path): _text(item, f"{path}.{clean(str(name))}") for name, item in value.items()}
        return tuple(sorted(read.items()))

    def optional_pairs(self, key: str) -> tuple[tuple[str, str], ...] | None:
        """As ``pairs``, or None when the key is absent."""
        return self.pairs(key) if self._has(key) else None

    def table(self, key: str, read: Callable[[Reader], T]) -> T | None:
        """A table read by ``read`` to its last key, or None when the key is absent."""
        return self._finished(self._rest.pop(key), self._at(key), read) if self._has(key) else None

    def required_table(self, key: str, read: Callable[[Reader], T]) -> T:
        """A table that must be there."""
        value = self.table(key, read)
        if value is None:
            raise MalformedError(self._at(key), "is missing")
        return value

    def each(self, key: str, read: Callable[[Reader], T]) -> Iterable[T]:
        """A list of tables, each read by ``read`` to its last key."""
        items = self._list(key)
        return [self._finished(item, f"{self._at(key)}[{number}]", read) for number, item in enumerate(items)]

    def finish(self) -> None:
        """Raise MalformedError for a key that nobody asked for."""
        for key in self._rest:
            raise MalformedError(self._at(clean(key[:80])), "is not a key of this format")

    @staticmethod
    def _finished(value: object, path: str, read: Callable[[Reader], T]) -> T:
        reader = Reader(value, path)
        result = read(reader)
        reader.finish()
        return result

    def _has(self, key: str) -> bool:
        if self._rest.get(key) is None:
            # JSON writers put null where TOML leaves the key out.
            self._rest.pop(key, None)
            return False
        return True

    def _list(self, key: str) -> list[object]:
        if not self._has(key):
            return []
        value = self._rest.pop(key)
        if not isinstance(value, list):
            raise MalformedError(self._at(key), f"expected a list, got {type(value).__name__}")
        _bounded(value, self._at(key))
        return value

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def clean(text: str) -> str:
    """The text with everything a terminal could act on (control, format, surrogate) written as an escape."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def parse_json(text: str) -> object:
    """JSON, strictly: no NaN, no doubled key, no fraction, no endless number, no bottomless nesting.

    Raises MalformedError.
    """
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_no_doubles,
            parse_constant=_no_number,
            parse_float=_no_number,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise MalformedError("", f"is not JSON: {error}") from None
    except RecursionError:
        raise MalformedError("", "is nested too deeply") from None
    return value


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise MalformedError(path, f"expected a string, got {type(value).__name__}")
    if len(value) > LONGEST_TEXT:
        raise MalformedError(path, f"is longer than {LONGEST_TEXT} characters")
    return clean(value)


def _digest(text: str, path: str) -> str:
    if not _DIGEST.match(text):
        raise MalformedError(path, "expected a digest such as sha256:<64 hexadecimal digits>")
    return text


def _bounded(value: Mapping[object, object] | list[object], path: str) -> None:
    if len(value) > MOST_ITEMS:
        raise MalformedError(path, f"has more than {MOST_ITEMS} items")


def _escape(letter: str) -> str:
    code = ord(letter)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise MalformedError("", "has the same key twice")
    return table


def _no_number(text: str) -> object:
    raise MalformedError("", f"has a number that is not whole: {clean(text[:40])}")


def _integer(text: str) -> int:
    # Checked before int(): the time of a conversion grows with the square of the digits.
    if len(text) > len(str(LARGEST_INTEGER)) + 1:
        raise MalformedError("", "has a number that is too large")
    return int(text)
