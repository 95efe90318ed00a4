"""A service of a compose file as a subject: read, never run by Compose.

https://github.com/compose-spec/compose-spec/blob/main/05-services.md
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from goldlock.config.interpolation import env_file, interpolated
from goldlock.decoding import did_you_mean
from goldlock.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

Value: TypeAlias = "str | list[Value] | dict[str, Value] | None"

_LARGEST = 1 << 20
_MOST_VALUES = 20_000
_TAKEN = {
    "build", "command", "entrypoint", "env_file", "environment", "expose", "image", "ports", "user", "working_dir",
}  # fmt: skip
_MEANINGLESS = {
    # They name, describe or restart a container, and change nothing of what its model answers.
    "annotations", "attach", "container_name", "healthcheck", "hostname", "init", "labels", "logging", "profiles",
    "pull_policy", "restart", "scale", "stdin_open", "stop_grace_period", "stop_signal", "tty",
}  # fmt: skip
_BUILD_TAKEN = {"args", "context", "dockerfile", "target"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PORT = re.compile(r"(?:.*:)?(\d+)(?:-\d+)?(?:/tcp)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a service says, as the keys of `[subject]` in goldlock.toml would say it."""

    subject: Mapping[str, object]
    """Those keys; paths are relative to goldlock.toml."""
    port: int | None
    """Its first container port."""
    notes: tuple[str, ...]
    """What is not honoured, for the report."""


def read(file: str, service: str, *, folder: Path, subject: str) -> Service:
    """Read a service of a compose file.

    Args:
        file: the compose file, relative to `folder`.
        service: the service's name.
        folder: goldlock.toml's.
        subject: the subject's name, after which an image without a name is called.

    Raises:
        ConfigurationError: no such file or service, or what can't be honoured and can't be left out either.
    """
    path = folder / file
    document = _mapping(_parsed(path), file)
    if "include" in document:
        raise ConfigurationError(
            f"{file} includes other files, which goldlock does not follow",
            hint="write the whole configuration with `docker compose config > FILE`, and name that file",
        )
    services = _mapping(document.get("services"), f"{file}: services")
    if service not in services:
        raise ConfigurationError(
            f"{file} has no service {service!r}; {did_you_mean(service, services)}",
            hint="set subject.compose.service in goldlock.toml",
        )
    reader = _Reader(file, path.parent, Path(file).parent, service)
    return reader.service(_mapping(services[service], f"{file}: services.{service}"), subject)


def names(path: Path) -> tuple[str, ...]:
    """The names of a compose file's services, as they stand there. Raises ConfigurationError."""
    return tuple(_mapping(_mapping(_parsed(path), path.name).get("services"), f"{path.name}: services"))


