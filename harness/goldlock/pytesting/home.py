"""The private folder where a test run and its broker meet, and the locks that say who is still there.

::

    goldlock-pytest-XXXX/key       what a client must know to be let in
    goldlock-pytest-XXXX/owner     locked by the process that pytest was started as, as long as it lives
    goldlock-pytest-XXXX/alive     locked by the broker as long as it lives
    goldlock-pytest-XXXX/starting  locked by the client that starts the broker
    goldlock-pytest-XXXX/socket    where the broker listens
    goldlock-pytest-XXXX/log       what it says on its stderr

The kernel gives a dead process's locks back, so that each side learns of the other's end, however it came.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 90
"""Bytes of a folder's path that leave room for the socket's name: an address has 108 (unix(7))."""
_PATIENCE = 60.0


class Home:
    """The folder as its owner has it; a worker of pytest-xdist knows its path only."""

    def __init__(self) -> None:
        """Make it."""
        folder = tempfile.mkdtemp(prefix="goldlock-pytest-")
        if len(os.fsencode(folder)) > _LONGEST:
            os.rmdir(folder)  # noqa: PTH106
            folder = tempfile.mkdtemp(prefix="goldlock-pytest-", dir="/tmp")  # made private
        self.folder = Path(folder)
        key = os.open(self.folder / "key", os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(key, secrets.token_bytes(32))
        os.close(key)
        self._lock = os.open(self.folder / "owner", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._pid = os.getpid()

    def end(self) -> None:
        """Let the broker clean up, wait for it, and remove the folder."""
        if os.getpid() != self._pid:
            return
        # Given back by name: a process that was forked meanwhile holds the same lock.
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)
        with contextlib.suppress(FileNotFoundError):
            _wait_for(self.folder / "alive")
        shutil.rmtree(self.folder, ignore_errors=True)


def _wait_for(path: Path) -> None:
    """Until nobody holds the lock, or patience ends: the broker goes on without us."""
    end = time.monotonic() + _PATIENCE
    lock = os.open(path, os.O_RDWR)
    try:
        while time.monotonic() < end:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(0.02)
    finally:
        os.close(lock)


@contextlib.contextmanager
def held(path: Path) -> Iterator[int]:
    """Hold the lock for the length of the block; gives its descriptor, which a child may inherit."""
    lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def wait_until_free(path: Path) -> None:
    """Block until the lock's holder gives it back or dies."""
    lock = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)
