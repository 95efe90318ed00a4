"""Write the generated pages of the reference again: `python docs/reference.py` in a clone.

The command line's page is made from its commands; those of the files from the published JSON Schemas, which are made
from the types (`python -m goldlock.schemas`): what a key means is written once, under its field.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "env"), str(ROOT / "harness")]

from goldlock.cli import cli  # noqa: E402
from goldlock.schemas import Document, published  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = ROOT / "docs" / "pages" / "reference"
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}
_DIGEST = "digest"
_LABEL = re.compile(r"`(\[+[\w.-]+\]+)`: ")
_EXAMPLE = re.compile(r"\x08?\n*Example:\n((?:[ ]{2}.*\n?)+)")

CONFIG = """\
# goldlock.toml

{intro}

`goldlock schema config` prints the [JSON Schema](https://json-schema.org) (draft 2020-12) of the file. Editors that
know TOML (Even Better TOML, and others that are built on taplo) complete and check keys with it:

```sh
goldlock schema config > goldlock.schema.json
```

```toml
#:schema ./goldlock.schema.json
[subject]
name = "churn"
image = "churn:1"
```

Ranges, names, and what must stand together are checked when goldlock reads the file.
"""
LOCK = """\
# goldlock.lock

`goldlock lock` writes this file, and nothing else does: it carries the digest of itself, so that an edit is seen. It is
TOML, sorted, with LF, and the same environment gives the same bytes. Names are those of
[PEP 751](https://peps.python.org/pep-0751/) where it has them. What is not known is left out: where a meaning below says
None, the key is not there. A digest is `sha256:` and 64 hexadecimal digits (or `sha384:` or `sha512:` and more of them).

`goldlock schema lock` prints its JSON Schema (draft 2020-12).
"""
REPORT = """\
# The JSON report

`verify`, `check`, `diff` and `reproduce` write it with `--json FILE` or `--format json`; [Reports](reports.md#json) has
an example, and what is promised about later versions. Every key is always there; where a meaning below says None, its
value is null. `goldlock schema report` prints the JSON Schema (draft 2020-12).
"""
CLI = """\
# The command line

Results go to stdout or to `-o FILE`, progress and notes to stderr. An interrupted run removes what it made. What the
exit codes mean stands on [a page of its own](exit-codes.md).
"""


def pages() -> dict[str, str]:
    """Return the name of each generated page, and its text."""
    config, lock, report = (json.loads(published(document)) for document in Document)
    whole = config["$defs"]["Document"]
    return {
        "cli.md": "\n".join([CLI, *_commands()]) + "\n",
        "config.md": "\n".join(
            [CONFIG.format(intro=whole["description"]), *_tables(config, "[{}]", "[[{}]]")]
        )
        + "\n",
        "lock.md": "\n".join([LOCK, *_tables(lock, "[{}]", "[[{}]]")]) + "\n",
        "report-json.md": "\n".join([REPORT, *_tables(report, "{}", "{}[]")]) + "\n",
    }


# -- the files --------------------------------------------------------------------------------------


def _tables(schema: Mapping[str, Any], one: str, several: str) -> Iterator[str]:
    """A section for each table of a file, in the order in which they are named, each table once."""
    parts = schema["$defs"]
    headings: dict[str, str] = {}
    waiting = [("", "", schema["$ref"].rpartition("/")[2])]
    sections: list[tuple[str, str, list[tuple[str, str, str]]]] = []
    while waiting:
        heading, path, name = waiting.pop(0)
        if name in headings:
            continue
        headings[name] = heading
        below = [
            ((several if many else one).format(inner := f"{path}.{key}" if path else key), inner, found)
            for key, value in parts[name]["properties"].items()
            for found, many in _referred(value)
            if "properties" in parts[found]
        ]
        # Keys of a mapping have names that people choose.
        below = [(_own(parts[found], heading), inner, found) for heading, inner, found in below]
        sections.append((heading, name, below))
        waiting = [*below, *waiting]
    for heading, name, _ in sections:
        yield from _section(heading, parts[name], parts, headings)


def _own(part: Mapping[str, Any], heading: str) -> str:
    """A table's own name for itself, where its docstring begins with one."""
    found = _LABEL.match(part["description"])
    return found[1] if found else heading


def _section(
    heading: str, part: Mapping[str, Any], parts: Mapping[str, Any], headings: Mapping[str, str]
) -> Iterator[str]:
    if heading:
        said = _LABEL.sub("", part["description"], count=1)
        yield f"## `{heading}`\n"
        yield f"{said[:1].upper()}{said[1:]}\n"
    else:
        yield "## The whole file\n"
    words: dict[str, list[str]] = {}
    for key, value in part["properties"].items():
        said = [_kind(value, parts, headings)]
        if key in part["required"] and "default" not in value and headings.get("Report") is None:
            said.append("required")
        if value.get("default", ...) not in (..., [], {}, ""):
            said.append(f"default `{_toml(value['default'])}`")
        meaning = value.get("description", "").replace("\n", " ")
        yield f"- `{key}` ({', '.join(said)}){f': {meaning}' if meaning else ''}"
        for name in (name for name, _ in _referred(value) if "enum" in parts[name]):
            words.setdefault(name, []).append(f"`{key}`")
    yield ""
    for name, keys in words.items():
        first, _, listed = parts[name]["description"].partition("\n\n")
        if listed:
            yield f"{' and '.join(keys)}: {first[:1].lower()}{first[1:].rstrip('.')}.\n\n{listed}\n"


def _referred(value: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """The parts that a key's value refers to, and whether there may be several of them."""
    if "$ref" in value:
        return [(value["$ref"].rpartition("/")[2], False)]
    if value.get("type") == "array":
        return [(name, True) for name, _ in _referred(value.get("items", {}))]
    if isinstance(value.get("additionalProperties"), dict):
        return _referred(value["additionalProperties"])
    return [found for each in value.get("anyOf", ()) for found in _referred(each)]


def _kind(value: Mapping[str, Any], parts: Mapping[str, Any], headings: Mapping[str, str]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        if name in headings:
            return f"[`{headings[name]}`](#{_anchor(headings[name])})"
        if "enum" in parts[name]:
            return "one of " + ", ".join(f"`{each}`" for each in parts[name]["enum"])
        return 'number, or `"nan"`, `"inf"`, `"-inf"`'
    if "const" in value:
        return f"`{_toml(value['const'])}`"
    if "anyOf" in value:
        return " or ".join(_kind(each, parts, headings) for each in value["anyOf"])
    match value.get("type"):
        case "array":
            items = value.get("items")
            if items in (None, {}) or "prefixItems" in value:
                return "list"
            told = _kind(items, parts, headings)
            return f"list of {_plural(told)}"
        case "object":
            told = value.get("additionalProperties")
            return f"table of {_plural(_kind(told, parts, headings))}" if isinstance(told, dict) else "table"
        case "string" if value.get("format") == "date":
            return "date"
        case "string" if "sha256" in value.get("pattern", ""):
            return _DIGEST
        case list() as kinds:
            return " or ".join(_TYPES[each] for each in kinds)
        case str() as kind:
            return _TYPES[kind]
    return "anything"


def _plural(told: str) -> str:
    return {"digest": "digests", "text": "texts", "whole number": "whole numbers", "number": "numbers"}.get(
        told, told
    )


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w-]", "", heading).lower()


def _toml(value: object) -> str:
    return json.dumps(value)


# -- the command line -------------------------------------------------------------------------------


def _commands() -> Iterator[str]:
    for name, command in cli.commands.items():
        context = click.Context(command, info_name=f"goldlock {name}")
        text = inspect.cleandoc(command.help or "")
        example = _EXAMPLE.search(text)
        yield f"## goldlock {name}\n"
        yield f"```text\n{context.get_usage().removeprefix('Usage: ')}\n```\n"
        yield _EXAMPLE.sub("", text).strip() + "\n"
        yield from _options(command, context)
        if example:
            yield f"```sh\n{inspect.cleandoc(example[1])}\n```\n"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        found = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if found and "--help" not in found[0]:
            said = re.sub(r"\s*\[(?:default: )?([^\]]*)\]$", _default, found[1])
            yield f"- `{found[0]}`: {said}"
    yield ""


def _default(found: re.Match[str]) -> str:
    said = [
        each if each == "required" else f"default `{each}`" if "<" not in each else f"`{each}`"
        for each in found[1].split("; ")
    ]
    return f" ({', '.join(said)})"


def main() -> None:
    """Write them all."""
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"docs/pages/reference/{name}")


if __name__ == "__main__":
    main()
