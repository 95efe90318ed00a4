"""What WHAT means: a Dockerfile, an archive, a compose service, an image or a container, as keys of `[subject]`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from goldlock.config import compose
from goldlock.errors import ConfigurationError
from goldlock.proposing import dockerfile
from goldlock.proposing.seen import Seen

_COMPOSE = re.compile(r"(.+\.ya?ml):([A-Za-z0-9._-]+)")
_EXPOSED = re.compile(r"([0-9]{1,5})(?:/tcp)?")
_ARCHIVE = (".tar", ".tar.gz", ".tgz", ".oci")
_IGNORED = {".git", ".goldlock", "node_modules", "__pycache__", ".venv", "venv", "goldens"}
_MOST_FILES = 5000


class Kind(str, Enum):
    """What was named."""

    DOCKERFILE = "Dockerfile"
    ARCHIVE = "archive"
    COMPOSE = "compose service"
    IMAGE = "image"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the subject comes from."""

    kind: Kind
    name: str
    """What reports may call it."""
    keys: Mapping[str, object]
    """Of `[subject]`, paths relative to goldlock.toml."""
    stage: dockerfile.Stage | None = None
    """What the Dockerfile says, where there is one."""
    missing: tuple[str, ...] = ()
    """Build arguments without a value, on which the image is built."""
    unproven: tuple[str, ...] = ()

    def port(self, folder: Path) -> int | None:
        """The port of a compose service."""
        named = self.keys.get("compose")
        if not isinstance(named, Mapping):
            return None
        from goldlock.config import compose

        return compose.read(str(named["file"]), str(named["service"]), folder=folder, subject=self.name).port


def on_disk(what: str, folder: Path, arguments: Mapping[str, str], target: str | None) -> Source | None:
    """What a path names, as seen from the folder of goldlock.toml; None where there is no such path.

    Raises ConfigurationError for a folder or a file that is none of what can be looked at.
    """
    if match := _COMPOSE.fullmatch(what):
        file = Path(match[1])
        if not file.is_file():
            raise ConfigurationError(f"there is no compose file {file}", hint="name it as FILE:SERVICE")
        keys = {"compose": {"file": _relative(file, folder), "service": match[2]}}
        return Source(kind=Kind.COMPOSE, name=named(match[2]), keys=keys)
    path = Path(what)
    if not path.exists():
        return None
    if path.is_dir() and not (path / "Dockerfile").is_file():
        if (path / "oci-layout").is_file():
            return _archive(path, folder)
        raise ConfigurationError(
            f"{what} is a folder without a Dockerfile",
            hint="name a Dockerfile, an image, a running container, a `docker save` archive, or compose.yaml:SERVICE",
        )
    if path.is_file() and path.name.endswith(_ARCHIVE):
        return _archive(path, folder)
    if path.suffix in {".yaml", ".yml"}:
        services = compose.names(path)
        raise ConfigurationError(
            f"which service of {what}? It has {', '.join(services) or 'none'}",
            hint=f"name one: goldlock init {what}:SERVICE",
        )
    file = path / "Dockerfile" if path.is_dir() else path
    return _built(file, folder, arguments, target)


def of_image(reference: str) -> Source:
    """An image that the engine has."""
    return Source(kind=Kind.IMAGE, name=named(short(reference)), keys={"image": reference})


def of_container(name: str) -> Source:
    """A container that runs."""
    return Source(kind=Kind.CONTAINER, name=named(name), keys={"container": name})


def short(reference: str) -> str:
    """The last part of an image's name, without registry, tag and digest."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]


def named(text: str) -> str:
    """A text as a name in goldlock.toml."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._") or "model"


def _archive(path: Path, folder: Path) -> Source:
    name = path.name
    for end in _ARCHIVE:
        name = name.removesuffix(end)
    return Source(kind=Kind.ARCHIVE, name=named(name), keys={"archive": _relative(path, folder)})


