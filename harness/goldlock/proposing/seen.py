"""What was seen of a subject, and how its commands read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_SHELLS = {"sh", "bash", "dash", "ash"}
_PORT_FLAGS = re.compile(r"(?:--?(?:\w+[-_])*port|-p|--bind|-b|--host|--rest_api_port)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an image says of itself, and what was found in it; what could not be seen is empty."""

    ports: tuple[int, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    """Where its commands start."""
    user: str = ""
    python: tuple[str, ...] | None = None
    """How its interpreter is started; empty where it has none, None where nobody looked."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Installed Python packages by normal name."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Texts of the programs in its working folder, by path."""
    models: tuple[str, ...] = ()
    """Paths inside the image that look like model files or folders."""

    @property
    def words(self) -> tuple[str, ...]:
        """Entry point and command as one vector, a shell around them taken off."""
        return unshelled((*self.entrypoint, *self.command))

    @property
    def line(self) -> str:
        """The same as one line."""
        return " ".join(self.words)

    def package(self, *names: str) -> str:
        """`name version` of the first of these packages that is installed, empty where none is."""
        return next((f"{name} {self.packages[name]}".strip() for name in names if name in self.packages), "")

    @property
    def port(self) -> int | None:
        """The port that its command, a variable or EXPOSE names, in this order."""
        said = port_in(self.words)
        if said is None:
            said = _number(self.environment.get("PORT", ""))
        if said is not None and (not self.ports or said in self.ports):
            return said
        return self.ports[0] if self.ports else said


def unshelled(words: Sequence[str]) -> tuple[str, ...]:
    """`/bin/sh -c "exec a b"` as `a b`, where that is one simple command; else as it is."""
    if len(words) >= 3 and words[0].rpartition("/")[2] in _SHELLS and words[1] in {"-c", "-lc", "-ec"}:
        line = words[2].removeprefix("exec ")
        try:
            return tuple(shlex.split(line))
        except ValueError:
            return tuple(line.split())
    return tuple(words)


def port_in(words: Sequence[str]) -> int | None:
    """The port in a command's arguments, such as `--port 8080`, `-p=80` or `--bind 0.0.0.0:80`."""
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if not _PORT_FLAGS.fullmatch(flag):
            continue
        if not equals:
            value = words[index + 1] if index + 1 < len(words) else ""
        found = _number(value.rpartition(":")[2])
        if found is not None and flag not in {"--port_grpc", "--grpc-port", "--grpc_port"}:
            return found
    return None


def flag_in(words: Sequence[str], *names: str) -> str:
    """The value of the first of these flags in a command's arguments, empty where none is there."""
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in names:
            return value if equals else (words[index + 1] if index + 1 < len(words) else "")
    return ""


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,5}", text) and 0 < int(text) < 65536 else None
