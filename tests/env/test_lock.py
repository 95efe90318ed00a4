"""goldlock.lock: canonical, sealed, whole or absent."""

from __future__ import annotations

import dataclasses
import errno
import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given
from tests.env.values import FULL, digest, snapshots

from goldlock_env import lock as locks
from goldlock_env.errors import CouldNotRunError
from goldlock_env.findings import Layer, Severity, Status
from goldlock_env.lock import FileDigest, Lock, Provenance, dumps, loads, read, write
from goldlock_env.requirements import Requirement
from goldlock_env.snapshot import ImageLayer, PythonLayer, Shadowed, Snapshot

LOCK = Lock.of(
    FULL,
    subject="mlp",
    requirements=[Requirement(name="flask", version="3.0.3", hashes=(digest("w"),))],
    requirements_files={"requirements.txt": digest("requirements")},
)

TEXT = f"""\
# Written by `goldlock lock`: the environment as it was found. Do not edit it: its lock-id would no
# longer fit, and `goldlock verify` would say so. Write it again with `goldlock lock`.

lock-version = "1.0"
created-by = "goldlock"
lock-id = "{LOCK.id}"

[provenance]
subject = "mlp"

[provenance.requirements]
"requirements.txt" = "{digest("requirements")}"

[python]
implementation = "cpython"
version = "3.8.18"
platform = "linux"
build = "3.8.18 (default, Jan 1 2024, 00:00:00) [GCC 12.2.0]"
abi = "cpython-38-x86_64-linux-gnu"
executable-sha256 = "{digest("python")}"
library-sha256 = "{digest("libpython")}"

[os]
distribution = "debian 12"
libc = "glibc 2.36"

[os.packages]
libc6 = "2.36-9"
zlib1g = "1:1.2.13"

[image]
reference = "localhost:5000/mlp:1"
config-id = "{digest("config")}"
layers = [
    "{digest("l1")}",
    "{digest("l2")}",
]
base = "slim"

[numerics]
simd = [
    "AVX2",
    "AVX512F",
]

[numerics.environment]
OMP_NUM_THREADS = "1"

[numerics.blas]
library = "libopenblas64_.so"
version = "OpenBLAS 0.3.21"
kernel = "SkylakeX"
threads = 2

[host]
architecture = "x86_64"
cpu-model = "Xeon"
cpu-level = "x86-64-v4"
cpu-features = [
    "avx512_vnni",
]
cores = 2
kernel = "6.1"

[artifacts]

[[artifacts.files]]
path = "/app/model.h5"
sha256 = "{digest("model")}"
size = 10

[integrity]
hashed = true

[[packages]]
name = "flask"
version = "3.0.3"
hashes = [
    "{digest("w")}",
]
record-sha256 = "{digest("flask")}"
bytecode-sha256 = "{digest("fb")}"
files = 33

[[packages]]
name = "numpy"
version = "1.24.3"
hashes = [
    "{digest("wheel 1")}",
    "{digest("wheel 2")}",
]
record-sha256 = "{digest("numpy")}"
bytecode-sha256 = "{digest("nb")}"
files = 881
"""


def test_the_literal_text() -> None:
    assert dumps(LOCK) == TEXT
    assert loads(TEXT) == LOCK


@given(snapshots)
def test_a_lock_survives_its_text(snapshot: Snapshot) -> None:
    lock = Lock.of(snapshot, subject="s", requirements_files={"b.txt": digest("b"), "a b.txt": digest("a")})
    text = dumps(lock)
    assert loads(text) == lock
    assert dumps(loads(text)) == text
    assert loads(text).integrity is None
    assert all(ord(letter) >= 32 or letter == "\n" for letter in text)


def test_the_interpreters_place_is_not_locked() -> None:
    assert FULL.python is not None
    elsewhere = dataclasses.replace(
        FULL, python=dataclasses.replace(FULL.python, executable="/opt/x/bin/python")
    )
    assert dumps(Lock.of(elsewhere, subject="mlp")) == dumps(Lock.of(FULL, subject="mlp"))


def test_values_that_toml_or_a_terminal_would_stumble_over() -> None:
    odd = 'a"b\\c\nd\x1b[31m\x00é'
    lock = Lock.of(Snapshot(image=ImageLayer(reference=odd, config_id=odd, layers=(odd,))), subject=odd)
    again = loads(dumps(lock))
    assert again.provenance.subject == 'a"b\\c\\x0ad\\x1b[31m\\x00é'
    assert again.integrity is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version = "1.24.3"', 'version = "1.24.4"'),
        ('OMP_NUM_THREADS = "1"', 'OMP_NUM_THREADS = "2"'),
        ("files = 881", "files = 882"),
        ("# Written by", "# Edited by"),
        (f'lock-id = "{LOCK.id}"', f'lock-id = "{digest("forged")}"'),
    ],
)
def test_an_edited_lock_is_read_as_it_is_and_says_so(old: str, new: str) -> None:
    assert old in TEXT
    lock = loads(TEXT.replace(old, new))
    assert lock.integrity is not None
    assert (lock.integrity.layer, lock.integrity.key) == (Layer.LOCK, "goldlock.lock")
    assert (lock.integrity.status, lock.integrity.severity) == (Status.CHANGED, Severity.ERROR)
    assert lock.integrity.actual == lock.id
    assert lock.integrity.expected != lock.id
    if "1.24.4" in new:
        assert lock.snapshot.packages is not None
        assert lock.snapshot.packages.distributions[1].version == "1.24.4"


