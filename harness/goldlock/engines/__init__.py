"""What can run a subject: the interface that the Docker engine and the local engine share.

An engine opens *sessions*. A session is one running subject: it is probed and asked in the same
process space, so a report never joins one container's environment to another's answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from goldlock.config import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from goldlock_env.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An HTTP service that the subject is to run."""

    start: tuple[str, ...] = ()
    """Command that starts it; empty for the image's own entry point."""
    port: int = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is to be checked, found and ready to be started."""

    image: str
    """Reference of the image, which reports name."""
    container: str | None = None
    """A container of that image, which runs already and is asked itself."""
    notes: tuple[str, ...] = ()
    """What a report must say of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Everything an engine needs to know to start a subject."""

    image: str
    container: str | None = None
    """A container that runs already, instead of one that is started of the image."""
    python: tuple[str, ...] | None = None
    """How to start the interpreter in it; None to find out, empty where it has none."""
    keep_entrypoint: bool = False
    """Whether what is run goes through the image's own entry point, as its arguments."""
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    """What the image says of these where None."""
    working_dir: str | None = None
    artifacts: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    writable: bool = False
    limits: Limits = field(default_factory=Limits)
    service: Service | None = None
    """None: the subject is held ready and commands are run in it."""
    hash_files: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a command in a subject ended."""

    exit_code: int
    stdout: bytes
    """All of it; its last 64 KiB where it was written to a file."""
    stderr: str
    """The last 64 KiB of it, decoded with replacement."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """What was written: this host's copies by path below the exchange folder, POSIX separators."""


class Session(Protocol):
    """One running subject."""

    @property
    def image_id(self) -> str | None:
        """Config id of the image that runs, None where no image is involved."""

    def snapshot(self) -> Snapshot:
        """What the probe saw in this very session; waits for it. Raises `SubjectError`."""

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: Path | None = None,
        stdout: Path | None = None,
        files: Mapping[str, Path] | None = None,
        output: str | None = None,
        into: Path | None = None,
        timeout: float,
    ) -> Completed:
        """Run a command and read back what it wrote.

        Args:
            command: argument vector, no shell; `{NAME}` in it stands for the path of that file.
            stdin: file of this host that it reads, None for nothing.
            stdout: file of this host that is made of what it says, None to have it in memory.
            files: files of this host by NAME, put where the command can read them.
            output: NAME of the file that it writes, or with a trailing slash of the folder.
            into: folder of this host, empty or absent, that receives the output; needed with `output`.
            timeout: seconds until it is killed.

        Raises:
            SubjectError: it hung, flooded, died, or wrote what can't be read.
        """

    def address(self) -> tuple[str, int]:
        """Host and port at which the service can be reached from here."""

    def said(self) -> str:
        """The end of the subject's log, as text."""

    def ended(self) -> str | None:
        """Why the subject is no longer running, with the end of its log; None while it runs."""


class Engine(Protocol):
    """Something that can run subjects."""

    @property
    def name(self) -> str:
        """`docker` or `local`."""

    @property
    def description(self) -> str:
        """Name and version, for the report's host layer."""

    def session(self, launch: Launch) -> AbstractContextManager[Session]:
        """Start a subject; it is gone without trace when the block ends, however it ends."""
