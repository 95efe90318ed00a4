"""The probe on every Python of this machine, from 2.7 on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from tests.env.subjects import interpreter, sha256

from goldlock_env.probing import probe_arguments, probe_interpreter, probe_source
from goldlock_env.snapshot import Snapshot

VERSIONS = ["2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


@pytest.mark.parametrize("version", VERSIONS)
def test_tells_the_interpreter_and_its_packages(version: str) -> None:
    python = interpreter(version)
    said = subprocess.run(
        [python, "-c", "import sys; print(sys.version.split()[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    snapshot = probe_interpreter(python, hash_files=False)
    assert snapshot.python is not None
    assert snapshot.python.implementation == "cpython"
    assert snapshot.python.version == said.stdout.strip()
    assert snapshot.python.minor == version
    assert snapshot.python.executable_sha256 == sha256(python.resolve().read_bytes())
    assert version.replace(".", "") in (snapshot.python.abi or "")
    assert snapshot.packages is not None
    assert dict(snapshot.unknown) == {"image": "only the engine knows it"}


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8", "3.13"])
def test_hashes_what_is_installed(version: str) -> None:
    packages = probe_interpreter(interpreter(version)).packages
    assert packages is not None
    assert packages.hashed
    assert sum(one.files or 0 for one in packages.distributions) > 100 or version == "2.7"
    # Machines behind a proxy append its certificate to pip's own: an altered file, and rightly told.
    altered = {file.path for one in packages.distributions for file in one.altered}
    assert [path for path in altered if not path.endswith("cacert.pem")] == []


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.13"])
def test_is_silent_apart_from_the_snapshot_and_writes_nothing(version: str, tmp_path: Path) -> None:
    python = interpreter(version)
    done = subprocess.run(
        [python, "-W", "error", *probe_arguments([])], capture_output=True, cwd=tmp_path, check=True
    )
    assert done.stderr == b""
    assert list(tmp_path.iterdir()) == []
    assert Snapshot.from_probe(done.stdout).python is not None


@pytest.mark.parametrize("version", ["2.7", "3.8"])
def test_imports_nothing_from_the_current_folder(version: str, tmp_path: Path) -> None:
    for name in ("json", "zlib", "binascii", "os", "re", "hashlib", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the current folder')\n")
    assert probe_interpreter(interpreter(version), folder=tmp_path).python is not None


def test_the_same_twice_gives_the_same_snapshot() -> None:
    assert probe_interpreter(sys.executable) == probe_interpreter(sys.executable)


def test_tells_the_host_and_the_system() -> None:
    snapshot = probe_interpreter(sys.executable, hash_files=False)
    assert snapshot.host is not None
    assert snapshot.host.architecture == platform.machine()
    assert snapshot.host.kernel == platform.release()
    assert snapshot.host.cores == len(os.sched_getaffinity(0))
    if snapshot.host.architecture == "x86_64":
        assert (snapshot.host.cpu_level or "").startswith("x86-64-v")
    assert snapshot.os is not None
    assert snapshot.os.libc == " ".join(platform.libc_ver())
    if Path("/var/lib/dpkg/status").exists():
        listed = subprocess.run(
            ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"],
            capture_output=True,
            text=True,
            check=True,
        )
        lines = [line.split() for line in listed.stdout.splitlines()]
        installed = {(line[1], line[2]) for line in lines if line[0] == "installed"}
        assert snapshot.os.packages is not None
        assert {(name.split(":")[0], version) for name, version in snapshot.os.packages} == installed


def test_an_argument_never_exceeds_what_linux_accepts() -> None:
    assert max(map(len, probe_arguments(["python"]))) < 64 * 1024
    assert probe_source().startswith("# -*- coding")