def _built(file: Path, folder: Path, arguments: Mapping[str, str], target: str | None) -> Source:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{file} can't be read as a Dockerfile: {error}", hint="name a Dockerfile, or a folder with one"
        ) from error
    parsed = dockerfile.parse(text, arguments, where=str(file))
    stage = parsed.stage(target)
    name = named(file.parent.resolve().name.lower())
    context = _relative(file.parent, folder)
    build: dict[str, object] = {}
    if context != ".":
        build["context"] = context
    if file.name != "Dockerfile":
        build["dockerfile"] = file.name
    if target is not None:
        build["target"] = target
    unproven = []
    locked = _locked(stage, file.parent)
    if locked and "wheelhouse" in text and not _python(stage):
        unproven.append(
            f"{', '.join(locked)} needs subject.build.requirements and python: its version can't be seen"
        )
    elif locked and "wheelhouse" in text:
        build["requirements"] = [_relative(file.parent / each, folder) for each in locked]
        build["python"] = _python(stage)
    elif any(re.search(r"\binstall\b", line) for line in stage.installs) and "--no-index" not in text:
        unproven.append("the Dockerfile installs over the network, which `goldlock build` does not have")
    if arguments:
        build["arguments"] = dict(arguments)
    return Source(
        kind=Kind.DOCKERFILE,
        name=name,
        keys={"image": f"{name.lower()}:latest", "build": build},
        stage=stage,
        missing=tuple(
            each for each in parsed.used if parsed.arguments[each] is None and each not in arguments
        ),
        unproven=tuple(unproven),
    )


def _locked(stage: dockerfile.Stage, context: Path) -> list[str]:
    """Requirements files with hashes that the image gets."""
    found = []
    for each in (source for copied in stage.copied for source in copied.sources):
        path = context / each
        if path.suffix == ".txt" and path.is_file() and "--hash=" in path.read_text("utf-8", "replace"):
            found.append(each)
    return found


def _python(stage: dockerfile.Stage) -> str:
    match = re.search(r"(?:python|pypy)[^:]*:(?:[a-z]+-)?(\d\.\d+)", stage.base) or re.search(
        r":(\d\.\d+)", stage.base
    )
    return match[1] if match else ""


def files_below(folder: Path) -> list[str]:
    """Files of a folder as POSIX paths relative to it, hidden ones and caches left out; no more than some thousands."""
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if each not in _IGNORED and not each.startswith("."))
        found += [(Path(place) / each).relative_to(folder).as_posix() for each in sorted(files)]
        if len(found) > _MOST_FILES:
            break
    return found


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def from_stage(stage: dockerfile.Stage) -> Seen:
    """What a Dockerfile says of the image that it makes."""
    return Seen(
        ports=stage.ports,
        entrypoint=stage.entrypoint,
        command=stage.command,
        environment=stage.environment,
        labels=stage.labels,
        folder=stage.folder,
        user=stage.user,
        models=copied_models(stage),
    )


def copied_models(stage: dockerfile.Stage) -> tuple[str, ...]:
    """Model files that COPY puts into the image, where they lie there."""
    ends = (
        ".pkl",
        ".joblib",
        ".h5",
        ".keras",
        ".pt",
        ".pth",
        ".onnx",
        ".safetensors",
        ".npz",
        "weights.json",
        "model.json",
    )
    found = []
    for copied in stage.copied:
        for source in copied.sources:
            if source.lower().endswith(ends):
                into_folder = copied.target.endswith("/") or len(copied.sources) > 1
                name = source.rpartition("/")[2]
                found.append(f"{copied.target.rstrip('/')}/{name}" if into_folder else copied.target)
    return tuple(sorted(set(found)))


def from_config(config: Mapping[str, object]) -> Seen:
    """What the Engine API says of an image (`Config` of an image or a container)."""

    def texts(name: str) -> list[str]:
        value = config.get(name)
        return [str(each) for each in value] if isinstance(value, list) else []

    def mapping(name: str) -> dict[str, object]:
        value = config.get(name)
        return dict(value) if isinstance(value, dict) else {}

    pairs = [each.partition("=") for each in texts("Env")]
    ports = [int(match[1]) for each in mapping("ExposedPorts") if (match := _EXPOSED.fullmatch(each))]
    return Seen(
        ports=tuple(sorted(ports)),
        entrypoint=tuple(texts("Entrypoint")),
        command=tuple(texts("Cmd")),
        environment={name: value for name, _, value in pairs},
        labels={name: str(value) for name, value in mapping("Labels").items()},
        folder=str(config.get("WorkingDir") or "/"),
        user=str(config.get("User") or ""),
    )
