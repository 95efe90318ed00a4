"""The environment alone: locking a subject, checking it, and comparing any two environments."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock import __version__
from goldlock.asking import way
from goldlock.engines import Launch
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.images import archives
from goldlock.report import FailOn, Report, sorted_findings
from goldlock_env import difference, lock, probing, requirements, returned
from goldlock_env.decoding import MalformedError
from goldlock_env.findings import Layer
from goldlock_env.policy import Policy
from goldlock_env.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from goldlock.config import Config
    from goldlock.engines import Engine, Source
    from goldlock.engines.docker import DockerEngine


def read_lock(config: Config) -> lock.Lock:
    """Read the lock that goldlock.toml names.

    Raises:
        CouldNotRunError: there is none yet, or it is not a lock.
    """
    return lock.read(config.resolve(config.lock))


def snapshot(engine: Engine, launch: Launch) -> Snapshot:
    """Start a subject, only to look at its environment."""
    with engine.session(launch) as session:
        return session.snapshot()


def make_lock(engine: Engine, config: Config, source: Source) -> lock.Lock:
    """Probe the subject and make its lock; nothing is written."""
    seen = snapshot(engine, way.launch(config, source, None))
    artifacts = seen.artifacts
    if artifacts is not None and (
        absent := [*artifacts.missing, *(path for path, _ in artifacts.unreadable)]
    ):
        raise CouldNotRunError(
            f"subject.artifacts names what is not in the subject or can't be read there: {', '.join(absent)}",
            hint="correct it in goldlock.toml: a lock of nothing would watch nothing",
        )
    build, local = config.subject.build, config.subject.local
    names = build.requirements if build is not None else local.requirements if local is not None else ()
    files: dict[str, str] = {}
    entries: list[requirements.Requirement] = []
    for name in names:
        content = config.resolve(name).read_bytes()
        files[name] = f"sha256:{hashlib.sha256(content).hexdigest()}"
        entries += requirements.parse(content.decode("utf-8"), where=name)
    return lock.Lock.of(seen, subject=config.subject.name, requirements=entries, requirements_files=files)


def check(
    config: Config,
    expected: lock.Lock,
    actual: Snapshot,
    *,
    subject: str,
    engine: str,
    image: str | None,
    fail_on: FailOn,
    notes: Iterable[str] = (),
) -> Report:
    """Compare an environment with the lock. `notes` are the caller's, on how it was looked at."""
    findings = [*difference.compare(expected.snapshot, actual, Policy.from_mapping(config.policy))]
    if expected.integrity is not None:
        findings.insert(0, expected.integrity)
    created = dt.datetime.now(dt.timezone.utc)
    return Report(
        goldlock_version=__version__,
        subject=subject,
        engine=engine,
        image=image,
        lock_id=expected.id,
        findings=sorted_findings(config.accepting(findings, created.date())),
        snapshot=actual.to_mapping(),
        notes=(*notes, *config.acceptance_notes(findings, created.date())),
        fail_on=fail_on,
        created=created.isoformat(timespec="seconds"),
        layers=tuple(layer for layer in Layer if layer is not Layer.GOLDEN),
    )


def resolve(
    reference: str,
    engine: Callable[[], DockerEngine],
    *,
    artifacts: tuple[str, ...] = (),
    hash_files: bool = True,
    only_on: str = "",
    progress: Callable[[str], None] = lambda _line: None,
) -> Snapshot:
    """The environment that a command-line word names.

    Args:
        reference: a lock file, a snapshot that the stand-alone probe wrote, a saved report (JSON), an interpreter,
            the folder of a virtual or conda environment, or else an image.
        engine: opens the Docker engine, called for an image only.
        artifacts: paths of model files to hash in an image.
        hash_files: whether installed files are hashed.
        only_on: hash those of an interpreter only if it is of this version (3.8).
        progress: told that an archive is being loaded.

    Raises:
        CouldNotRunError: it is none of these.
    """
    path = Path(reference)
    if path.is_file() and (path.suffix == ".json" or returned.looks_like(_head(path))):
        return _saved(path)
    if archives.is_archive(path):
        opened = engine()
        loaded = archives.loaded(opened, path, None, progress)
        return snapshot(opened, Launch(image=loaded, artifacts=artifacts, hash_files=hash_files))
    if path.is_dir() or (path.is_file() and os.access(path, os.X_OK)):
        return interpreter(reference, hash_files=hash_files, only_on=only_on)
    if path.is_file():
        return lock.read(path).snapshot
    if reference.startswith((".", "/")) or path.suffix in {".lock", ".json", ".toml"}:
        raise ConfigurationError(f"there is no file {reference}", hint="check the path")
    return snapshot(engine(), Launch(image=reference, artifacts=artifacts, hash_files=hash_files))


