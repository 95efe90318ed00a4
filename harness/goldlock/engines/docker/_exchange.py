"""Putting files into a running container and taking them out again: ours, or one that somebody else runs."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import docker
import docker.errors

from goldlock.engines import programs
from goldlock.engines.docker._errors import ERRORS
from goldlock.engines.docker._outside import Files
from goldlock.engines.streams import Capture, pack, packed, unpack
from goldlock.errors import CouldNotRunError, SubjectError
from goldlock.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


VOLUME = "/goldlock"
"""Where the exchange volume is mounted in every container of ours."""
_REMOVED_AT_ONCE = 200
_SECONDS = 120.0

Member: TypeAlias = "tuple[str, Path | None]"
"""A file of this host under its name over there; None makes a folder."""


class Execute(Protocol):
    """Runs a command of goldlock's own in the container and gives its exit code; as another user where one is named."""

    def __call__(
        self,
        command: Sequence[str],
        stdin: Path | None,
        capture: Capture,
        timeout: float,
        user: str | None = None,
        /,
    ) -> int: ...


class Exchange(Protocol):
    """A folder in a container through which the files of one command go."""

    @property
    def folder(self) -> str:
        """Its path over there."""

    def put(self, members: Iterable[Member]) -> None:
        """Make it, with these files and folders in it. Raises `SubjectError`."""

    def take(self, name: str, into: Path, *, limit: int) -> dict[str, Path]:
        """Copy what the command wrote there under a name; see `streams.unpack`. Raises `NotThereError`."""

    def clear(self) -> None:
        """Leave nothing of it behind."""


class NotThereError(Exception):
    """A command wrote nothing under the name that it was given."""


def _named() -> str:
    return uuid.uuid4().hex[:8]


class InVolume:
    """Through the volume of a container of ours, which goes with it."""

    def __init__(self, api: docker.APIClient, container: str) -> None:
        """Touch nothing yet."""
        self._api, self._container, self._name = api, container, _named()
        self.folder = f"{VOLUME}/{self._name}"

    def put(self, members: Iterable[Member]) -> None:
        inside = [(self._name, None), *((f"{self._name}/{name}", path) for name, path in members)]
        if not self._api.put_archive(self._container, VOLUME, pack(inside)):
            raise SubjectError("the container takes no files")

    def take(self, name: str, into: Path, *, limit: int) -> dict[str, Path]:
        return _taken(self._api, self._container, f"{self.folder}/{name}", into, limit)

    def clear(self) -> None:
        """It is gone when the container is."""


class InRoot:
    """Through a folder in the root of a container that is not ours; it works whatever the image holds."""

    def __init__(self, api: docker.APIClient, container: str, architecture: str, execute: Execute) -> None:
        """Touch nothing yet."""
        self._api, self._container, self._execute = api, container, execute
        self._remover = programs.remove(architecture)
        self.folder = f"/goldlock-{_named()}"
        self._there = False

    def put(self, members: Iterable[Member]) -> None:
        name = self.folder[1:]
        inside = [(name, None), *((f"{name}/{member}", path) for member, path in members)]
        self._there = True
        if not self._api.put_archive(self._container, "/", pack(inside)):
            raise SubjectError("the container takes no files")

    def take(self, name: str, into: Path, *, limit: int) -> dict[str, Path]:
        return _taken(self._api, self._container, f"{self.folder}/{name}", into, limit)

    def clear(self) -> None:
        """Remove it with a program of ours: an image need not have one, and the engine has no request for it."""
        if not self._there:
            return
        files = Files(self._api, self._container)
        program = f"{self.folder}/remove"
        if not self._api.put_archive(
            self._container, self.folder, packed("remove", self._remover, mode=0o755)
        ):
            raise CouldNotRunError(f"{self.folder} could not be removed from container {self._container}")
        with files.archive(self.folder, limit=1 << 62) as archive:
            paths = [f"/{member.name.rstrip('/')}" for member in archive]
        # What lies deeper goes first; the program itself and the folder that holds it, last.
        inner = sorted((path for path in paths if path not in {program, self.folder}), reverse=True)
        # As the user who wrote it, whose folders nobody else may empty; then as root, who owns the rest.
        for user, named in ((None, inner), ("0", [*inner, program, self.folder])):
            for start in range(0, len(named), _REMOVED_AT_ONCE):
                command = [program, *named[start : start + _REMOVED_AT_ONCE]]
                self._execute(command, None, Capture(1 << 20), _SECONDS, user)
        if files.kind(self.folder) is not None:
            raise CouldNotRunError(
                f"{self.folder} could not be removed from the container",
                hint=f"remove it by hand: docker exec -u 0 CONTAINER rm -r {self.folder}",
            )


