"""Other programs run to their end, which an interruption ends with all of theirs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from goldlock.interruption import deferred, interruptible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PATIENCE = 20.0
"""Seconds in which an interrupted program may remove what it made."""


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stderr: int | None = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Run a program without stdin and gather its stdout, and stderr unless it is to go elsewhere.

    When goldlock is interrupted meanwhile, so is the program with everything that it started in its
    process group: as by Ctrl-C, so that it can clean up, and for good where it does not end.

    Raises:
        OSError: it can't be started.
    """
    with deferred():
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            with interruptible():
                stdout, said = process.communicate()
        except BaseException:
            _end(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, said or "")


def _end(process: subprocess.Popen[str]) -> None:
    _signal(process, signal.SIGINT)
    end = time.monotonic() + _PATIENCE
    # The pipes are still read: a program that blocks on them could not end. What holds them after it is killed.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=max(0.0, end - time.monotonic()))
    _signal(process, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _signal(process: subprocess.Popen[str], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
