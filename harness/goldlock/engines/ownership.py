"""Labels that say which process owns what an engine holds, so that a dead one's can be swept."""

from __future__ import annotations

import functools
import os
import re
import socket
from pathlib import Path

PREFIX = "io.goldlock"
LABEL = f"{PREFIX}.session"
OWNER = f"{PREFIX}.owner"
BASE_LABEL = f"{PREFIX}.base"
INPUTS_LABEL = f"{PREFIX}.inputs"


def labels() -> dict[str, str]:
    """The labels for everything that this process creates."""
    return {LABEL: "1", OWNER: _owner()}


@functools.cache
def _owner() -> str:
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}"


def _machine() -> str:
    """Host name and process namespace: containers may share a name, and each counts processes anew."""
    try:
        return f"{socket.gethostname()}/{Path('/proc/self/ns/pid').readlink().name}"
    except OSError:
        return socket.gethostname()


def is_dead(owner: str) -> bool:
    """Whether the owner was a process of this machine that no longer runs.

    An owner on another machine, or one that can't be read, counts as living.
    """
    host, _, rest = owner.rpartition(":")[0].rpartition(":")
    started = owner.rpartition(":")[2]
    if (
        host != _machine()
        or re.fullmatch("[0-9]{1,10}", rest) is None
        or not Path("/proc/self/stat").exists()
    ):
        return False
    return _started(int(rest)) != started


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot: field 22 of proc(5)'s stat."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "0"
