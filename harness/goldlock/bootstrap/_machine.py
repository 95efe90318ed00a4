"""The machine that an engine is to run on: what it has, and how packages and daemons come to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from goldlock.bootstrap._ping import Ping, ping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_DEFAULT_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
_PODMAN_HELPERS = tuple(
    Path(folder, "podman") for folder in ("/usr/libexec", "/usr/lib", "/usr/local/libexec", "/usr/local/lib")
)
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_APT_TIMEOUT = 900.0
_TAIL_LINES = 15


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
    """Where dockerd leaves its pid files, and where the socket of a Podman that is started here lies."""
    state_folder: Path = Path("/var/lib/goldlock")
    """What a Podman that is started here keeps: settings, images, containers."""
    podman_helpers: tuple[Path, ...] = _PODMAN_HELPERS
    """Where Podman looks for netavark: helper_binaries_dir in containers.conf(5)."""
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


def install(machine: Machine, packages: Sequence[str], say: Callable[[str], None]) -> str:
    """Install Debian's packages with apt-get; an empty answer is success, any other is the reason."""
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
    return f"apt-get ended with {code}; the end of {log}:\n{tail(log)}" if code else ""


def refused(error: OSError | subprocess.TimeoutExpired) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"{error.cmd[0]} did not end within {error.timeout:.3g} seconds"
    return f"{error.filename or 'the system'}: {error.strerror}"


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the process that holds it."""
    # Opened by number and closed on exec: dockerd must not inherit the lock.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])


def launch(
    machine: Machine, command: Sequence[str], *, address: str, variables: Mapping[str, str], log: Path
) -> str:
    """Start a daemon that outlives this process and wait until it answers; an empty answer is success."""
    name = Path(command[0]).name
    with log.open("wb") as stream:
        # In a session of its own, so that neither Ctrl-C nor the end of this process ends it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**machine.environment(), **variables},
            cwd="/",
            start_new_session=True,
        )
    failure = wait(machine, address, name, process)
    if failure:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        return f"{failure}; the end of {log}:\n{tail(log)}"
    # It outlives us by intent; a Popen that is forgotten while its process runs warns.
    process.returncode = 0
    return ""


def wait(machine: Machine, address: str, name: str, process: subprocess.Popen[bytes] | None) -> str:
    """Until the engine answers; otherwise how that failed."""
    end = time.monotonic() + machine.start_timeout
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            return f"{name} ended with {process.returncode} (in a container it needs --privileged)"
        if ping(address, timeout=machine.ping_timeout)[0] is Ping.ANSWERS:
            return ""
        time.sleep(0.2)
    return f"{name} did not answer within {machine.start_timeout:g} seconds"


def to_stderr(line: str) -> None:
    """Say what is done."""
    print(f"goldlock: {line}", file=sys.stderr, flush=True)  # noqa: T201 - run before the terminal report exists
