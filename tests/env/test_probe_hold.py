"""The probe as a process that stays: a container's first process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.env.subjects import interpreter

from goldlock_env.probing import END_MARKER, probe_arguments
from goldlock_env.snapshot import Snapshot


def _start(python: Path) -> tuple[subprocess.Popen[bytes], Snapshot]:
    process = subprocess.Popen(
        probe_arguments([str(python)], hash_files=False, hold=True),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    output = b""
    while END_MARKER not in output:
        assert select.select([process.stdout], [], [], 30)[0], "no snapshot within 30 s"
        output += os.read(process.stdout.fileno(), 65536)
    return process, Snapshot.from_probe(output)


@pytest.mark.parametrize("version", ["2.7", "3.8", "3.13"])
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_stays_after_printing_and_ends_at_once_when_told_to(version: str, ending: signal.Signals) -> None:
    process, snapshot = _start(interpreter(version))
    with process:
        try:
            assert snapshot.python is not None
            time.sleep(0.2)
            assert process.poll() is None
            process.send_signal(ending)
            assert process.wait(5) == 0
        finally:
            process.kill()


def test_reaps_what_is_orphaned_to_it(tmp_path: Path) -> None:
    """As a subreaper it is given orphans as a container's first process is."""
    starter = tmp_path / "starter.py"
    # prctl(PR_SET_CHILD_SUBREAPER, 1) lasts through the exec; the probe then inherits the orphan.
    starter.write_text(
        "import ctypes, os, sys\n"
        "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        import time; time.sleep(3); os._exit(0)\n"
        "    os._exit(0)\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    arguments = probe_arguments([sys.executable], hash_files=False, hold=True)
    process = subprocess.Popen([sys.executable, starter, *arguments], stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout is not None
            output = b""
            while END_MARKER not in output:
                output += os.read(process.stdout.fileno(), 65536)
            deadline = time.monotonic() + 15
            while (left := _children(process.pid)) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert left == []
            assert process.poll() is None
        finally:
            process.kill()


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