class InMemory:
    """Through a folder in memory of a container whose root is read-only, by tools that it must have itself."""

    def __init__(self, places: Sequence[str], execute: Execute) -> None:
        """Touch nothing yet; `places` are folders that may be writable, the best first."""
        self._places, self._execute, self._name = places, execute, f"goldlock-{_named()}"
        self.folder = f"{places[0]}/{self._name}"
        self._tool: _Tool | None = None

    def put(self, members: Iterable[Member]) -> None:
        """Try every tool in every place."""
        members = [(self._name, None), *((f"{self._name}/{name}", path) for name, path in members)]
        said = ""
        with scratch_folder() as scratch:
            packed_up = scratch / "given.tar"
            with packed_up.open("wb") as file:
                file.writelines(pack(members))
            for place in self._places:
                for tool in _TOOLS:
                    capture = Capture(1 << 20)
                    with contextlib.suppress(*ERRORS):
                        if self._execute([*tool.put, place], packed_up, capture, _SECONDS, None) == 0:
                            self._tool, self.folder = tool, f"{place}/{self._name}"
                            return
                    said = capture.stderr.strip() or said
        raise SubjectError(
            "no file can be put into the container: its root is read-only, and it has no folder in memory that"
            " its user may write to with a tar or a Python of its own" + (f": {said[-200:]}" if said else ""),
            hint="let the command read stdin and write stdout, without {input} and {output}",
        )

    def take(self, name: str, into: Path, *, limit: int) -> dict[str, Path]:
        assert self._tool is not None  # noqa: S101  # `put` comes first
        with tempfile.TemporaryFile(dir=into.parent, buffering=0) as file:
            capture = Capture(limit + (8 << 20), file)
            code = self._execute([*self._tool.take, self.folder, name], None, capture, _SECONDS, None)
            if code:
                raise NotThereError
            file.seek(0)
            return unpack(iter(lambda: file.read(1 << 20), b""), into, limit=limit)

    def clear(self) -> None:
        if self._tool is not None:
            self._execute([*self._tool.remove, self.folder], None, Capture(1 << 20), _SECONDS, None)


class _Tool:
    """How a container's own programs unpack, pack and remove: each is given the folder behind its words."""

    def __init__(self, put: Sequence[str], take: Sequence[str], remove: Sequence[str]) -> None:
        self.put, self.take, self.remove = put, take, remove


def _python(program: str) -> _Tool:
    begin = "import sys, tarfile, shutil; "
    unpacking = "tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall(sys.argv[1])"
    packing = (
        "a = tarfile.open(fileobj=sys.stdout.buffer, mode='w|'); "
        "a.add(sys.argv[1] + '/' + sys.argv[2], sys.argv[2]); a.close()"
    )
    return _Tool(
        (program, "-c", begin + unpacking),
        (program, "-c", begin + packing),
        (program, "-c", begin + "shutil.rmtree(sys.argv[1])"),
    )


_TOOLS = (
    _Tool(("tar", "-xf", "-", "-C"), ("tar", "-cf", "-", "-C"), ("rm", "-rf")),
    _python("python3"),
    _python("python"),
)


def _taken(api: docker.APIClient, container: str, path: str, into: Path, limit: int) -> dict[str, Path]:
    try:
        chunks, _ = api.get_archive(container, path)
    except docker.errors.NotFound:
        raise NotThereError from None
    with contextlib.closing(chunks):
        return unpack(chunks, into, limit=limit)
