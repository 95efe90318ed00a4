"""The probe as the file that a client runs: what it writes and where, and on systems that are not Linux."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tests.env.subjects import Venv, interpreter, package, wheel_bytes

from goldlock_env import probing, returned
from goldlock_env.probing import probe_arguments, probe_source
from goldlock_env.snapshot import Snapshot

VERSIONS = ["2.7", "3.6", "3.8", "3.13"]

# As on Windows: no fork, no uname, no /proc, none of the files that tell of a Linux.
BARE = r"""
import errno, os, platform, sys, sysconfig
# What they know of this system they know before it is another one.
platform.uname(), sysconfig.get_config_var("SOABI")
for name in ("fork", "uname", "sysconf", "confstr", "sched_getaffinity", "setsid", "killpg", "O_NONBLOCK", "O_CLOEXEC"):
    if hasattr(os, name):
        delattr(os, name)
def denied(function):
    def call(path, *rest, **options):
        if str(path).startswith(("/proc", "/etc", "/usr/lib/os-release", "/var", "/lib/apk", "/usr/lib/apk")):
            raise OSError(errno.ENOENT, "No such file or directory", path)
        return function(path, *rest, **options)
    return call
os.stat, os.open = denied(os.stat), denied(os.open)
sys.platform = "win32"
os.environ["NUMBER_OF_PROCESSORS"] = "3"
"""


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / probing.STAND_ALONE
    path.parent.mkdir()
    path.write_bytes(probe_source().encode())
    return path


def run(
    python: Path | str, *arguments: str | Path, cwd: Path, code: int = 0
) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([python, *arguments], cwd=cwd, capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    return done


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_writes_a_file_of_plain_json(version: str, probe: Path, tmp_path: Path) -> None:
    done = run(interpreter(version), probe, "--output", "seen.json", "--no-hash", cwd=tmp_path)
    assert done.stdout == b""
    assert done.stderr.decode() == f"goldlock: {tmp_path.resolve() / 'seen.json'} is written; send it back\n"
    content = (tmp_path / "seen.json").read_bytes()
    assert content.startswith(b"{\n")
    assert max(map(len, content.split(b"\n"))) < 900, "lines that a mail server would break"
    snapshot = returned.read(content, where="seen.json")
    assert snapshot.python is not None
    assert snapshot.python.minor == version
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "seen.json"]


@pytest.mark.parametrize("version", ["2.7", "3.13"])
def test_it_says_the_same_as_the_probe_that_goldlock_runs(version: str, probe: Path, tmp_path: Path) -> None:
    python = interpreter(version)
    ours = run(python, *probe_arguments([]), cwd=tmp_path).stdout
    printed = run(python, probe, cwd=tmp_path).stdout
    run(python, probe, "--output", "seen.json", cwd=tmp_path)
    assert Snapshot.from_probe(ours) == Snapshot.from_probe(printed)
    assert returned.read((tmp_path / "seen.json").read_bytes(), where="") == Snapshot.from_probe(ours)


def test_it_writes_over_no_file(probe: Path, tmp_path: Path) -> None:
    (tmp_path / "seen.json").write_text("mine")
    done = run(sys.executable, probe, "--output", "seen.json", cwd=tmp_path, code=1)
    assert b"seen.json is there already; move it away" in done.stderr
    assert (tmp_path / "seen.json").read_text() == "mine"
    done = run(sys.executable, probe, "--output", "no/where.json", "--no-hash", cwd=tmp_path, code=1)
    assert b"no/where.json could not be written: no such file or directory" in done.stderr


def test_on_a_terminal_it_writes_the_file_that_is_sent_back(probe: Path, tmp_path: Path) -> None:
    main, end = pty.openpty()
    done = subprocess.run(
        [sys.executable, probe, "--no-hash"], cwd=tmp_path, stdout=end, stderr=subprocess.PIPE, check=False
    )
    os.close(end)
    os.close(main)
    assert done.returncode == 0, done.stderr
    assert returned.read((tmp_path / "goldlock-snapshot.json").read_bytes(), where="").python is not None


@pytest.mark.parametrize("version", VERSIONS)
def test_it_explains_itself(version: str, probe: Path, tmp_path: Path) -> None:
    said = run(interpreter(version), probe, "--help", cwd=tmp_path).stdout.decode()
    assert said.startswith("usage: python goldlock-probe.py [--output FILE]")
    for option in ("--output", "--artifact", "--no-hash", "--hash-on", "--hold"):
        assert option in said
    assert b"see --help" in run(interpreter(version), probe, "--odd", cwd=tmp_path, code=2).stderr


def test_it_needs_no_file_at_all(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-", "--no-hash"],
        input=probe_source().encode(),
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert Snapshot.from_probe(done.stdout).python is not None


def test_it_digests_the_model_files_it_is_told_of(probe: Path, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    run(sys.executable, probe, "--output", "s.json", "--no-hash", "--artifact", "model.bin", cwd=tmp_path)
    artifacts = returned.read((tmp_path / "s.json").read_bytes(), where="").artifacts
    assert artifacts is not None
    assert [file.path for file in artifacts.files] == ["model.bin"]


@pytest.mark.parametrize("version", VERSIONS)
def test_where_the_system_is_no_linux_its_layers_are_unknown_and_the_rest_is_told(
    version: str, tmp_path: Path
) -> None:
    python = interpreter(version)
    whole = Snapshot.from_probe(run(python, *probe_arguments([]), cwd=tmp_path).stdout)
    # The program itself, as `exec` of its text keeps the prelude's changes.
    (tmp_path / "run.py").write_text(f"{BARE}\nexec(compile({probe_source()!r}, 'probe', 'exec'))\n")
    program = f"exec(compile(open({str(tmp_path / 'run.py')!r}).read(), 'run', 'exec'))"
    bare = Snapshot.from_probe(run(python, "-c", program, cwd=tmp_path).stdout)
    assert dict(bare.unknown) == {"image": "only the engine knows it"}
    assert bare.python is not None
    assert whole.python is not None
    assert (bare.python.platform, bare.python.version) == ("win32", whole.python.version)
    assert bare.packages == whole.packages, "hashed in one process, and the same"
    assert bare.os is not None
    assert bare.os.packages is None
    assert bare.os.libc is None
    assert "no package database" in bare.os.packages_unknown
    assert bare.host is not None
    assert whole.host is not None
    assert (bare.host.architecture, bare.host.cores) == (whole.host.architecture, 3)
    assert (bare.host.cpu_level, bare.host.cpu_model) == (None, None)
    assert bare.numerics is not None
    assert bare.numerics.blas is None


def test_a_numpy_without_proc_says_what_it_can(tmp_path: Path) -> None:
    python = Path(sys.executable)
    child = next(
        part for part in probe_source().split('r"""') if part.lstrip().startswith("import sys\nif sys.path")
    ).partition('"""')[0]
    assert "/proc/self/maps" in child
    done = run(python, "-c", child.replace("/proc/self/maps", "/nowhere/maps"), cwd=tmp_path)
    assert b'"blas-unknown": "which libraries are loaded is told by Linux only"' in done.stdout
    assert b'"simd": [' in done.stdout


