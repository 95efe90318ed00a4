"""What a Dockerfile says of the image that it makes, as far as can be read without building it.

Instructions, line continuation, the two forms of commands and what a stage takes over from the one that it is built
on follow https://docs.docker.com/reference/dockerfile/. Variables are replaced from ARG and ENV; a value that only
the build knows stays as it is written.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from goldlock.errors import ConfigurationError

_DIRECTIVE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*", re.IGNORECASE)
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\1")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?([-+])([^}]*))?\}|(\w+))")
_FROM = re.compile(r"(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_FLAG = re.compile(r"--[a-z]+(?:=\S*)?\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """One COPY or ADD of files from the build context."""

    sources: tuple[str, ...]
    target: str
    """Inside the image, absolute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The image that a stage makes."""

    name: str
    base: str
    """The image that it starts from, after the stages before it."""
    ports: tuple[int, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = ""
    copied: tuple[Copied, ...] = ()
    installs: tuple[str, ...] = ()
    """RUN lines that mention pip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """All stages, in their order, and the arguments before the first."""

    stages: tuple[Stage, ...]
    arguments: Mapping[str, str | None]
    """ARG before the first FROM: name to default."""
    used: tuple[str, ...] = ()
    """Those of them that name a base image."""

    def stage(self, target: str | None = None) -> Stage:
        """The stage of that name or number; the last one where none is named.

        Raises ConfigurationError where there is none.
        """
        if target is None:
            return self.stages[-1]
        for number, stage in enumerate(self.stages):
            if target.lower() == stage.name.lower() or target == str(number):
                return stage
        named = ", ".join(stage.name for stage in self.stages if stage.name) or "none"
        raise ConfigurationError(f"the Dockerfile has no stage {target!r}", hint=f"its named stages: {named}")


def parse(
    text: str, arguments: Mapping[str, str] | None = None, *, where: str = "the Dockerfile"
) -> Dockerfile:
    """Read a Dockerfile's text; `arguments` are what `docker build --build-arg` would be given.

    Raises ConfigurationError where it has no FROM or starts with another instruction.
    """
    given = dict(arguments or {})
    before: dict[str, str | None] = {}
    stages: list[Stage] = []
    used: list[str] = []
    variables: dict[str, str] = {}
    for word, rest in _instructions(text):
        if word == "ARG":
            for name, default in _pairs(rest, bare=True):
                value = given.get(name, None if default is None else _filled(default, variables))
                if not stages:
                    before[name] = value
                elif value is None:
                    value = before.get(name)
                if value is not None:
                    variables[name] = value
        elif word == "FROM":
            match = _FROM.match(rest)
            if match is None:
                raise ConfigurationError(f"{where} has a FROM without an image", hint="name one there")
            known = {name: value for name, value in before.items() if value is not None}
            used += [name for name in before if re.search(rf"\$\{{?{name}\b", match[1])]
            stages.append(_begun(_filled(match[1], known), match[2] or "", stages))
            variables = dict(stages[-1].environment)
        elif not stages:
            raise ConfigurationError(
                f"{where} starts with {word}, not with FROM", hint="name a Dockerfile, or mend it"
            )
        else:
            stages[-1] = _after(stages[-1], word, rest, variables)
    if not stages:
        raise ConfigurationError(f"{where} has no FROM", hint="name a Dockerfile, or mend it")
    return Dockerfile(stages=tuple(stages), arguments=before, used=tuple(dict.fromkeys(used)))


def _begun(base: str, name: str, stages: Sequence[Stage]) -> Stage:
    """A new stage: what the stage of that name has, or nothing where it starts from an image."""
    for number, stage in enumerate(stages):
        if base.lower() == stage.name.lower() or base == str(number):
            return replace(stage, name=name)
    return Stage(name=name, base=base)


