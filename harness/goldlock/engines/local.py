"""The local engine: the locked requirements in a cached virtual environment, where no engine answers.

It vouches for interpreter, packages, files, artifacts and outputs. Operating system and image are the
host's or absent, so their layers are unknown.
"""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import resource
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from goldlock.config import fill
from goldlock.engines import Completed, Launch
from goldlock.engines.environments import environment
from goldlock.engines.streams import STDERR, STDOUT, Capture
from goldlock.errors import CouldNotRunError, SubjectError
from goldlock.interruption import deferred, interruptible
from goldlock.scratch import scratch_folder
from goldlock_env import probing
from goldlock_env.findings import Layer
from goldlock_env.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from goldlock.config import Local
_PROBE_TIMEOUT = 300.0
_GLANCE = 0.02
_ROUNDS = 50
_LOG_TAIL = 2000


class LocalEngine:
    """Runs the subject in a virtual environment of the locked requirements."""

    name = "local"

    def __init__(
        self,
        local: Local,
        folder: Path,
        *,
        variables: Mapping[str, str],
        artifacts: Sequence[str],
        progress: Callable[[str], None],
    ) -> None:
        """Prepare the environment, or reuse the cached one.

        Args:
            local: what goldlock.toml says of local runs.
            folder: goldlock.toml's folder, in which commands run.
            variables: locked numeric variables; the host's own are not passed on.
            artifacts: the artifacts' paths in the image, in the order of `local.artifacts`.
            progress: told what takes long.

        Raises:
            CouldNotRunError: no such interpreter, or the wheels can't be had.
        """
        self.description = f"local, {platform.system()} {platform.release()}"
        self.folder, self.local = folder, local
        self.artifacts = dict(zip(local.artifacts, artifacts, strict=True))
        self.environment = environment(local, folder, progress)
        self.variables = dict(variables)

    def close(self) -> None:
        """Nothing is held open."""

    @contextlib.contextmanager
    def session(self, launch: Launch) -> Iterator[LocalSession]:
        """Run a subject's processes in a scratch folder; all are gone when the block ends."""
        # Signals wait while things are made and removed: one that came between two lines of the
        # clean-up would cut it short.
        with deferred(), contextlib.ExitStack() as removal:
            session = LocalSession(self, launch, removal.enter_context(scratch_folder()))
            removal.callback(session.stop)
            session.begin()
            with interruptible():
                yield session


