"""The programs that goldlock puts where there are none: run as what they are, by the kernel and by QEMU."""

from __future__ import annotations

import platform
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from goldlock.engines import programs
from goldlock.errors import CouldNotRunError

# By Go's names, as engines give them; the other one's programs run where QEMU's user mode is installed (CI installs it).
HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")
EMULATORS = {"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}
RUNNABLE = [name for name, qemu in EMULATORS.items() if name == HERE or shutil.which(qemu)]


def _command(folder: Path, architecture: str, content: bytes) -> list[str]:
    path = folder / "program"
    path.write_bytes(content)
    path.chmod(0o755)
    return [str(path)] if architecture == HERE else [EMULATORS[architecture], str(path)]


def test_they_are_tiny() -> None:
    for architecture in EMULATORS:
        assert len(programs.stay(architecture)) <= 200
        assert len(programs.remove(architecture)) <= 200


@pytest.mark.parametrize("architecture", RUNNABLE)
def test_one_stays_without_work_until_it_is_told_to_end(tmp_path: Path, architecture: str) -> None:
    with subprocess.Popen(_command(tmp_path, architecture, programs.stay(architecture))) as process:
        try:
            state = Path(f"/proc/{process.pid}/stat")
            end = time.monotonic() + 10
            while state.read_text().rpartition(")")[2].split()[0] != "S" or _maps(process.pid) == 0:
                assert process.poll() is None
                assert time.monotonic() < end, "it does not sleep"
                time.sleep(0.01)
            used = _ticks(state)
            time.sleep(0.3)
            assert process.poll() is None
            assert _ticks(state) - used <= 2, "it spins"
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM


def _maps(pid: int) -> int:
    return len(Path(f"/proc/{pid}/maps").read_text().splitlines())


def _ticks(state: Path) -> int:
    """User and system time in clock ticks: fields 14 and 15 of proc(5)'s stat."""
    fields = state.read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize("architecture", RUNNABLE)
def test_the_one_that_stays_leaves_no_zombies(tmp_path: Path, architecture: str) -> None:
    """A child that it has from before ends: with SIGCHLD ignored the kernel lets go of it."""
    command = _command(tmp_path, architecture, programs.stay(architecture))
    begun = f"(sleep 0.3) & echo $!; exec {' '.join(command)}"
    with subprocess.Popen(["sh", "-c", begun], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            child = Path("/proc") / process.stdout.readline().strip()
            end = time.monotonic() + 10
            while child.exists():
                assert time.monotonic() < end, "a zombie is left"
                time.sleep(0.02)
        finally:
            process.kill()


@pytest.mark.parametrize("architecture", RUNNABLE)
def test_the_other_one_removes_what_it_is_given_and_nothing_else(tmp_path: Path, architecture: str) -> None:
    command = _command(tmp_path, architecture, programs.remove(architecture))
    (tmp_path / "full" / "inner").mkdir(parents=True)
    (tmp_path / "full" / "inner" / "file").write_text("x")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    names = ["full/inner/file", "full/inner", "absent", "full", "kept", "link", "program"]
    subprocess.run([*command, *names], cwd=tmp_path, check=True, timeout=30)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["kept", "kept/file"], "a folder with something in it stays"


def test_another_architecture_is_named() -> None:
    with pytest.raises(CouldNotRunError) as caught:
        programs.stay("s390x")
    assert "'s390x'" in str(caught.value)
