"""A Docker engine where there is none yet: `python -m goldlock.bootstrap`.

On Debian and Ubuntu, as root, it installs what is missing and starts `dockerd`; everywhere else it
says why it cannot. Whether an engine answers is found out with a bare `GET /_ping`, so that this works
before, and without, the Docker SDK. Nothing is asked of a person, and what is done is said on stderr.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_DEFAULT_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
_PACKAGES = {"dockerd": "docker.io", "iptables": "iptables", "mmdebstrap": "mmdebstrap"}
"""Program to the Debian package that brings it; mmdebstrap makes the offline base image."""
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_APT_TIMEOUT = 900.0
_TAIL_LINES = 15


class Ping(Enum):
    """What became of one `GET /_ping`."""

    ANSWERS = "answers"
    ABSENT = "absent"
    """Nothing listens there."""
    DENIED = "denied"
    """Something is there, and this user may not talk to it."""
    BROKEN = "broken"
    """Something listens, and it does not answer as an engine does."""
    UNSUPPORTED = "unsupported"
    """The address is of a kind that cannot be tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """Whether an engine answers now."""

    ready: bool
    started: bool
    """Whether it was this call that started it."""
    reason: str
    """Where not ready: why, and what to do. Otherwise which address answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What is looked at and changed; tests put their own in its place."""

    address: str = DEFAULT_ADDRESS
    """As in DOCKER_HOST."""
    root: bool = False
    search_path: str = _SYSTEM_FOLDERS
    os_release: Path = Path("/etc/os-release")
    run_folder: Path = Path("/var/run")
    """Where dockerd leaves its pid files."""
    systemd: Path = Path("/run/systemd/system")
    """Exists where systemd is the init system."""
    cache: Path = field(default_factory=lambda: platformdirs.user_cache_path("goldlock"))
    default_sockets: tuple[str, ...] = _DEFAULT_SOCKETS
    """Sockets that a dockerd started without options opens."""
    ping_timeout: float = 5.0
    start_timeout: float = 90.0

    @classmethod
    def here(cls) -> Machine:
        """The machine that this process runs on."""
        path = os.environ.get("PATH", "")
        return cls(
            address=os.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS,
            root=hasattr(os, "geteuid") and os.geteuid() == 0,
            # A user's PATH often lacks the sbin folders in which dockerd and iptables live.
            search_path=f"{path}{os.pathsep}{_SYSTEM_FOLDERS}" if path else _SYSTEM_FOLDERS,
        )

    def program(self, name: str) -> str | None:
        return shutil.which(name, path=self.search_path)

    def debian(self) -> bool:
        """Whether apt-get installs Debian's or Ubuntu's packages here."""
        try:
            lines = self.os_release.read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        family = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").split()
        return bool({"debian", "ubuntu"}.intersection(family)) and self.program("apt-get") is not None

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": self.search_path,
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C.UTF-8",
        }


def ping(address: str, *, timeout: float = 5.0) -> tuple[Ping, str]:
    """Ask the engine at the address, written as in DOCKER_HOST, whether it is there; never raises.

    Returns what became of it, and a sentence that says so.
    """
    where = address
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        if parts.scheme == "unix":
            where = parts.path or parts.netloc
            stream = _connect_unix(where, timeout)
        elif parts.scheme in ("tcp", "http", "https"):
            encrypted = parts.scheme == "https" or bool(os.environ.get("DOCKER_TLS_VERIFY"))
            host, port = parts.hostname or "localhost", parts.port or (2376 if encrypted else 2375)
            where = f"{host}:{port}"
            stream = socket.create_connection((host, port), timeout)
            if encrypted:
                # The certificates are the Docker SDK's business; that somebody listens is enough here.
                stream.close()
                return Ping.ANSWERS, f"something listens at {where}"
        else:
            return Ping.UNSUPPORTED, f"{address} is not an address goldlock can use: unix:// and tcp:// are"
        with stream:
            status = _get_ping(stream)
    except PermissionError:
        return Ping.DENIED, f"permission denied on {where}"
    except (FileNotFoundError, ConnectionRefusedError):
        return Ping.ABSENT, f"no engine listens at {where}"
    except TimeoutError:
        return Ping.BROKEN, f"what listens at {where} did not answer within {timeout:g} seconds"
    except (OSError, ValueError) as error:
        return Ping.ABSENT, f"{address} cannot be reached: {error}"
    if status == 200:
        return Ping.ANSWERS, f"an engine answers at {where}"
    return (
        Ping.BROKEN,
        f"what listens at {where} is no engine, or a broken one: it answered {status or 'no HTTP'}",
    )


