"""What the user said, and what has to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user said."""

    what: str
    path: Path
    """goldlock.toml, as it will stand."""
    name: str = ""
    inputs: Path | None = None
    run: tuple[str, ...] = ()
    port: int | None = None
    url_path: str = ""
    way: str = ""
    """`http`, `command`, or empty to find out."""
    starts: bool = True
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that can't be seen."""

    question: str
    option: str
    """The option that says it."""
    proposed: str = ""


class Asker(Protocol):
    """Whoever answers what can't be seen."""

    def __call__(self, need: Need) -> str:
        """The answer. Raises ConfigurationError where nobody is there to give it."""
