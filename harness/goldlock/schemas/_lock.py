"""The schema of goldlock.lock, found by asking its reader: it names each key, and what must stand there.

The reader that `goldlock_env` reads locks with is given tables that note what they are asked for and answer with
something that fits. The classes of what it makes of the answers say what the keys mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from goldlock.schemas._parts import REFERENCE, Schema, document, explain
from goldlock_env import lock
from goldlock_env.decoding import DIGEST, LARGEST_INTEGER, LONGEST_TEXT, Reader

T = TypeVar("T")
_TEXT: Schema = {"type": "string", "maxLength": LONGEST_TEXT}
_DIGEST: Schema = {"type": "string", "pattern": f"^{DIGEST}$"}
_SAID = {
    "lock-version": "Version of this format.",
    "created-by": "The program that wrote it.",
    "lock-id": "SHA-256 of everything in the file but this line.",
    "unknown": "Layer to why it could not be looked at.",
    "integrity": "What is true of all packages.",
}
"""What the file's own keys mean, which no class has fields for."""
_SAMPLE = f"sha256:{'0' * 64}"


def schema() -> Schema:
    """Return the schema of what `goldlock lock` writes, and of all that is read as a lock."""
    definitions: dict[str, Schema] = {}
    whole = _Asked(definitions)
    lock.read_document(whole)
    part = whole.part(lock.Lock)
    part["properties"]["lock-version"] = {"const": lock.LOCK_VERSION}
    for key, said in _SAID.items():
        part["properties"][key]["description"] = said
    definitions[lock.Lock.__name__] = part
    return document(f"goldlock.lock, version {lock.LOCK_VERSION}", lock.Lock, definitions)


class _Asked(Reader):
    """A table that has whatever it is asked for, and notes it."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        super().__init__({})
        self._definitions = definitions
        self._properties: dict[str, Schema] = {}
        self._required: list[str] = []

    def part(self, owner: type) -> Schema:
        """Return the schema of this table, whose values make an `owner`."""
        part: Schema = {
            "title": owner.__name__,
            "type": "object",
            "properties": self._properties,
            "required": sorted(self._required),
            "additionalProperties": False,
        }
        explain(part, owner)
        return part

    def text(self, key: str) -> str:
        self._required.append(key)
        return self._noted(key, _TEXT, "")

    def optional_text(self, key: str) -> str | None:
        return self._noted(key, _TEXT, None)

    def digest(self, key: str) -> str:
        self._required.append(key)
        return self._noted(key, _DIGEST, _SAMPLE)

    def optional_digest(self, key: str) -> str | None:
        return self._noted(key, _DIGEST, None)

    def integer(self, key: str) -> int:
        self._required.append(key)
        return self.optional_integer(key) or 0

    def optional_integer(self, key: str) -> int | None:
        return self._noted(key, {"type": "integer", "minimum": 0, "maximum": LARGEST_INTEGER}, None)

    def flag(self, key: str) -> bool:
        return self._noted(key, {"type": "boolean", "default": False}, False)

    def texts(self, key: str) -> tuple[str, ...]:
        return self._noted(key, {"type": "array", "items": _TEXT}, ())

    def digests(self, key: str) -> tuple[str, ...]:
        return self._noted(key, {"type": "array", "items": _DIGEST}, ())

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        return self._noted(key, {"type": "object", "additionalProperties": _TEXT}, ())

    def optional_pairs(self, key: str) -> tuple[tuple[str, str], ...] | None:
        return self.pairs(key)

    def table(self, key: str, read: Callable[[Reader], T]) -> T | None:
        value, reference = self._below(read)
        return self._noted(key, reference, value)

    def required_table(self, key: str, read: Callable[[Reader], T]) -> T:
        self._required.append(key)
        value, reference = self._below(read)
        return self._noted(key, reference, value)

    def each(self, key: str, read: Callable[[Reader], T]) -> Iterable[T]:
        value, reference = self._below(read)
        return self._noted(key, {"type": "array", "items": reference}, (value,))

    def _below(self, read: Callable[[Reader], T]) -> tuple[T, Schema]:
        asked = _Asked(self._definitions)
        value = read(asked)
        name = type(value).__name__
        self._definitions[name] = asked.part(type(value))
        return value, {"$ref": REFERENCE.format(name=name)}

    def _noted(self, key: str, kind: Schema, value: T) -> T:
        self._properties[key] = dict(kind)
        return value
