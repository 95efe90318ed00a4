"""Looking at a container's files from outside, where it has no interpreter that could look from within.

Everything is read through the engine, file by file: nothing is run in the container, and no link is followed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import posixpath
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors

from goldlock.engines.docker._errors import translated
from goldlock.engines.streams import Chunks
from goldlock.errors import SubjectError
from goldlock.scratch import scratch_folder
from goldlock_env import probing
from goldlock_env.findings import Layer
from goldlock_env.layers import Artifact, ArtifactsLayer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from goldlock_env.snapshot import Snapshot

NO_PYTHON = "the image has no Python"
_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
_PACKAGES = ("var/lib/dpkg/status", "lib/apk/db/installed", "usr/lib/apk/db/installed")
_SPLIT_PACKAGES = "var/lib/dpkg/status.d"
_RPM = ("var/lib/rpm", "usr/lib/sysimage/rpm")
_LARGEST = 64 << 20
_MOST_FILES = 50_000
_SECONDS = 300.0
# Go's fs.FileMode, which the engine gives: https://pkg.go.dev/io/fs#FileMode
_FOLDER, _LINK, _SPECIAL = 1 << 31, 1 << 27, 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a container, running or not."""

    api: docker.APIClient
    container: str

    def kind(self, path: str) -> int | None:
        """Go's file mode of what is at a path, of a link itself; None where nothing is."""
        url = self.api._url("/containers/{0}/archive", self.container)  # type: ignore[attr-defined]  # noqa: SLF001  # the SDK has no HEAD
        answer = self.api.head(url, params={"path": path}, timeout=60)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        stat = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
        return int(stat["mode"])

    def is_regular(self, path: str) -> bool:
        kind = self.kind(path)
        return kind is not None and not kind & (_FOLDER | _LINK | _SPECIAL)

    def is_folder(self, path: str) -> bool:
        kind = self.kind(path)
        return kind is not None and bool(kind & _FOLDER)

    @contextlib.contextmanager
    def archive(self, path: str, *, limit: int) -> Iterator[tarfile.TarFile]:
        """What is at a path, as the engine sends it; raises `SubjectError` behind so many bytes."""
        chunks, _ = self.api.get_archive(self.container, path)
        # Read to its end or not, the engine waits until its answer is closed.
        with contextlib.closing(chunks):
            try:
                with tarfile.open(fileobj=io.BufferedReader(Chunks(chunks, limit)), mode="r|") as archive:
                    yield archive
            except (tarfile.TarError, ValueError, ArithmeticError, RecursionError) as error:
                raise SubjectError(f"{path} can't be read out of the container: {error}") from error


def look(
    files: Files,
    *,
    artifacts: Iterable[str],
    folder: str,
    environment: Iterable[str],
    is_here: bool,
) -> Snapshot:
    """The snapshot of a container without Python: operating system, numeric variables, artifacts, and the host.

    Args:
        files: the container's.
        artifacts: paths of model files or folders in it.
        folder: its working folder, to which a relative one belongs.
        environment: its variables, as NAME=value.
        is_here: whether the engine is on this machine, whose host layer is then the container's.

    Raises:
        CouldNotRunError: the engine refused.
    """
    with translated("read files of the container"), scratch_folder() as root:
        has_distribution = _fetch_os(files, root)
        (root / "proc" / "1").mkdir(parents=True)
        variables = "".join(f"{entry}\0" for entry in environment).encode("utf-8", "surrogateescape")
        (root / "proc" / "1" / "environ").write_bytes(variables)
        seen = probing.probe_root(root)
        for layer in (Layer.PYTHON, Layer.PACKAGES):
            seen = seen.without(layer, NO_PYTHON)
        if not has_distribution:
            seen = seen.without(Layer.OS, "the image has no distribution")
        if not is_here:
            reason = f"{NO_PYTHON} that could look at the engine's machine, which is not this one"
            seen = seen.without(Layer.HOST, reason)
        found = _artifacts(files, artifacts, folder)
        return seen.with_artifacts(found)


# -- the operating system ---------------------------------------------------------------------------