def _after(stage: Stage, word: str, rest: str, variables: dict[str, str]) -> Stage:
    """The stage after one more instruction; `variables` gains what ENV sets."""
    match word:
        case "ENV":
            found = {name: _filled(value or "", variables) for name, value in _pairs(rest)}
            variables.update(found)
            return replace(stage, environment={**stage.environment, **found})
        case "LABEL":
            labels = {name: _filled(value or "", variables) for name, value in _pairs(rest)}
            return replace(stage, labels={**stage.labels, **labels})
        case "EXPOSE":
            words = _filled(rest, variables).split()
            ports = [
                int(port[0]) for each in words if (port := re.match(r"\d+", each)) and "/udp" not in each
            ]
            return replace(stage, ports=tuple(dict.fromkeys([*stage.ports, *ports])))
        case "ENTRYPOINT":
            # "If CMD is defined from the base image, setting ENTRYPOINT will reset CMD to an empty value."
            return replace(stage, entrypoint=_command(rest), command=())
        case "CMD":
            return replace(stage, command=_command(rest))
        case "WORKDIR":
            return replace(stage, folder=joined(stage.folder, _filled(rest, variables)))
        case "USER":
            return replace(stage, user=_filled(rest, variables))
        case "COPY" | "ADD":
            return _copied(stage, _filled(rest, variables))
        case "RUN" if re.search(r"\bpip3?\b|\buv\b", rest):
            return replace(stage, installs=(*stage.installs, rest))
        case _:
            return stage


def _copied(stage: Stage, rest: str) -> Stage:
    from_elsewhere = False
    while flag := _FLAG.match(rest):
        from_elsewhere |= flag[0].startswith("--from")
        rest = rest[flag.end() :]
    words = list(_list(rest) or rest.split())
    if from_elsewhere or len(words) < 2 or "<<" in rest:
        return stage
    target = joined(stage.folder, words[-1]) + ("/" if words[-1].endswith(("/", ".")) else "")
    return replace(stage, copied=(*stage.copied, Copied(sources=tuple(words[:-1]), target=target)))


def joined(folder: str, path: str) -> str:
    """A path inside an image, relative to a folder there; normal, without a slash at its end."""
    parts: list[str] = []
    for part in (path if path.startswith("/") else f"{folder}/{path}").split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction, in capitals, with what stands behind it; comments and continuations are resolved."""
    lines = text.removeprefix("\ufeff").splitlines()
    escape = "\\"
    for line in lines:
        # "Parser directives must be at the top of a Dockerfile", as comments.
        if not line.startswith("#"):
            break
        if match := _DIRECTIVE.fullmatch(line):
            escape = match[1]
    pending = ""
    rest = iter(lines)
    for line in rest:
        stripped = line.strip()
        if stripped.startswith("#") or (not stripped and not pending):
            continue
        if stripped.endswith(escape):
            pending += stripped[:-1] + " "
            continue
        word, _, behind = (pending + stripped).strip().partition(" ")
        pending = ""
        for _, end in _HEREDOC.findall(behind) if word.upper() in {"RUN", "COPY", "ADD"} else ():
            for inside in rest:
                if inside.strip() == end:
                    break
        yield word.upper(), behind.strip()
    if pending.strip():
        word, _, behind = pending.strip().partition(" ")
        yield word.upper(), behind.strip()


def _pairs(rest: str, *, bare: bool = False) -> list[tuple[str, str | None]]:
    """`NAME=value NAME="other value"`, or the old form `NAME the whole line`; with `bare` a name alone."""
    try:
        words = shlex.split(rest)
    except ValueError:
        words = rest.split()
    if not bare and words and "=" not in words[0]:
        name, _, value = rest.partition(" ")
        return [(name, value.strip())]
    parted = [word.partition("=") for word in words]
    return [(name, value if equals else None) for name, equals, value in parted]


def _command(rest: str) -> tuple[str, ...]:
    """A command as the engine runs it: the list, or the line as a shell reads it."""
    listed = _list(rest)
    if listed is not None:
        return listed
    return ("/bin/sh", "-c", rest) if rest else ()


def _list(rest: str) -> tuple[str, ...] | None:
    if not rest.startswith("["):
        return None
    try:
        value = json.loads(rest)
    except (ValueError, RecursionError):
        return None
    return tuple(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else None


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """`$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}`; one without a value stays."""

    def value(match: re.Match[str]) -> str:
        found = variables.get(match[1] or match[4])
        if match[2] == "-":
            return found or str(match[3])
        if match[2] == "+":
            return str(match[3]) if found else ""
        return match[0] if found is None else found

    return _VARIABLE.sub(value, text)
