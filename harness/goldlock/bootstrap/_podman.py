"""A Podman service of goldlock's own, beside whatever else is on the machine.

It has its own socket, settings, images and networks: a Podman that somebody uses here is neither
reconfigured nor filled up, and `podman images` does not show what lies there.
"""

from __future__ import annotations

import json
import resource
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.bootstrap._machine import EngineState, Machine, alone, install, launch, refused, to_stderr
from goldlock.bootstrap._ping import Ping, ping

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGES = {"podman": "podman", "runc": "runc", "iptables": "iptables", "mmdebstrap": "mmdebstrap"}
"""Program to the Debian package that brings it; mmdebstrap makes the offline base image."""
_MOST_FILES = 1 << 20
_MOST_PROCESSES = 4096


def podman_address(machine: Machine) -> str:
    """The DOCKER_HOST of the service that `ensure_podman` starts."""
    return f"unix://{_socket(machine)}"


def ensure_podman(machine: Machine | None = None, *, say: Callable[[str], None] | None = None) -> EngineState:
    """Make a Podman service answer, and say why not where that is not possible; never raises for that.

    Args:
        machine: where; this machine if not given. Its `address` does not matter: the service has its own.
        say: receives a line for each thing that is done; stderr if not given.
    """
    machine = machine or Machine.here()
    say = say or to_stderr
    address = podman_address(machine)
    answer, said = ping(address, timeout=machine.ping_timeout)
    if answer is Ping.ANSWERS:
        return EngineState(ready=True, started=False, reason=said)
    if not machine.root:
        reason = (
            f"{said}, and goldlock starts Podman as root only; as another user run"
            " `podman system service --time=0 unix://$XDG_RUNTIME_DIR/podman/podman.sock`"
            " and set DOCKER_HOST to that address"
        )
        return EngineState(ready=False, started=False, reason=reason)
    try:
        machine.cache.mkdir(parents=True, exist_ok=True)
        with alone(machine.cache / "bootstrap.lock"):
            answer, said = ping(address, timeout=machine.ping_timeout)
            if answer is Ping.ANSWERS:
                # Another process was faster.
                return EngineState(ready=True, started=False, reason=said)
            failure = _make(machine, say)
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = refused(error)
    if failure:
        return EngineState(ready=False, started=False, reason=f"{said}, and none can be started: {failure}")
    return EngineState(ready=True, started=True, reason=ping(address)[1])


def settings(machine: Machine, *, files: int, processes: int) -> str:
    """The service's containers.conf(5), in full: while CONTAINERS_CONF names it, no other is read.

    Args:
        machine: where the service is to run; what it lacks is left to Podman to choose.
        files: most open files that this process may allow another; no container can be given more.
        processes: most processes, likewise.
    """
    runtime, netavark = machine.program("runc") is not None, _netavark(machine)
    networks = json.dumps(str(machine.state_folder / "podman" / "networks"))
    return "\n".join(
        [
            "[containers]",
            # Podman would ask for a million of each, which a machine with lower limits refuses. Podman 4.3 takes
            # the soft limit for the hard one: they have to be the same.
            f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]',
            'log_driver = "k8s-file"',
            "",
            "[engine]",
            # Works without systemd, and where both versions of cgroups are mounted.
            'cgroup_manager = "cgroupfs"',
            'events_logger = "file"',
            "exit_command_delay = 5",
            # Podman's other kind of lock is shared by all Podmans of a user.
            'lock_type = "file"',
            *(['runtime = "runc"'] if runtime else []),
            "",
            "[network]",
            # CNI's internal networks cannot be reached from the machine itself.
            *(['network_backend = "netavark"'] if netavark else []),
            f"network_config_dir = {networks}",
            "",
        ]
    )


def _socket(machine: Machine) -> Path:
    return machine.run_folder.resolve() / "goldlock" / "podman.sock"


def _netavark(machine: Machine) -> bool:
    return any((folder / "netavark").exists() for folder in machine.podman_helpers)


def _make(machine: Machine, say: Callable[[str], None]) -> str:
    """Install and start what is missing; an empty answer is success, any other is the reason."""
    missing = [package for program, package in _PACKAGES.items() if machine.program(program) is None]
    if not _netavark(machine):
        missing.append("netavark")
    if missing:
        if machine.debian():
            # One by one where they do not come together: older releases have no netavark.
            failure = install(machine, missing, say)
            if failure and len(missing) > 1:
                failure = "; ".join(filter(None, (install(machine, [package], say) for package in missing)))
        else:
            failure = (
                f"{', '.join(missing)} missing, and goldlock installs packages on Debian and Ubuntu only"
            )
        if machine.program("podman") is None:
            return failure or "the package podman was installed, but brought no podman"
        if failure:
            say(f"going on without {', '.join(missing)}: {failure}")
    return _start(machine, say)


def _start(machine: Machine, say: Callable[[str], None]) -> str:
    """Start the service and wait until it answers; an empty answer is success."""
    podman = machine.program("podman") or "podman"
    own = machine.state_folder / "podman"
    own.mkdir(parents=True, exist_ok=True)
    written = own / "containers.conf"
    files, processes = (
        most if limit == resource.RLIM_INFINITY else min(limit, most)
        for limit, most in (
            (resource.getrlimit(resource.RLIMIT_NOFILE)[1], _MOST_FILES),
            (resource.getrlimit(resource.RLIMIT_NPROC)[1], _MOST_PROCESSES),
        )
    )
    written.write_text(settings(machine, files=files, processes=processes), encoding="utf-8")
    socket = _socket(machine)
    socket.parent.mkdir(parents=True, exist_ok=True)
    # Nobody answers there; left by one that was killed.
    socket.unlink(missing_ok=True)
    log = machine.cache / "podman.log"
    say(f"starting a Podman service (log: {log}, settings: {written})")
    return launch(
        machine,
        [
            podman,
            f"--root={own / 'storage'}",
            f"--runroot={socket.parent / 'podman'}",
            f"--tmpdir={socket.parent / 'libpod'}",
            "system",
            "service",
            "--time=0",
            podman_address(machine),
        ],
        address=podman_address(machine),
        variables={"CONTAINERS_CONF": str(written)},
        log=log,
    )
