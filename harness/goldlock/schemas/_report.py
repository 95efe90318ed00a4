"""The schema of the JSON report, made from the types that the report is made of.

Every key is always written, and is therefore required; later versions 2.x may add keys, so that a reader has to skip
those it does not know.
"""

from __future__ import annotations

from typing import cast

import msgspec

from goldlock.render.derived import DERIVED
from goldlock.render.json import NOT_FINITE
from goldlock.report import REPORT_VERSION, Report
from goldlock.schemas._parts import REFERENCE, Schema, document, of_types

_NUMBER = "Number"


def schema() -> Schema:
    """Return the schema of what `goldlock.render.json.render` writes."""
    definitions = {name: cast("Schema", _numbers(part)) for name, part in of_types(Report).items()}
    for owner, keys in DERIVED.items():
        kinds, found = msgspec.json.schema_components([each.kind for each in keys], ref_template=REFERENCE)
        for each, kind in zip(keys, kinds, strict=True):
            definitions[owner.__name__]["properties"][each.key] = {**kind, "description": each.meaning}
        definitions.update({name: part for name, part in found.items() if name not in definitions})
    for part in definitions.values():
        if "properties" in part:
            part["required"] = sorted(part["properties"])
    definitions["Report"]["properties"]["report-version"]["pattern"] = (
        f"^{REPORT_VERSION.partition('.')[0]}\\.[0-9]+$"
    )
    definitions[_NUMBER] = {
        "description": "A number, or the name of one that JSON has none for.",
        "anyOf": [{"type": "number"}, {"enum": list(NOT_FINITE)}],
    }
    return document(f"goldlock report, version {REPORT_VERSION}", Report, definitions)


def _numbers(part: object) -> object:
    """The same part with numbers that may be spelled; defaults go, as a report has every key."""
    if isinstance(part, list):
        return [_numbers(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("type") == "number":
        return {
            "$ref": REFERENCE.format(name=_NUMBER),
            **{key: part[key] for key in ("description",) if key in part},
        }
    return {key: _numbers(each) for key, each in part.items() if key not in {"default", "required"}}