def _parsed(path: Path) -> Value:
    """The file's YAML, with every scalar as its text: Compose's own rules for types are others than YAML 1.1's."""
    import yaml

    class Loader(yaml.SafeLoader):
        """SafeLoader, but for its types."""

    Loader.yaml_implicit_resolvers = {
        first: [each for each in resolvers if each[0] in _RESOLVED]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        with path.open(encoding="utf-8-sig") as stream:
            text = stream.read(_LARGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"compose file {path} can't be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}",
            hint="set subject.compose.file in goldlock.toml",
        ) from error
    try:
        if len(text) > _LARGEST:
            raise ConfigurationError(f"compose file {path} is larger than {_LARGEST:,} characters")
        parsed: Value = yaml.load(text, Loader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        raise ConfigurationError(
            f"{path}{where}: not valid YAML: {getattr(error, 'problem', None) or type(error).__name__}",
            hint="`docker compose config` shows the file as Compose reads it",
        ) from error
    return parsed


_RESOLVED = {"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"}


def _mapping(value: object, where: str) -> dict[str, Value]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(
            f"{where} is not a mapping of names",
            hint="`docker compose config` shows the file as Compose reads it",
        )
    return value


class _Reader:
    """Reads one service; what is wrong is told with the file's and the service's name."""

    def __init__(self, file: str, folder: Path, relative: Path, name: str) -> None:
        self._file, self._folder, self._relative, self._name = file, folder, relative, name
        self._unset: set[str] = set()
        self._values = 0
        beside = self._env_file(Path(".env"), os.environ) if (folder / ".env").is_file() else {}
        self._variables = {
            **{key: value for key, value in beside.items() if value is not None},
            **os.environ,
        }

    def service(self, stated: dict[str, Value], subject: str) -> Service:
        if "extends" in stated:
            raise self._wrong(
                "extends another service, which goldlock does not follow",
                hint="write the whole configuration with `docker compose config > FILE`, and name that file",
            )
        known = {
            key: self._interpolated(value)
            for key, value in stated.items()
            if key in _TAKEN and value is not None
        }
        ignored = sorted(
            key for key in stated.keys() - _TAKEN - _MEANINGLESS if stated[key] and not key.startswith("x-")
        )
        keys: dict[str, object] = {}
        if "image" not in known and "build" not in known:
            raise self._wrong("has neither image nor build", hint="name a service that has")
        keys["image"] = (
            known.get("image") or f"goldlock-{re.sub('[^a-z0-9]+', '-', subject.lower()).strip('-')}"
        )
        if "build" in known:
            keys["build"], unbuilt = self._build(known["build"])
            ignored += unbuilt
        environment, unnamed = self._environment(known)
        if environment:
            keys["environment"] = environment
        for ours, theirs in (("command", "command"), ("entrypoint", "entrypoint")):
            if theirs in known:
                keys[ours] = self._words(known[theirs], theirs)
        for ours, theirs in (("user", "user"), ("working-dir", "working_dir")):
            if theirs in known:
                keys[ours] = self._text(known[theirs], theirs)
        notes = []
        if ignored:
            notes.append(
                f"compose service {self._name}: {', '.join(ignored)} not honoured; goldlock runs it alone and isolated"
            )
        if unnamed:
            notes.append(f"compose service {self._name}: variables left out: {', '.join(unnamed)}")
        if self._unset:
            unset = ", ".join(sorted(self._unset))
            notes.append(f"compose service {self._name}: variables without a value, taken as empty: {unset}")
        return Service(subject=keys, port=self._port(known), notes=tuple(notes))

    def _wrong(self, said: str, *, hint: str = "mend the compose file") -> ConfigurationError:
        return ConfigurationError(f"{self._file}: service {self._name} {said}", hint=hint)

    def _interpolated(self, value: Value) -> Value:
        self._values += 1
        if self._values > _MOST_VALUES:
            raise self._wrong(f"has more than {_MOST_VALUES:,} values")
        if isinstance(value, str):
            try:
                return interpolated(value, self._variables, self._unset)
            except ConfigurationError as error:
                raise self._wrong(f"can't be read: {error.message}", hint=error.hint) from None
        if isinstance(value, list):
            return [self._interpolated(each) for each in value]
        if isinstance(value, dict):
            return {str(key): self._interpolated(each) for key, each in value.items()}
        return None

    def _text(self, value: Value, key: str) -> str:
        if not isinstance(value, str):
            raise self._wrong(f"has a {key} that is not text")
        return value

    def _texts(self, value: Value, key: str) -> list[str]:
        if not isinstance(value, list):
            raise self._wrong(f"has a {key} that is not a list")
        return [self._text(each, key) for each in value]

    def _words(self, value: Value, key: str) -> list[str]:
        """A command: text is split as a shell would split it."""
        if isinstance(value, str):
            try:
                return shlex.split(value)
            except ValueError as error:
                raise self._wrong(f"has a {key} that can't be split: {error}") from None
        return self._texts(value, key)

    def _pairs(self, value: Value, key: str) -> Iterator[tuple[str, str | None]]:
        """A mapping, or a list of NAME=value; None where no value is given."""
        if isinstance(value, dict):
            for name, each in value.items():
                yield name, None if each is None else self._text(each, f"{key}.{name}")
            return
        for entry in self._texts(value, key):
            name, separator, given = entry.partition("=")
            yield name, given if separator else None

    def _environment(self, known: Mapping[str, Value]) -> tuple[dict[str, str], list[str]]:
        """The variables, and the names of those that goldlock.toml could not name."""
        gathered: dict[str, str | None] = {}
        listed = known.get("env_file")
        for each in listed if isinstance(listed, list) else [listed] if listed is not None else []:
            name, required = each, "true"
            if isinstance(each, dict):
                name, required = each.get("path"), str(each.get("required", "true"))
            path = Path(self._text(name, "env_file"))
            if required == "true" or (self._folder / path).is_file():
                gathered.update(self._env_file(path, self._variables))
        if "environment" in known:
            gathered.update(self._pairs(known["environment"], "environment"))
        # One without a value has that of the environment that Compose would be run in, or is left out.
        found = {
            name: value if value is not None else self._variables[name]
            for name, value in gathered.items()
            if value is not None or name in self._variables
        }
        unnamed = sorted(name for name in found if not _VARIABLE.fullmatch(name))
        return {name: value for name, value in found.items() if name not in unnamed}, unnamed

    def _env_file(self, path: Path, around: Mapping[str, str]) -> dict[str, str | None]:
        try:
            return env_file((self._folder / path).read_text(encoding="utf-8-sig"), around)
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise self._wrong(f"needs {path}, which can't be read: {why}", hint="mend that file") from error
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._relative / path}: {error.message}", hint=error.hint) from None

    def _build(self, value: Value) -> tuple[dict[str, object], list[str]]:
        """`[subject.build]`, and which keys are not honoured."""
        stated = {"context": value} if isinstance(value, str) else value
        if not isinstance(stated, dict):
            raise self._wrong("has a build that is neither a folder nor a mapping")
        if stated.get("dockerfile_inline"):
            raise self._wrong(
                "has its Dockerfile inside the compose file", hint="write it as a file, and name that"
            )
        context = self._text(stated.get("context") or ".", "build.context")
        if re.match(r"[a-z+]+://|git@", context):
            raise self._wrong(f"is built from {context}, which is no folder", hint="name a folder")
        build: dict[str, object] = {"context": (self._relative / context).as_posix()}
        for key in ("dockerfile", "target"):
            if stated.get(key):
                build[key] = self._text(stated[key], f"build.{key}")
        arguments = dict(self._pairs(stated["args"], "build.args")) if stated.get("args") else {}
        build["arguments"] = {
            name: self._variables[name] if given is None else given
            for name, given in arguments.items()
            if given is not None or name in self._variables
        }
        return build, sorted(f"build.{key}" for key in stated.keys() - _BUILD_TAKEN)

    def _port(self, known: Mapping[str, Value]) -> int | None:
        for key in ("ports", "expose"):
            stated = known.get(key)
            for each in stated if isinstance(stated, Sequence) and not isinstance(stated, str) else ():
                text = each.get("target") if isinstance(each, dict) else each
                if isinstance(text, str) and (match := _PORT.fullmatch(text)) is not None:
                    return int(match[1])
        return None
