"""What the schemas share: their frame, and the parts that msgspec makes of types, with the meaning of each key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from goldlock.schemas import _meaning

DRAFT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = "#/$defs/{name}"
Schema = dict[str, Any]


def document(title: str, root: type, definitions: Mapping[str, Schema]) -> Schema:
    """Return a whole schema."""
    return {
        "$schema": DRAFT,
        "title": title,
        "$ref": REFERENCE.format(name=root.__name__),
        "$defs": dict(sorted(definitions.items())),
    }


def of_types(root: type) -> dict[str, Schema]:
    """Name to part, for a type and all that it is made of."""
    _, parts = msgspec.json.schema_components([root], ref_template=REFERENCE)
    for each in _made_of(root, {}).values():
        part = parts.get(each.__name__)
        if part is not None:
            explain(part, each)
    return parts


def explain(part: Schema, owner: type) -> None:
    """Add to a part what the docstrings of its class, its fields and its values say."""
    if owner.__doc__:
        part["description"] = _meaning.joined(owner.__doc__)
    if issubclass(owner, Enum):
        # As they are defined: a ladder has an order.
        part["enum"] = [each.value for each in owner]
        told = [f"- `{value}`: {said}" for value, said in _meaning.of_values(owner).items()]
        part["description"] = "\n".join([part["description"], "", *told]) if told else part["description"]
        return
    for name, said in _meaning.of_fields(owner).items():
        key = name.replace("_", "-")
        if key in part.get("properties", {}):
            part["properties"][key]["description"] = said


def _made_of(kind: object, found: dict[str, type]) -> dict[str, type]:
    """Every class of ours that a type names, however deep."""
    for each in get_args(kind) if get_origin(kind) is not None else (kind,):
        if get_args(each):
            _made_of(each, found)
        elif isinstance(each, type) and each.__name__ not in found and _ours(each):
            found[each.__name__] = each
            if not issubclass(each, Enum):
                for field in get_type_hints(each).values():
                    _made_of(field, found)
    return found


def _ours(each: type) -> bool:
    return issubclass(each, (msgspec.Struct, Enum)) or dataclasses.is_dataclass(each)
