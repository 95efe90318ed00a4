"""Requests out of an OpenAPI 3 document: which operations take a body, and which mapping of rows fits its schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from goldlock.proposing.expressions import key
from goldlock.proposing.recognising import Inputs, listed, table

_DEPTH = 8
_LIKELY = ("predict", "invocations", "score", "infer", "classify", "embed", "generate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A path that takes JSON by POST."""

    path: str
    schema: Mapping[str, object]


def operations(document: object) -> list[Operation]:
    """The operations of a document, those whose path speaks of predictions first."""
    root = table(document)
    found = []
    for path, item in table(root.get("paths")).items():
        post = table(table(item).get("post"))
        content = table(table(_resolved(post.get("requestBody"), root)).get("content"))
        media = table(content.get("application/json"))
        if media and "{" not in path:
            found.append(Operation(path=path, schema=_resolved(media.get("schema"), root)))
    return sorted(found, key=lambda each: (_rank(each.path), each.path))


def requests(operation: Operation, document: object, inputs: Inputs) -> Iterator[tuple[str, int | None]]:
    """Request expressions that fit the operation's body, each with its batch (None: all rows at once)."""
    root, schema = table(document), operation.schema
    kind = _kind(schema, root)
    if kind == "rows":
        yield "rows", None
    elif kind == "records":
        yield "records", None
    elif kind == "row":
        yield "rows", None
        yield "row", 1
    properties = {name: _resolved(each, root) for name, each in table(schema.get("properties")).items()}
    if not properties:
        return
    kinds = {name: _kind(each, root) for name, each in properties.items()}
    if set(inputs.names) & set(properties):
        if all(kinds.get(name) == "row" for name in inputs.names):
            yield "columns", None
        yield "record", 1
    required = [name for name in listed(schema.get("required")) if name in properties]
    for name in sorted(properties, key=lambda name: name not in required):
        match kinds[name]:
            case "rows":
                yield f"{{{key(name)}: rows}}", None
            case "records":
                yield f"{{{key(name)}: records}}", None
            case "row":
                # BentoML describes an array of any shape as a list of numbers.
                yield f"{{{key(name)}: rows}}", None
                yield f"{{{key(name)}: row}}", 1
            case "record":
                yield f"{{{key(name)}: record}}", 1
                yield f"{{{key(name)}: columns}}", None
            case "any":
                yield f"{{{key(name)}: rows}}", None
                yield f"{{{key(name)}: records}}", None
                yield f"{{{key(name)}: row}}", 1


def _kind(schema: Mapping[str, object], root: Mapping[str, object]) -> str:
    """`rows`, `records`, `row`, `record`, `scalar` or `any`: which part of the inputs would fit a schema."""
    options = [_resolved(each, root) for each in listed(schema.get("anyOf")) + listed(schema.get("oneOf"))]
    kinds = [_kind(each, {}) for each in options if each.get("type") != "null"]
    if kinds:
        return kinds[0]
    if schema.get("type") == "array":
        items = _kind(_resolved(schema.get("items"), root), root)
        return {"row": "rows", "rows": "rows", "record": "records"}.get(
            items, "any" if items == "any" else "row"
        )
    if schema.get("type") == "object" or "properties" in schema:
        return "record"
    return "scalar" if "type" in schema else "any"


def _resolved(schema: object, root: Mapping[str, object]) -> Mapping[str, object]:
    """The schema that a reference within the document leads to."""
    found = table(schema)
    for _ in range(_DEPTH):
        reference = found.get("$ref")
        if reference is None and len(listed(found.get("allOf"))) == 1:
            found = table(listed(found["allOf"])[0])
            continue
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        value: object = root
        for part in reference[2:].split("/"):
            value = table(value).get(part.replace("~1", "/").replace("~0", "~"))
        found = table(value)
    return found


def _rank(path: str) -> int:
    return next((number for number, word in enumerate(_LIKELY) if word in path.lower()), len(_LIKELY))