def test_a_lock_without_its_id_is_edited_too() -> None:
    lock = loads(TEXT.replace(f'lock-id = "{LOCK.id}"\n', ""))
    assert lock.integrity is not None
    assert lock.integrity.expected is None
    assert lock.integrity.status is Status.CHANGED


def test_line_ends_of_another_system_are_no_edit() -> None:
    assert loads(TEXT.replace("\n", "\r\n")) == LOCK


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "lock-version: is None"),
        (TEXT[: len(TEXT) // 2], "is not TOML"),
        ("x = " + "[" * 5000, "is not TOML"),
        (TEXT.replace('lock-version = "1.0"', 'lock-version = "9.0"'), "lock-version: is '9.0'"),
        (
            TEXT.replace("[provenance]\nsubject", "[origin]\nsubject").replace(
                "[provenance.req", "[origin.req"
            ),
            "provenance",
        ),
        (TEXT.replace("[integrity]\nhashed = true\n", ""), "integrity: is missing"),
        (TEXT.replace("cores = 2", 'cores = "2"'), "host.cores: expected a whole number"),
        (TEXT.replace("cores = 2", "cpus = 2"), "host.cpus: is not a key"),
        (TEXT.replace('name = "numpy"', 'name = "flask"'), "has the package flask twice"),
        (TEXT.replace('created-by = "goldlock"\n', ""), "created-by: is missing"),
    ],
    ids=range(10),
)
def test_what_is_no_lock_is_refused_with_the_place(text: str, problem: str) -> None:
    with pytest.raises(CouldNotRunError) as caught:
        loads(text, where="some.lock")
    assert caught.value.message.startswith("some.lock: ")
    assert problem in caught.value.message
    assert caught.value.hint


def test_unknown_layers_and_shadowed_packages_are_kept() -> None:
    assert FULL.packages is not None
    packages = dataclasses.replace(
        FULL.packages, shadowed=(Shadowed(name="numpy", version=None),), unknown="/x (denied)"
    )
    lock = Lock.of(
        dataclasses.replace(FULL, packages=packages).without(Layer.IMAGE, "a local run"), subject="s"
    )
    assert loads(dumps(lock)).snapshot.reason(Layer.IMAGE) == "a local run"
    assert loads(dumps(lock)) == lock


def test_a_lock_made_by_hand_has_the_same_id() -> None:
    provenance = Provenance(
        subject="mlp", requirements=(FileDigest(path="requirements.txt", sha256=digest("requirements")),)
    )
    assert Lock(snapshot=LOCK.snapshot, provenance=provenance) == LOCK


def test_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "goldlock.lock"
    write(path, LOCK)
    assert path.read_text(encoding="utf-8") == TEXT
    assert read(path) == LOCK
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o077 == 0o077 & ~_umask() & 0o666


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_never_over_another_lock_unless_told_to(tmp_path: Path) -> None:
    path = tmp_path / "goldlock.lock"
    write(path, LOCK)
    other = Lock.of(Snapshot(), subject="other")
    with pytest.raises(CouldNotRunError, match="there is a lock already"):
        write(path, other)
    assert read(path) == LOCK
    write(path, other, replace=True)
    assert read(path) == other
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("replace", [False, True])
def test_a_full_disk_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    path = tmp_path / "goldlock.lock"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(locks.os, "fsync", full)
    with pytest.raises(CouldNotRunError) as caught:
        write(path, LOCK, replace=replace)
    assert "No space left" in caught.value.message
    assert "space" in caught.value.hint
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "goldlock.lock"
    write(path, LOCK)
    with pytest.raises(CouldNotRunError, match="there is a lock already"):
        write(path, LOCK)
    assert read(path) == LOCK
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_that_write_at_once_one_wins_whole(tmp_path: Path) -> None:
    path = tmp_path / "goldlock.lock"
    with multiprocessing.get_context("fork").Pool(4) as pool:
        results = pool.starmap(_try_to_write, [(path, number) for number in range(12)])
    assert results.count(None) == 1
    assert read(path).provenance.subject == f"s{results.index(None)}"
    assert list(tmp_path.iterdir()) == [path]


def _try_to_write(path: Path, number: int) -> str | None:
    try:
        write(path, Lock.of(FULL, subject=f"s{number}"))
    except CouldNotRunError as error:
        return error.message
    return None


def test_a_lock_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {tmp_path / "none": "there is no lock", tmp_path: "could not be read"}
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    cases[tmp_path / "binary"] = "not UTF-8"
    (tmp_path / "large").write_bytes(b"#" * 1001)
    cases[tmp_path / "large"] = "is larger than"
    monkeypatch.setattr(locks, "LARGEST", 1000)
    for path, problem in cases.items():
        with pytest.raises(CouldNotRunError) as caught:
            read(path)
        assert problem in caught.value.message
        assert str(path) in caught.value.message


def test_an_empty_snapshot_is_a_lock() -> None:
    lock = Lock.of(Snapshot(), subject="s")
    assert loads(dumps(lock)) == lock
    assert (
        Lock.of(Snapshot(python=PythonLayer(implementation="pypy", version="3.9.1")), subject="s").id
        != lock.id
    )