def test_tells_what_python_each_package_needs(venv: Venv, tmp_path: Path) -> None:
    for name, lines in (
        ("stated", "License: a\n        \n        b\nRequires-Python: >=3.8, !=3.9.*\n"),
        ("silent", ""),
        ("hidden", "\nRequires-Python: >=99\n"),
    ):
        wheel = tmp_path / f"{name}-1.0-py3-none-any.whl"
        wheel.write_bytes(wheel_bytes(name, "1.0", {f"{name}.py": b""}))
        venv.install(wheel)
        metadata = next(venv.site.glob(f"{name}-*.dist-info")) / "METADATA"
        metadata.write_text(metadata.read_text() + lines)
    seen = venv.probe(hash_files=False)
    assert package(seen, "stated").requires_python == ">=3.8, !=3.9.*"
    assert package(seen, "silent").requires_python is None
    assert package(seen, "hidden").requires_python is None, "of the description, and not of the head"


def test_lists_what_conda_installed(venv: Venv) -> None:
    assert venv.probe(hash_files=False).packages is not None
    meta = venv.root / "conda-meta"
    meta.mkdir()
    for name in ("mkl-2023.1.0-h213fc3f_46344", "libgcc-ng-11.2.0-h1234567_1", "_openmp_mutex-5.1-1_gnu"):
        (meta / f"{name}.json").write_text("{}")
    (meta / "history").write_text("==> 2026-11-01 <==\n")
    (meta / "odd.json").write_text("{}")
    packages = venv.probe(hash_files=False).packages
    assert packages is not None
    assert packages.conda == (
        ("_openmp_mutex", "5.1 1_gnu"),
        ("libgcc-ng", "11.2.0 h1234567_1"),
        ("mkl", "2023.1.0 h213fc3f_46344"),
    )


def test_files_are_hashed_only_on_the_python_that_is_expected(venv: Venv) -> None:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for only_on, hashed in ((minor, True), ("2.5", False), ("", True)):
        packages = venv.probe(only_on=only_on).packages
        assert packages is not None
        assert packages.hashed is hashed