def engine_state(machine: Machine | None = None) -> EngineState:
    """Whether an engine answers; changes nothing."""
    machine = machine or Machine.here()
    answer, said = ping(machine.address, timeout=machine.ping_timeout)
    return EngineState(ready=answer is Ping.ANSWERS, started=False, reason=said + _advice(answer, machine))


def ensure_engine(machine: Machine | None = None, *, say: Callable[[str], None] | None = None) -> EngineState:
    """Make an engine answer, if that is possible here, and say why not if it is not; never raises for that.

    Args:
        machine: where; this machine if not given.
        say: receives a line for each thing that is done; stderr if not given.
    """
    machine = machine or Machine.here()
    say = say or _to_stderr
    answer, said = ping(machine.address, timeout=machine.ping_timeout)
    if answer is Ping.ANSWERS:
        if machine.root and machine.debian() and machine.program("mmdebstrap") is None:
            try:
                failure = _install(machine, ["mmdebstrap"], say)
            except (OSError, subprocess.TimeoutExpired) as error:
                failure = _refused(error)
            if failure:
                say(f"mmdebstrap is missing, an offline base image cannot be built: {failure}")
        return EngineState(ready=True, started=False, reason=said)
    if answer is not Ping.ABSENT or not _is_default(machine):
        return EngineState(ready=False, started=False, reason=said + _advice(answer, machine))
    if not machine.root:
        return EngineState(
            ready=False,
            started=False,
            reason=f"{said}, and starting one takes root; run `sudo python -m goldlock.bootstrap`, or start one yourself",
        )
    try:
        machine.cache.mkdir(parents=True, exist_ok=True)
        with _alone(machine.cache / "bootstrap.lock"):
            if ping(machine.address, timeout=machine.ping_timeout)[0] is Ping.ANSWERS:
                # Another process was faster.
                return EngineState(
                    ready=True, started=False, reason=f"an engine answers at {machine.address}"
                )
            failure = _make_engine(machine, say)
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = _refused(error)
    if failure:
        return EngineState(ready=False, started=False, reason=f"{said}, and none can be started: {failure}")
    return EngineState(ready=True, started=True, reason=ping(machine.address)[1])


def main() -> int:
    """Exit code 0 where an engine answers now, 3 where none does."""
    state = ensure_engine()
    _to_stderr(state.reason)
    return 0 if state.ready else 3


def _advice(answer: Ping, machine: Machine) -> str:
    match answer:
        case Ping.DENIED:
            return (
                "; add this user to the group that owns the socket (often `docker`), "
                "or point DOCKER_HOST at an engine of your own"
            )
        case Ping.ABSENT if _is_default(machine):
            return "; start one, or run `python -m goldlock.bootstrap` as root on Debian or Ubuntu"
        case Ping.ABSENT:
            return "; start it, or unset DOCKER_HOST to use this machine's own engine"
        case Ping.BROKEN:
            return "; restart the engine, or point DOCKER_HOST at another"
        case Ping.UNSUPPORTED:
            return "; set DOCKER_HOST to one of those"
        case Ping.ANSWERS:
            return ""


def _is_default(machine: Machine) -> bool:
    """Whether a dockerd started here without options would answer at the address."""
    parts = urlsplit(machine.address)
    return parts.scheme == "unix" and (parts.path or parts.netloc) in machine.default_sockets


def _refused(error: OSError | subprocess.TimeoutExpired) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"{error.cmd[0]} did not end within {error.timeout:.3g} seconds"
    return f"{error.filename or 'the system'}: {error.strerror}"


def _make_engine(machine: Machine, say: Callable[[str], None]) -> str:
    """Install and start what is missing; an empty answer is success, any other is the reason."""
    missing = [package for program, package in _PACKAGES.items() if machine.program(program) is None]
    if missing:
        if machine.debian():
            failure = _install(machine, missing, say)
        else:
            failure = (
                f"{', '.join(missing)} missing, and goldlock installs packages on Debian and Ubuntu only"
            )
        dockerd = machine.program("dockerd")
        if dockerd is None:
            return failure or "docker.io was installed, but brought no dockerd"
        if failure:
            say(f"going on without {', '.join(missing)}: {failure}")
    return _start(machine, say)


