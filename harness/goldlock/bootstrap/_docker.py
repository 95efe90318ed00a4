"""A Docker engine where there is none yet: installed on Debian and Ubuntu, and started, as root."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from goldlock.bootstrap._machine import (
    EngineState,
    Machine,
    alone,
    install,
    launch,
    refused,
    to_stderr,
    wait,
)
from goldlock.bootstrap._ping import Ping, ping

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGES = {"dockerd": "docker.io", "iptables": "iptables", "mmdebstrap": "mmdebstrap"}
"""Program to the Debian package that brings it; mmdebstrap makes the offline base image."""


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
    say = say or to_stderr
    answer, said = ping(machine.address, timeout=machine.ping_timeout)
    if answer is Ping.ANSWERS:
        if machine.root and machine.debian() and machine.program("mmdebstrap") is None:
            try:
                failure = install(machine, ["mmdebstrap"], say)
            except (OSError, subprocess.TimeoutExpired) as error:
                failure = refused(error)
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
        with alone(machine.cache / "bootstrap.lock"):
            if ping(machine.address, timeout=machine.ping_timeout)[0] is Ping.ANSWERS:
                # Another process was faster.
                return EngineState(
                    ready=True, started=False, reason=f"an engine answers at {machine.address}"
                )
            failure = _make_engine(machine, say)
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = refused(error)
    if failure:
        return EngineState(ready=False, started=False, reason=f"{said}, and none can be started: {failure}")
    return EngineState(ready=True, started=True, reason=ping(machine.address)[1])


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


def _make_engine(machine: Machine, say: Callable[[str], None]) -> str:
    """Install and start what is missing; an empty answer is success, any other is the reason."""
    missing = [package for program, package in _PACKAGES.items() if machine.program(program) is None]
    if missing:
        if machine.debian():
            failure = install(machine, missing, say)
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
        return (
            wait(machine, machine.address, "dockerd", None)
            and "the docker service does not answer; see `systemctl status docker`"
        )
    _forget_dead(machine)
    log = machine.cache / "dockerd.log"
    say(f"starting dockerd (log: {log})")
    return launch(machine, [dockerd], address=machine.address, variables={}, log=log)


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
