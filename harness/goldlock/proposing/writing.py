"""The goldlock.toml that is proposed: short, with what was seen as comments, and what is not proven as such."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What goes into the file; keys are those of goldlock.toml, and only what differs from its defaults."""

    name: str
    subject: Mapping[str, object]
    """Keys of `[subject]` but its name; a mapping among them is a table of its own (`build`), or inline."""
    case: str = ""
    inputs: str = ""
    way: str = ""
    """`http` or `command`."""
    asked: Mapping[str, object] = field(default_factory=dict)
    """Keys of `[case.http]` or `[case.command]`."""
    seen: tuple[str, ...] = ()
    """What was seen, for the comment at the top."""
    unproven: tuple[str, ...] = ()
    """What was not tried, and has to be looked at."""


def text(proposal: Proposal) -> str:
    """The file's text."""
    return "\n".join(_lines(proposal)) + "\n"


def _lines(proposal: Proposal) -> Iterator[str]:
    yield "# Proposed by `goldlock init`; it is yours now. Keys: `goldlock schema config`."
    for line in proposal.seen:
        yield from _comment("seen", line)
    for line in proposal.unproven:
        yield from _comment("not proven", line)
    plain = {key: value for key, value in proposal.subject.items() if key != "build"}
    yield "[subject]"
    yield from _keys({"name": proposal.name, **plain})
    build = proposal.subject.get("build")
    if isinstance(build, Mapping):
        yield ""
        yield "[subject.build]"
        yield from _keys(build)
    if proposal.way:
        yield ""
        yield "[[case]]"
        yield from _keys({"name": proposal.case, "inputs": proposal.inputs})
        yield ""
        yield f"[case.{proposal.way}]"
        yield from _keys(proposal.asked)


def _comment(what: str, line: str) -> Iterator[str]:
    said = " ".join(line.split())
    yield f"# {what}: {said}"[: _WIDTH + 50]


def _keys(table: Mapping[str, object]) -> Iterator[str]:
    for key, item in table.items():
        line = f"{_key(key)} = {value(item)}"
        if len(line) > _WIDTH and isinstance(item, list | tuple) and item:
            yield f"{_key(key)} = ["
            yield from (f"    {value(each)}," for each in item)
            yield "]"
        else:
            yield line


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _basic(name)


def value(item: object) -> str:
    """A TOML value; mappings inline.

    Raises TypeError for what goldlock.toml has no place for.
    """
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int | float):
        return repr(item)
    if isinstance(item, str):
        # What holds quotes, as JMESPath does, reads better as a literal.
        return f"'{item}'" if '"' in item and "'" not in item and item.isprintable() else _basic(item)
    if isinstance(item, Mapping):
        inner = ", ".join(f"{_key(str(key))} = {value(each)}" for key, each in item.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(item, Sequence):
        return f"[{', '.join(map(value, item))}]"
    raise TypeError(f"{type(item).__name__} has no place in goldlock.toml")


def _basic(item: str) -> str:
    # A JSON string is a TOML basic string, but for DEL.
    return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
