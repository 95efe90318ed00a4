"""Variables in compose files, as the Compose Specification has them, and the files that give them values.

`$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`, `${NAME?message}`,
`${NAME:+instead}`, `${NAME+instead}` and `$$`; defaults may hold variables themselves.
https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from goldlock.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:=\s*(.*?))?\s*$")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_DEEPEST = 20


def interpolated(text: str, variables: Mapping[str, str], unset: set[str], *, depth: int = 0) -> str:
    """The text with its variables replaced.

    Args:
        text: a value of a compose file.
        variables: what has a value.
        unset: gets the names that have none and no default; those become nothing.
        depth: how deep in defaults of defaults it stands.

    Raises:
        ConfigurationError: a variable that must have a value, or a `${` that is no variable.
    """
    parts, at = [], 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        if text.startswith("$$", dollar):
            parts.append("$")
            at = dollar + 2
        elif text.startswith("${", dollar):
            at = _closing(text, dollar + 2)
            parts.append(_braced(text[dollar + 2 : at - 1], variables, unset, depth))
        elif name := _NAME.match(text, dollar + 1):
            parts.append(_value(name[0], variables, unset))
            at = name.end()
        else:
            raise _malformed(text)
    return "".join([*parts, text[at:]])


def _closing(text: str, start: int) -> int:
    """Where a `${` ends, behind its brace."""
    open_braces = 1
    for at in range(start, len(text)):
        if text.startswith("${", at):
            open_braces += 1
        elif text[at] == "}":
            open_braces -= 1
            if not open_braces:
                return at + 1
    raise _malformed(text)


def _braced(inside: str, variables: Mapping[str, str], unset: set[str], depth: int) -> str:
    name = _NAME.match(inside)
    if name is None or depth >= _DEEPEST:
        raise _malformed("${" + inside + "}")
    if name.end() == len(inside):
        return _value(name[0], variables, unset)
    operator = _OPERATOR.match(inside, name.end())
    if operator is None:
        raise _malformed("${" + inside + "}")
    value, rest = variables.get(name[0]), inside[operator.end() :]
    # With a colon an empty value counts as none.
    has_value = bool(value) if operator[0].startswith(":") else value is not None
    if operator[0].endswith("+"):
        return interpolated(rest, variables, unset, depth=depth + 1) if has_value else ""
    if has_value:
        return value or ""
    said = interpolated(rest, variables, unset, depth=depth + 1)
    if operator[0].endswith("-"):
        return said
    raise ConfigurationError(
        f"variable {name[0]} must be set: {said}" if said else f"variable {name[0]} must be set",
        hint=f"set {name[0]} in the environment, or in the file .env beside the compose file",
    )


def _value(name: str, variables: Mapping[str, str], unset: set[str]) -> str:
    if name not in variables:
        unset.add(name)
    return variables.get(name, "")


def _malformed(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"{text!r} holds a $ that begins no variable",
        hint="write $$ for a dollar sign, and ${NAME} or ${NAME:-default} for a variable",
    )


def env_file(text: str, around: Mapping[str, str]) -> dict[str, str | None]:
    """The variables of a .env file; None for one that is named without a value.

    Comments, `export`, and quotes: in single ones everything is itself, in double ones and without any variables
    are replaced, by those of the file above and those around it.

    Raises:
        ConfigurationError: a line that is none of these.
    """
    found: dict[str, str | None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ConfigurationError(f"line {number} is not NAME=value", hint="mend that line")
        name, value = match[1], match[2]
        if value is None:
            found[name] = None
        elif value.startswith("'"):
            found[name] = _within(value, "'", number)
        else:
            known = {**{key: known for key, known in found.items() if known is not None}, **around}
            if value.startswith('"'):
                quoted = _within(value, '"', number)
                value = re.sub(r"\\(.)", lambda escaped: _ESCAPES.get(escaped[1], escaped[1]), quoted)
            else:
                value = re.sub(r"(^|\s+)#.*$", "", value)
            found[name] = interpolated(value, known, set())
    return found


def _within(value: str, quote: str, number: int) -> str:
    """What stands between quotes; a comment may follow."""
    escaped = r"(?:[^\"\\]|\\.)*" if quote == '"' else "[^']*"
    match = re.fullmatch(f"{quote}({escaped}){quote}(?:\\s+#.*)?", value)
    if match is None:
        raise ConfigurationError(f"line {number} has a quote that is not closed", hint="mend that line")
    return match[1]