def _fetch_os(files: Files, root: Path) -> bool:
    """Copy what tells the distribution and its packages below a folder of ours; whether there was any of it."""
    found = False
    for path in (*_OS_RELEASE, *_PACKAGES):
        if files.is_regular(f"/{path}"):
            with files.archive(f"/{path}", limit=_LARGEST) as archive:
                for member in archive:
                    _write(archive, member, root / path)
                    found = True
    if files.is_folder(f"/{_SPLIT_PACKAGES}"):
        with files.archive(f"/{_SPLIT_PACKAGES}", limit=_LARGEST) as archive:
            for number, member in zip(range(_MOST_FILES), archive, strict=False):
                # By number: what it is called in there means nothing here.
                suffix = ".md5sums" if member.name.endswith(".md5sums") else ""
                _write(archive, member, root / _SPLIT_PACKAGES / f"{number:05}{suffix}")
                found = True
    for path in _RPM:
        if files.is_folder(f"/{path}"):
            (root / path).mkdir(parents=True, exist_ok=True)
            found = True
    return found


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = archive.extractfile(member) if member.isreg() else None
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())


# -- artifacts --------------------------------------------------------------------------------------


def _artifacts(files: Files, asked: Iterable[str], folder: str) -> ArtifactsLayer | None:
    """Hash the model files; in the form that the probe gives them."""
    found: dict[str, Artifact] = {}
    missing: set[str] = set()
    unreadable: dict[str, str] = {}
    end = time.monotonic() + _SECONDS
    for name in (names := tuple(asked)):
        path = posixpath.normpath(posixpath.join("/", folder, name))
        kind = files.kind(path)
        if kind is None:
            missing.add(name)
        elif kind & (_LINK | _SPECIAL):
            unreadable[name] = _not_a_file(link=bool(kind & _LINK))
        else:
            try:
                with files.archive(path, limit=1 << 62) as archive:
                    _hash(archive, name, found, unreadable, end)
            except docker.errors.NotFound:
                missing.add(name)
    if not names:
        return None
    return ArtifactsLayer(
        files=tuple(found[name] for name in sorted(found)),
        missing=tuple(sorted(missing)),
        unreadable=tuple(sorted(unreadable.items())),
    )


def _hash(
    archive: tarfile.TarFile, asked: str, found: dict[str, Artifact], unreadable: dict[str, str], end: float
) -> None:
    seen: dict[str, Artifact] = {}
    for number, member in enumerate(archive):
        if number >= _MOST_FILES:
            raise SubjectError(
                f"artifact {asked} has more than {_MOST_FILES:,} files",
                hint="name fewer in subject.artifacts of goldlock.toml",
            )
        inside = member.name.rstrip("/").partition("/")[2]
        path = posixpath.join(asked, inside) if inside else asked
        if member.isdir():
            continue
        # A second name of the same file comes as a link to the first, which stands before it.
        if member.islnk() and member.linkname in seen:
            known = seen[member.linkname]
            found[path] = Artifact(path=path, sha256=known.sha256, size=known.size)
            continue
        if not member.isreg() or (content := archive.extractfile(member)) is None:
            unreadable[path] = _not_a_file(link=member.issym() or member.islnk())
            continue
        digest = hashlib.sha256()
        while piece := content.read(1 << 20):
            digest.update(piece)
            if time.monotonic() > end:
                raise SubjectError(
                    f"its artifacts could not be hashed within {_SECONDS:g} s",
                    hint="name fewer in subject.artifacts of goldlock.toml",
                )
        artifact = Artifact(path=path, sha256=f"sha256:{digest.hexdigest()}", size=member.size)
        found[path] = seen[member.name] = artifact


def _not_a_file(*, link: bool) -> str:
    return "a link, which is not followed from outside" if link else "not a regular file"


def environment_of(image: Mapping[str, Any], added: Mapping[str, str]) -> list[str]:
    """The variables that a container of an image has, as NAME=value."""
    stated = dict(entry.partition("=")[::2] for entry in image.get("Env") or ())
    return [f"{name}={value}" for name, value in {**stated, **added}.items()]
