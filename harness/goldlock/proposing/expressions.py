"""Writing JMESPath: names that need quotes, texts, and paths into an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def key(name: str) -> str:
    """A name as JMESPath's identifier, quoted where it is not a plain one."""
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def text(value: str) -> str:
    """A raw string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def path(keys: Sequence[str]) -> str:
    """The expression that finds what these keys lead to; `@` for the answer itself."""
    return ".".join(map(key, keys)) or "@"