class LocalSession:
    """Processes of one launch; made by `LocalEngine.session`."""

    image_id = None

    def __init__(self, engine: LocalEngine, launch: Launch, scratch: Path) -> None:
        """Remember everything; `begin` starts the first process."""
        self._engine, self._launch, self._scratch = engine, launch, scratch
        self._running: list[subprocess.Popen[bytes]] = []
        self._service: subprocess.Popen[bytes] | None = None
        self._log = scratch / "service.log"
        self._port = 0
        self._capture = Capture(32 << 20)
        self._problems: list[SubjectError] = []

    def begin(self) -> None:
        """Start the service, where there is one, and the probe."""
        if self._launch.service is not None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self._port = free.getsockname()[1]
            command = fill(self._launch.service.start, {"port": str(self._port)})
            with self._log.open("wb") as log:
                self._service = self._spawn(command, stdin=None, stdout=log, stderr=log)
        command = probing.probe_arguments(
            [str(self._engine.environment / "bin" / "python")],
            artifacts=[str(self._engine.folder / path) for path in self._engine.artifacts],
            hash_files=self._launch.hash_files,
        )
        process = self._spawn(command, stdin=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

        def gather() -> None:
            try:
                self._exchange(process, self._capture, _PROBE_TIMEOUT)
            except SubjectError as error:
                self._problems.append(error)

        self._probing = threading.Thread(target=gather, daemon=True)
        self._probing.start()

    def snapshot(self) -> Snapshot:
        """What the probe saw, without the layers that this engine can't vouch for."""
        while self._probing.is_alive():
            self._probing.join(0.2)
        if self._problems:
            raise SubjectError(f"the probe {self._problems[0].message}", hint=self._problems[0].hint)
        try:
            seen = Snapshot.from_probe(bytes(self._capture.stdout))
        except CouldNotRunError as error:
            said = self._capture.stderr.strip()[-500:]
            raise SubjectError(f"{error.message}{': ' + said if said else ''}", hint=error.hint) from error
        for layer in (Layer.OS, Layer.IMAGE):
            seen = seen.without(layer, "the local engine runs on this host, not in the image")
        folder = self._engine.folder
        return seen.with_artifact_prefixes(
            {str(folder / ours): theirs for ours, theirs in self._engine.artifacts.items()}
        )

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
        """Run a command in the project's folder; see `goldlock.engines.Session.run`."""
        exchange = Path(tempfile.mkdtemp(dir=self._scratch))
        for name, path in (files or {}).items():
            shutil.copyfile(path, exchange / name)
        if output and output.endswith("/"):
            (exchange / output).mkdir()
        names = [*(files or {}), *([output.rstrip("/")] if output else [])]
        argv = fill(command, {name.partition(".")[0]: str(exchange / name) for name in names})
        with contextlib.ExitStack() as stack:
            said = None if stdout is None else stack.enter_context(stdout.open("wb", buffering=0))
            capture = Capture(self._launch.limits.output_bytes, said)
            process = self._spawn(
                argv,
                stdin=None if stdin is None else stack.enter_context(stdin.open("rb")),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            self._exchange(process, capture, timeout)
        written = {}
        if output and into is not None and process.returncode == 0:
            written = self._collect(exchange, output.rstrip("/"), into)
        return Completed(
            exit_code=process.returncode, stdout=bytes(capture.stdout), stderr=capture.stderr, files=written
        )

    def _collect(self, exchange: Path, output: str, into: Path) -> dict[str, Path]:
        top, left, found = exchange / output, self._launch.limits.output_bytes, {}
        if not top.exists() and not top.is_symlink():
            raise SubjectError(
                f"ended with exit code 0 and wrote no {output}",
                hint="the command must write to the path that {output} stands for",
            )
        for path in [top] if not top.is_dir() or top.is_symlink() else sorted(top.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                continue
            if path.is_symlink() or not path.is_file():
                raise SubjectError(f"output {path.name!r} is a link or a device, not a file")
            left -= path.stat().st_size
            if left < 0:
                raise SubjectError(
                    "wrote an output larger than is read",
                    hint="raise subject.limits.output in goldlock.toml if that is right",
                )
            inside = path.relative_to(exchange)
            found[inside.as_posix()] = into / inside
            (into / inside).parent.mkdir(parents=True, exist_ok=True)
            # A copy: whatever of the subject still runs may hold the file open.
            shutil.copyfile(path, into / inside, follow_symlinks=False)
        return found

    def _spawn(
        self,
        command: Sequence[str],
        *,
        stdin: IO[bytes] | None,
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
    ) -> subprocess.Popen[bytes]:
        limits = self._launch.limits
        passed = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
        binaries = self._engine.environment / "bin"
        variables = {
            **passed,
            "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self._scratch),
            "TMPDIR": str(self._scratch),
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._engine.variables,
            **self._engine.local.environment,
            **self._launch.environment,
        }

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limits.scratch_bytes, limits.scratch_bytes))

        with deferred():
            try:
                process = subprocess.Popen(  # the subject's own command
                    list(command),
                    cwd=self._engine.folder,
                    env=variables,
                    stdin=subprocess.DEVNULL if stdin is None else stdin,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                    preexec_fn=limit,  # noqa: PLW1509  # no thread holds a lock that these calls take
                )
            except OSError as error:
                raise SubjectError(
                    f"`{command[0] if command else ''}` can't be run: {error.strerror}",
                    hint="check the case's command and subject.local in goldlock.toml",
                ) from error
            self._running.append(process)
        return process

    def _exchange(self, process: subprocess.Popen[bytes], capture: Capture, timeout: float) -> None:
        """Gather both streams; the whole process group goes where a limit is broken."""
        try:
            _listen(process, capture, time.monotonic() + timeout)
        except TimeoutError:
            raise SubjectError(
                f"gave no answer within {timeout:g} s and was stopped",
                hint="raise the case's timeout in goldlock.toml if it needs longer",
            ) from None
        finally:
            _kill(process)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def address(self) -> tuple[str, int]:
        """Where the service listens; it must take its port from `{port}`."""
        return "127.0.0.1", self._port

    def ended(self) -> str | None:
        """Why the service no longer runs, None while it does."""
        if self._service is None or self._service.poll() is None:
            return None
        reason = f"ended with exit code {self._service.returncode}"
        return f"{reason}\n{log}" if (log := self.said()) else reason

    def said(self) -> str:
        """The end of the service's log."""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _LOG_TAIL))
            return file.read(_LOG_TAIL).decode("utf-8", "replace").strip()

    def stop(self) -> None:
        """Kill everything that was started."""
        with deferred():
            for process in self._running:
                _kill(process)
            _kill_strays(self._scratch)


def _listen(process: subprocess.Popen[bytes], capture: Capture, end: float) -> None:
    """Read a process until it has ended and nothing more comes from it.

    Raises:
        TimeoutError: `end`, a time of the monotonic clock, passed first.
        SubjectError: it wrote more than is read.
    """
    with selectors.DefaultSelector() as selector:
        for number, pipe in ((STDOUT, process.stdout), (STDERR, process.stderr)):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, number)
        while selector.get_map():
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            # Looked at before reading: what was written before the end is then read after it.
            over = process.poll() is not None
            if over:
                _kill(process)
            ready = selector.select(0.0 if over else min(left, _GLANCE))
            if over and not ready:
                # A child that it left behind may hold the streams for ever; they are not its answer.
                return
            for key, _ in ready:
                if piece := os.read(key.fd, 1 << 16):
                    capture.add(key.data, piece)
                else:
                    selector.unregister(key.fileobj)
    try:
        process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _kill_strays(scratch: Path) -> None:
    """Kill what left its process group: whatever still carries our scratch folder in its environment."""
    marks = {f"{name}={scratch}".encode() for name in ("HOME", "TMPDIR")}
    for _ in range(_ROUNDS):
        found = False
        for place in glob.iglob("/proc/[0-9]*/environ"):  # noqa: PTH207
            try:
                with open(place, "rb") as file:  # noqa: PTH123
                    ours = not marks.isdisjoint(file.read().split(b"\0"))
                if ours and int(place.split("/")[2]) != os.getpid():
                    os.kill(int(place.split("/")[2]), signal.SIGKILL)
                    found = True
            except OSError:
                continue
        if not found:
            return
        time.sleep(_GLANCE)
