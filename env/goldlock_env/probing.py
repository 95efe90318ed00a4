"""Running the probe: as an argument list for wherever it is to run, or on an interpreter of this host."""

from __future__ import annotations

import base64
import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from goldlock_env import framing
from goldlock_env.decoding import clean
from goldlock_env.errors import ConfigurationError, CouldNotRunError
from goldlock_env.snapshot import Snapshot

LONGEST_ARGUMENT = 128 * 1024 - 1
"""Bytes; Linux refuses a longer one (MAX_ARG_STRLEN)."""
END_MARKER = framing.END
"""What ends the snapshot in the stream: with ``--hold`` the stream itself does not end."""
DEFAULT_TIMEOUT = 300.0
"""Seconds; hashing runs at a gigabyte a second and more, once the files are in memory."""

_STDERR_KEPT = 16 * 1024
# The current folder leaves sys.path before anything is imported: its zlib.py is not the interpreter's.
_BOOTSTRAP = (
    "import sys\n"
    "sys.dont_write_bytecode=True\n"
    "if sys.path and sys.path[0]=='':del sys.path[0]\n"
    "import binascii,zlib\n"
    "exec(compile(zlib.decompress(binascii.a2b_base64(b'{}')),'<goldlock probe>','exec'))"
)


def probe_source() -> str:
    """Text of probe.py. It is data: it is read, handed over, and never imported."""
    return resources.files("goldlock_env").joinpath("probe.py").read_text(encoding="utf-8")


def probe_arguments(
    python: Sequence[str],
    *,
    artifacts: Sequence[str] = (),
    hash_files: bool = True,
    hold: bool = False,
) -> list[str]:
    """The argument list that runs the probe where no file of ours is: the program is an argument itself.

    ``python`` starts the interpreter (``["python"]``, ``["/opt/venv/bin/python", "-E"]``). With ``hold``
    the process stays after it has printed. Raises ConfigurationError for an argument no system accepts.
    """
    packed = base64.b64encode(zlib.compress(probe_source().encode("utf-8"), 9)).decode("ascii")
    arguments = [*python, "-c", _BOOTSTRAP.format(packed)]
    for artifact in artifacts:
        arguments += ["--artifact", artifact]
    if not hash_files:
        arguments.append("--no-hash")
    if hold:
        arguments.append("--hold")
    for argument in arguments:
        if "\0" in argument or len(os.fsencode(argument)) > LONGEST_ARGUMENT:
            raise ConfigurationError(
                f"{clean(argument[:80])!r}... cannot be an argument of a program",
                hint="Look at subject.python and subject.artifacts: a path has no NUL and is shorter than 128 KiB.",
            )
    return arguments


def probe_root(folder: Path) -> Snapshot:
    """What a file system says without an interpreter of its own: its operating system, and the numeric
    variables in its proc/1/environ. The host's layer is this machine's.

    ``folder`` holds regular files only, made by the caller: links in it would be followed here.
    """
    arguments = [*probe_arguments([sys.executable, "-I"]), "--root", str(folder)]
    outcome = _run(arguments, {}, None, DEFAULT_TIMEOUT)
    if outcome.problem or outcome.code:
        said = outcome.problem or clean(outcome.stderr.decode("utf-8", "replace").strip())[-600:]
        raise CouldNotRunError(
            f"{folder}: the probe failed: {said}", hint="Look at the Python that runs goldlock."
        )
    return Snapshot.from_probe(outcome.stdout)


def probe_interpreter(
    path: str | Path,
    *,
    artifacts: Sequence[str] = (),
    hash_files: bool = True,
    environment: Mapping[str, str] | None = None,
    folder: str | Path | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Snapshot:
    """Run the probe on an interpreter of this host.

    ``environment`` replaces ours when it is given; relative artifacts are looked up from ``folder``.
    Raises CouldNotRunError: not there, not permitted, not a Python, too old, too slow, too much output.
    """
    arguments = probe_arguments([str(path)], artifacts=artifacts, hash_files=hash_files)
    try:
        outcome = _run(arguments, environment, folder, timeout)
    except FileNotFoundError as error:
        place = str(folder) if folder is not None and str(error.filename) == str(folder) else str(path)
        raise CouldNotRunError(
            f"{place}: there is no such file", hint="Give the path of a Python interpreter."
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CouldNotRunError(
            f"{path}: could not be started: {reason}",
            hint="Give the path of a Python interpreter that you may run.",
        ) from None
    if outcome.problem:
        raise CouldNotRunError(f"{path}: the probe {outcome.problem}", hint=outcome.hint)
    if outcome.code != 0:
        ending = (
            f"was ended by signal {-outcome.code}"
            if outcome.code < 0
            else f"ended with exit code {outcome.code}"
        )
        said = clean(" ".join(outcome.stderr.decode("utf-8", "replace").split("\n")[-4:]).strip())[-600:]
        raise CouldNotRunError(
            f"{path}: the probe {ending}{': ' + said if said else ''}",
            hint="It has to be a Python interpreter, 2.7 or 3.4 and later, that starts without an error.",
        )
    try:
        return Snapshot.from_probe(outcome.stdout)
    except CouldNotRunError as error:
        raise CouldNotRunError(f"{path}: {error.message}", hint=error.hint) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    problem: str = ""
    hint: str = ""


def _run(
    arguments: Sequence[str], environment: Mapping[str, str] | None, folder: str | Path | None, timeout: float
) -> _Outcome:
    """Run a program with a limit on its time and on its output; its whole process group ends with it."""
    deadline = time.monotonic() + timeout
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=folder,
        start_new_session=True,
    )
    try:
        return _collect(process, deadline, timeout)
    finally:
        # In every ending, Ctrl-C included: what it has started must not outlive it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _collect(process: subprocess.Popen[bytes], deadline: float, timeout: float) -> _Outcome:
    stdout, stderr = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream, kept in ((process.stdout, stdout), (process.stderr, stderr)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, kept)
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(max(0.0, left)) if left > 0 else []
            if not ready and deadline <= time.monotonic():
                return _Outcome(
                    problem=f"did not end within {timeout:g} seconds",
                    hint="Its start-up may hang, or there is very much to hash: give it more time, or do not hash.",
                )
            for key, _ in ready:
                part = os.read(key.fd, 65536)
                if not part:
                    selector.unregister(key.fileobj)
                    continue
                kept = key.data
                kept += part
                if kept is stderr:
                    del stderr[:-_STDERR_KEPT]
                elif len(stdout) > framing.LARGEST_OUTPUT:
                    return _Outcome(
                        problem=f"printed more than {framing.LARGEST_OUTPUT // 2**20} MiB",
                        hint="The interpreter's start-up code floods its output: look at sitecustomize and *.pth.",
                    )
    try:
        code = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return _Outcome(
            problem=f"did not end within {timeout:g} seconds", hint="It closed its output and stayed."
        )
    return _Outcome(code=code, stdout=bytes(stdout), stderr=bytes(stderr))
