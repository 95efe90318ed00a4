"""The schema of goldlock.toml; `taplo` and editors built on it use it through `#:schema` on the file's first line.

It states what the types state: keys, kinds of values, words. What they cannot (ranges, names, what stands together)
goldlock says when it reads the file.
"""

from __future__ import annotations

from goldlock.config.structure import Document
from goldlock.schemas._parts import Schema, document, of_types

_NULL = {"type": "null"}


def schema() -> Schema:
    """Return the schema."""
    parts = {name: _without_null(part) for name, part in of_types(Document).items()}
    return document("goldlock.toml", Document, parts)


def _without_null(part: Schema) -> Schema:
    """The same part as TOML has it: a key without a value is not there."""
    for key, value in part.get("properties", {}).items():
        kinds = [each for each in value.get("anyOf", ()) if each != _NULL]
        if len(kinds) == 1:
            value = {**kinds[0], **{name: said for name, said in value.items() if name != "anyOf"}}
        elif kinds:
            value = {**value, "anyOf": kinds}
        if value.get("default", ...) is None or isinstance(value.get("default"), dict):
            # A table's defaults stand at its own keys.
            value = {name: said for name, said in value.items() if name != "default"}
        part["properties"][key] = value
    return part