def told(path: Path) -> Snapshot:
    """The environment that a file of the stand-alone probe tells of; `-` is standard input.

    Raises:
        ConfigurationError: there is no such file.
        CouldNotRunError: it cannot be read, or holds no snapshot.
    """
    where = "standard input" if str(path) == "-" else str(path)
    return returned.read(_content(path), where=where)


def interpreter(reference: str, *, hash_files: bool = True, only_on: str = "") -> Snapshot:
    """The environment of an interpreter: its path, an environment's folder, or a command on PATH.

    A folder is that of a virtual environment or of conda. Installed files are hashed if `hash_files` says so, and
    where there is an `only_on` (3.8) if the interpreter is of that version.

    Raises:
        ConfigurationError: there is no such thing.
        CouldNotRunError: it is no interpreter, or one that can't be probed.
    """
    path = Path(reference)
    if path.is_dir():
        # The last is where conda has it on Windows.
        inside = [path / "bin" / "python", path / "Scripts" / "python.exe", path / "python.exe"]
        found = next((candidate for candidate in inside if candidate.exists()), None)
        if found is None:
            kind = "conda environment" if (path / "conda-meta").is_dir() else "folder"
            raise ConfigurationError(
                f"{reference} is a {kind} without an interpreter (bin/python)",
                hint="name a virtual or conda environment, an interpreter, a lock, a snapshot, a saved report or"
                " an image",
            )
        path = found
    elif not path.exists():
        on_path = None if os.sep in reference else shutil.which(reference)
        if on_path is None:
            raise ConfigurationError(
                f"there is no interpreter {reference}",
                hint="name an interpreter's path, a virtual environment's folder, or a command on PATH",
            )
        path = Path(on_path)
    # Absolute, as a bare name would be looked for on PATH; not resolved, as a link may be an environment's.
    return probing.probe_interpreter(path.absolute(), hash_files=hash_files, only_on=only_on)


def _saved(path: Path) -> Snapshot:
    """The snapshot that a file is, or the one in the report that it is."""
    content = _content(path)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "snapshot" not in document:
        try:
            return returned.read(content, where="as a snapshot")
        except CouldNotRunError as error:
            raise CouldNotRunError(
                f"{path} is not a report saved by goldlock, and {error.message}", hint=error.hint
            ) from None
    try:
        return Snapshot.from_mapping(document["snapshot"])
    except MalformedError as error:
        raise CouldNotRunError(
            f"{path} is not a report saved by goldlock: snapshot: {error}",
            hint="save one with `goldlock verify --json FILE`",
        ) from error


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(returned.HEAD)
    except OSError:
        # Whatever reads it next says why.
        return b""


def _content(path: Path) -> bytes:
    """A file's bytes, and one more than are read of it where there are more."""
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(returned.LARGEST + 1)
        with path.open("rb") as stream:
            return stream.read(returned.LARGEST + 1)
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no file {path}", hint="check the path") from error
    except IsADirectoryError as error:
        raise ConfigurationError(
            f"{path} is a folder", hint="name the file that goldlock-probe.py wrote"
        ) from error
    except OSError as error:
        raise CouldNotRunError(
            f"{path}: could not be read: {error.strerror}", hint="look at its permissions"
        ) from error


def diff(
    first: Snapshot,
    second: Snapshot,
    config: Config | None = None,
    *,
    names: tuple[str, str],
    fail_on: FailOn,
    notes: Iterable[str] = (),
) -> Report:
    """Compare two environments, the first as the expected one.

    With a `config`, by its policy and with its accepted differences.
    """
    created = dt.datetime.now(dt.timezone.utc)
    findings = difference.compare(first, second, Policy.from_mapping(config.policy if config else {}))
    return Report(
        goldlock_version=__version__,
        subject=f"{names[0]} and {names[1]}",
        engine="",
        findings=sorted_findings(config.accepting(findings, created.date()) if config else findings),
        snapshot=second.to_mapping(),
        notes=(
            *notes,
            *(
                ()
                if first.artifacts and second.artifacts
                else ("model artifacts were not compared: only a lock or a report names them",)
            ),
            *(config.acceptance_notes(findings, created.date()) if config else ()),
        ),
        fail_on=fail_on,
        created=created.isoformat(timespec="seconds"),
        layers=tuple(layer for layer in Layer if layer not in {Layer.GOLDEN, Layer.LOCK}),
    )
