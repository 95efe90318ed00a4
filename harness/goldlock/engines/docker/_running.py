"""What can be done with a container that runs, whoever started it: commands, files, its log, its end."""

from __future__ import annotations

import abc
import contextlib
import posixpath
import time
from typing import TYPE_CHECKING, Any

import docker
import docker.errors

from goldlock.config import fill
from goldlock.engines import Completed, Launch
from goldlock.engines.attached import Attached, Probing, too_slow
from goldlock.engines.docker import _outside
from goldlock.engines.docker._errors import translated
from goldlock.engines.docker._exchange import Exchange, NotThereError
from goldlock.engines.streams import Capture
from goldlock.errors import CouldNotRunError, SubjectError
from goldlock_env import probing
from goldlock_env.findings import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from goldlock.engines.docker._engine import DockerEngine
    from goldlock_env.layers import ImageLayer
    from goldlock_env.snapshot import Snapshot

KILLED = 137
START_HINT = "check subject.python, user and image in goldlock.toml"
PYTHONS = (("python",), ("python3",))
"""How an interpreter is started where nobody says how."""
_CANNOT_START, _NOT_FOUND = 126, 127
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What the engine sets where an image does not."""


class RunningContainer(abc.ABC):
    """A container that is probed and asked; a `goldlock.engines.Session`."""

    def __init__(self, engine: DockerEngine, launch: Launch) -> None:
        """Remember everything; whoever inherits starts or finds the container."""
        self._engine, self._launch = engine, launch
        self._api: docker.APIClient = engine.api
        self._id = ""
        self._image: ImageLayer | None = None
        self._config: Mapping[str, Any] = {}
        """The image's or the container's configuration: entry point, variables, working folder."""
        self._added: Mapping[str, str] = {}
        self._dead: str | None = None
        self._probed: Probing | None = None
        self._has_python = True
        """Until every way to start one has failed."""
        self._probe_id = ""
        self._untried: list[tuple[str, ...]] = []
        self._tried: tuple[str, ...] = ()

    @property
    def image_id(self) -> str | None:
        """The config id of the image, None where the engine no longer has it."""
        return None if self._image is None else self._image.config_id

    # -- the environment ------------------------------------------------------------------------

    def _probe_arguments(self, python: Sequence[str], *, hold: bool) -> list[str]:
        return probing.probe_arguments(
            python, artifacts=self._launch.artifacts, hash_files=self._launch.hash_files, hold=hold
        )

    def _probe_within(self) -> None:
        """Start the probe beside what runs, with the first interpreter that can be started."""
        self._untried = list(self._interpreters())
        with self._said_if_ended(), translated("probe the running container"):
            attached = self._next_probe()
        if attached is not None:
            self._probed = Probing(attached, self._dies, self._another_probe)

    def _interpreters(self) -> Sequence[tuple[str, ...]]:
        """Ways to start one, the likeliest first."""
        known, stated = self._engine.interpreters.get(self.image_id or ""), self._launch.python
        if stated is None:
            return PYTHONS if known is None else tuple(filter(None, (known,)))
        return tuple(filter(None, (stated,)))

    def _next_probe(self) -> Attached | None:
        while self._untried:
            python = self._tried = self._untried.pop(0)
            try:
                self._probe_id, attached = self._execute(self._probe_arguments(python, hold=False))
            except docker.errors.APIError as error:
                if self._launch.python is not None or not is_absent(str(error.explanation)):
                    raise
                continue
            self._found_python(python)
            return attached
        self._found_python(())
        return None

    def _found_python(self, python: tuple[str, ...]) -> None:
        """Remember, also for sessions to come, how it is started; empty for an image that has none."""
        self._has_python = bool(python)
        if self._launch.python is None:
            self._engine.interpreters[self.image_id or ""] = python

    def _another_probe(self, said: bytes) -> Attached | None:
        """The next interpreter's where that of the last one could not be started."""
        with translated("probe the running container"):
            code = self._exit_code(self._probe_id, time.monotonic() + 5, 5)
            absent = code == _NOT_FOUND or (
                code == _CANNOT_START and is_absent(said.decode("utf-8", "replace"))
            )
            if not absent and code and self._leading():
                # Entry points end in their own ways where what they are to run is not there.
                absent = not self._is_on_path(self._tried[0])
            if not absent or self._launch.python is not None:
                return None
            return self._next_probe()

    def _is_on_path(self, program: str) -> bool:
        """Whether the container, which need not run, has a program of that name."""
        variables = dict(entry.partition("=")[::2] for entry in self._config.get("Env") or ())
        places = {**variables, **self._added}.get("PATH", _PATH)
        files = _outside.Files(self._api, self._id)
        return any(
            files.kind(posixpath.join(place, program)) is not None for place in places.split(":") if place
        )

    def snapshot(self) -> Snapshot:
        """What the probe saw in this container; waits for it."""
        if self._probed is not None:
            self._probed.wait()
        # Known for sure only now: the first interpreters may have been tried in vain.
        seen = self._probed.result() if self._probed and self._has_python else self._seen_from_outside()
        if self._image is None:
            return seen.without(Layer.IMAGE, "the engine no longer has the container's image")
        return seen.with_image(self._image)

    def _seen_from_outside(self) -> Snapshot:
        with self._said_if_ended():
            return _outside.look(
                _outside.Files(self._api, self._id),
                artifacts=self._launch.artifacts,
                folder=self._launch.working_dir or self._config.get("WorkingDir") or "/",
                environment=_outside.environment_of(self._config, self._added),
                is_here=self._engine.is_here,
            )

    # -- commands -------------------------------------------------------------------------------

    def _leading(self) -> tuple[str, ...]:
        """What stands in front of every command: the entry point that must not be passed by."""
        if not self._launch.keep_entrypoint:
            return ()
        stated = self._launch.entrypoint
        return tuple(self._config.get("Entrypoint") or ()) if stated is None else stated

    def _execute(
        self, command: Sequence[str], *, stdin: bool = False, user: str | None = None, bare: bool = False
    ) -> tuple[str, Attached]:
        argv = [*(() if bare else self._leading()), *command]
        made = self._api.exec_create(
            self._id, argv, stdin=stdin, stdout=True, stderr=True, user=user or self._launch.user or ""
        )
        return made["Id"], Attached(self._api.exec_start(made["Id"], socket=True))

    def _through(
        self,
        command: Sequence[str],
        stdin: Path | None,
        capture: Capture,
        timeout: float,
        user: str | None = None,
    ) -> int:
        """Run a command of goldlock's own, past any entry point; its exit code."""
        end = time.monotonic() + timeout
        identity, attached = self._execute(command, stdin=stdin is not None, user=user, bare=True)
        with contextlib.closing(attached):
            attached.exchange(stdin, capture, timeout)
            return self._exit_code(identity, end, timeout)

    @abc.abstractmethod
    def _exchange(self) -> Exchange:
        """A new way for the files of one command."""

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
        """Run a command in the container; see `goldlock.engines.Session.run`."""
        exchange = self._exchange() if files or output else None
        try:
            if exchange is not None:
                members = list((files or {}).items())
                with translated(
                    "exchange files with the container",
                    hint="raise subject.limits.scratch if the inputs are large",
                ):
                    folders = [(output.rstrip("/"), None)] if output and output.endswith("/") else []
                    exchange.put([*members, *folders])
            return self._run(command, stdin, stdout, files or {}, output or "", into, timeout, exchange)
        finally:
            if exchange is not None:
                with self._said_if_ended(), translated("remove what was exchanged with the container"):
                    exchange.clear()

    def _run(
        self,
        command: Sequence[str],
        stdin: Path | None,
        stdout: Path | None,
        files: Mapping[str, Path],
        output: str,
        into: Path | None,
        timeout: float,
        exchange: Exchange | None,
    ) -> Completed:
        names = [*files, *([output] if output else [])]
        paths = {
            name.rstrip("/").partition(".")[0]: f"{exchange.folder}/{name.rstrip('/')}"
            for name in names
            if exchange is not None
        }
        argv = fill(command, paths)
        end = time.monotonic() + timeout
        with (
            self._said_if_ended(),
            translated(f"run {argv[0]} in the container"),
            contextlib.ExitStack() as stack,
        ):
            said = None if stdout is None else stack.enter_context(stdout.open("wb", buffering=0))
            capture = Capture(self._launch.limits.output_bytes, said)
            identity, attached = self._execute(argv, stdin=stdin is not None)
            try:
                attached.exchange(stdin, capture, timeout)
                code = self._exit_code(identity, end, timeout)
            except SubjectError as error:
                # First this: while nobody reads the stream, the engine waits long before it kills.
                attached.close()
                raise self._stop(identity, error) from error
            finally:
                attached.close()
            written: dict[str, Path] = {}
            if code == 0 and exchange is not None and output and into is not None:
                name = output.rstrip("/")
                try:
                    written = exchange.take(name, into, limit=self._launch.limits.output_bytes)
                except NotThereError:
                    raise SubjectError(
                        f"ended with exit code 0 and wrote no {name}",
                        hint="the command must write to the path that {output} stands for",
                    ) from None
        return Completed(
            exit_code=code,
            stdout=bytes(capture.stdout),
            stderr=capture.stderr + (self._memory_note() if code == KILLED else ""),
            files=written,
        )

    def _exit_code(self, identity: str, end: float, timeout: float) -> int:
        """Wait for the end of a command, which may come after that of its output."""
        while True:
            seen = self._api.exec_inspect(identity)
            if not seen["Running"] and seen["ExitCode"] is not None:
                return int(seen["ExitCode"])
            if time.monotonic() >= end:
                raise too_slow(timeout)
            time.sleep(0.01)

    @abc.abstractmethod
    def _stop(self, identity: str, error: SubjectError) -> SubjectError:
        """Stop a command that broke a limit; the error to tell."""

    @abc.abstractmethod
    def _dies(self, reason: str) -> None:
        """End what must not go on."""

    # -- its end --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _said_if_ended(self) -> Iterator[None]:
        """Where the engine refuses because the container has ended, say how that came about."""
        try:
            yield
        except SubjectError:
            raise
        except CouldNotRunError as error:
            # The runtime knows of an end a moment before the engine does.
            end = time.monotonic() + 1
            while (reason := self.ended()) is None:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.05)
            raise SubjectError(f"the subject {reason}", hint=self._start_hint) from error

    @property
    def _start_hint(self) -> str:
        if self._launch.keep_entrypoint:
            return (
                'the image\'s entry point must run the words that it is given (`exec "$@"`);'
                " if it does not, leave subject.keep-entrypoint away"
            )
        return START_HINT

    @abc.abstractmethod
    def _memory_note(self) -> str:
        """A line on why a process was killed."""

    @abc.abstractmethod
    def address(self) -> tuple[str, int]:
        """Host and port of the service as seen from here."""

    def ended(self) -> str | None:
        """Why the container is no longer running, None while it runs."""
        with translated("look at the running container"):
            try:
                state = self._api.inspect_container(self._id)["State"]
            except docker.errors.NotFound:
                return self._dead or "was removed by somebody else"
            if state["Running"] or self._dead is not None:
                return self._dead or self._replaced(state)
        code = state["ExitCode"]
        reason = f"ended with exit code {code}"
        if code == KILLED or state.get("OOMKilled"):
            reason += self._memory_note()
        return f"{reason}\n{log}" if (log := self.said()) else reason

    @abc.abstractmethod
    def _replaced(self, state: Mapping[str, Any]) -> str | None:
        """Why a container that runs is not the one that was asked; None where it is."""

    def said(self) -> str:
        """The last lines of the container's own log."""
        with translated("read the container's log"):
            try:
                return self._api.logs(self._id, tail=20).decode("utf-8", "replace").strip()
            except docker.errors.NotFound:
                return ""


def is_absent(said: str) -> bool:
    """Whether an engine's words on a program that could not be started mean that there is none."""
    return any(words in said.lower() for words in ("not found", "no such file or directory"))
