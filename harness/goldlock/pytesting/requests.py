"""What a test run asks its broker, as values that can be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goldlock.tables import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How subjects are run in this test run."""

    engine: str = "auto"
    image: str | None = None
    fail_on: str = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Something about one goldlock.toml."""

    config: str
    """Its absolute path."""
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify(Request):
    """The report on these cases and the environment, as JSON; asked once, answered as often as wanted."""

    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Request):
    """The report on the environment alone, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Request):
    """A case's outputs, as a mapping of NumPy arrays."""

    case: str
    inputs: Mapping[str, Array] | str | None
    """Columns, a file's path, or None for the case's own inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address(Request):
    """Host and port of the service of an HTTP case."""

    case: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute(Request):
    """Exit code, stdout and stderr of a command in the subject."""

    command: tuple[str, ...]
    stdin: bytes
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Request):
    """The snapshot of the subject, as a mapping."""
