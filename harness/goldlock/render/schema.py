"""The JSON Schema (draft 2020-12) of the JSON report, made from the types that the report is made of.

`python -m goldlock.render.schema` prints it; report.schema.json beside this file is what it printed last. Every key
is always written, and is therefore required; later versions 2.x may add keys, so that a reader has to skip those it
does not know.
"""

from __future__ import annotations

import json
import sys
from typing import Any, cast

import msgspec

from goldlock.render.derived import DERIVED
from goldlock.render.json import NOT_FINITE
from goldlock.report import REPORT_VERSION, Report

FILE = "report.schema.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/$defs/{name}"
_NUMBER = "Number"
_Schema = dict[str, Any]


def schema() -> dict[str, object]:
    """Return the schema of what `goldlock.render.json.render` writes."""
    _, parts = msgspec.json.schema_components([Report], ref_template=_REFERENCE)
    definitions = {name: cast("_Schema", _numbers(part)) for name, part in parts.items()}
    for owner, keys in DERIVED.items():
        kinds, found = msgspec.json.schema_components([each.kind for each in keys], ref_template=_REFERENCE)
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
    return {
        "$schema": DRAFT,
        "title": f"goldlock report, version {REPORT_VERSION}",
        "$ref": _REFERENCE.format(name="Report"),
        "$defs": dict(sorted(definitions.items())),
    }


def render() -> str:
    """Return the schema as it stands in report.schema.json."""
    return json.dumps(schema(), indent=2) + "\n"


def _numbers(part: object) -> object:
    """The same part with numbers that may be spelled; defaults go, as a report has every key."""
    if isinstance(part, list):
        return [_numbers(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("type") == "number":
        return {"$ref": _REFERENCE.format(name=_NUMBER)}
    return {key: _numbers(each) for key, each in part.items() if key not in {"default", "required"}}


if __name__ == "__main__":
    sys.stdout.write(render())