def _install(machine: Machine, packages: Sequence[str], say: Callable[[str], None]) -> str:
    """apt-get; an empty answer is success."""
    apt = machine.program("apt-get") or "apt-get"
    options = ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    say(f"installing {', '.join(packages)} (apt-get)")
    machine.cache.mkdir(parents=True, exist_ok=True)
    log = machine.cache / "apt.log"
    with log.open("wb") as stream:
        code = 0
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            code = subprocess.run(
                [apt, *options, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=machine.environment(),
                timeout=_APT_TIMEOUT,
                check=False,
            ).returncode
    # A failed update alone does no harm when the old lists still lead to the packages.
    return f"apt-get ended with {code}; the end of {log}:\n{_tail(log)}" if code else ""


def _start(machine: Machine, say: Callable[[str], None]) -> str:
    """Start dockerd and wait until it answers; an empty answer is success."""
    dockerd = machine.program("dockerd")
    systemctl = machine.program("systemctl")
    if dockerd is None:
        return "there is no dockerd on this machine; install Docker Engine or Podman"
    if machine.systemd.is_dir() and systemctl is not None:
        say("starting the docker service")
        subprocess.run(
            [systemctl, "start", "docker"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=machine.start_timeout,
            check=False,
        )
        return _wait(machine, None) and "the docker service does not answer; see `systemctl status docker`"
    _forget_dead(machine)
    log = machine.cache / "dockerd.log"
    say(f"starting dockerd (log: {log})")
    with log.open("wb") as stream:
        # In a session of its own, so that neither Ctrl-C nor the end of this process ends it.
        process = subprocess.Popen(
            [dockerd],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=machine.environment(),
            cwd="/",
            start_new_session=True,
        )
    failure = _wait(machine, process)
    if failure:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        return f"{failure}; the end of {log}:\n{_tail(log)}"
    # It outlives us by intent; a Popen that is forgotten while its process runs warns.
    process.returncode = 0
    return ""


def _wait(machine: Machine, process: subprocess.Popen[bytes] | None) -> str:
    """Until the engine answers; otherwise how that failed."""
    end = time.monotonic() + machine.start_timeout
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            return f"dockerd ended with {process.returncode} (in a container it needs --privileged)"
        if ping(machine.address, timeout=machine.ping_timeout)[0] is Ping.ANSWERS:
            return ""
        time.sleep(0.2)
    return f"dockerd did not answer within {machine.start_timeout:g} seconds"


def _forget_dead(machine: Machine) -> None:
    """Remove pid files of daemons that are gone, where their numbers now belong to other processes.

    That happens on machines that were stopped and restored; dockerd would refuse to start.
    """
    for file, program in (("docker.pid", "dockerd"), ("docker/containerd/containerd.pid", "containerd")):
        path = machine.run_folder / file
        try:
            name = (
                Path(f"/proc/{int(path.read_text(encoding='ascii'))}/comm")
                .read_text(encoding="utf-8")
                .strip()
            )
        except (OSError, ValueError):
            continue
        if name != program:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the process that holds it."""
    # Opened by number and closed on exec: dockerd must not inherit the lock.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _connect_unix(path: str, timeout: float) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.settimeout(timeout)
        stream.connect(path)
    except BaseException:
        stream.close()
        raise
    return stream


def _get_ping(stream: socket.socket) -> int | None:
    """The status of `GET /_ping` (Docker Engine API, "Ping"); None where the answer is not HTTP."""
    stream.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
    answer = b""
    while b"\r\n" not in answer and len(answer) < 4096:
        received = stream.recv(4096)
        if not received:
            break
        answer += received
    words = answer.split(b" ", 2)
    return int(words[1][:3]) if words[0].startswith(b"HTTP/") and words[1][:3].isdigit() else None


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])


def _to_stderr(line: str) -> None:
    print(f"goldlock: {line}", file=sys.stderr, flush=True)  # noqa: T201 - run before the terminal report exists


if __name__ == "__main__":
    sys.exit(main())
