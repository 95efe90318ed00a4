"""Installed files and model files, as a subject may leave them: changed, missing, climbing, unreadable."""

from __future__ import annotations

import json
import os
import py_compile
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.env.subjects import DEMO, Venv, package, record_hash, sha256

from goldlock_env.probing import probe_arguments, probe_source
from goldlock_env.snapshot import Snapshot

AS_ROOT = os.geteuid() == 0


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def test_a_clean_environment_is_clean(baseline: Snapshot) -> None:
    demo = package(baseline, "demo")
    assert (demo.version, demo.files, demo.unhashed, demo.unknown) == ("1.0", demo.files, 0, "")
    assert (demo.altered, demo.missing, demo.bytecode_sha256) == ((), (), None)
    assert (demo.files or 0) >= len(DEMO) + 2


@pytest.mark.parametrize("path", ["demo/work.py", "demo/_native.so"])
def test_one_changed_byte_names_the_file_and_both_digests(venv: Venv, path: str) -> None:
    _flip(venv.site / path)
    altered = package(venv.probe(), "demo").altered
    assert [(file.path, file.expected, file.actual) for file in altered] == [
        (path, sha256(DEMO[path]), sha256((venv.site / path).read_bytes()))
    ]


@pytest.mark.parametrize("path", ["demo/work.py", "demo/_native.so"])
def test_a_changed_byte_with_record_rewritten_changes_the_digest_of_record(
    venv: Venv, baseline: Snapshot, path: str
) -> None:
    _flip(venv.site / path)
    venv.rewrite_record("demo", path)
    demo = package(venv.probe(), "demo")
    assert demo.altered == ()
    assert demo.record_sha256 != package(baseline, "demo").record_sha256


def test_the_order_of_record_and_what_installers_add_do_not_matter(venv: Venv, baseline: Snapshot) -> None:
    record = venv.record("demo")
    lines = [line for line in record.read_text().splitlines() if "REQUESTED" not in line]
    extra = ["demo/__pycache__/work.cpython-38.pyc,,", f"../../../bin/demo,{record_hash(b'x')},1"]
    record.write_text("\r\n".join([*reversed(lines), *extra]) + "\r\n")
    (venv.root / "bin" / "demo").write_bytes(b"x")
    demo = package(venv.probe(), "demo")
    assert demo.record_sha256 == package(baseline, "demo").record_sha256
    assert demo.missing == ()


def test_files_that_are_gone_or_no_files_any_more_are_missing(venv: Venv) -> None:
    (venv.site / "demo/work.py").unlink()
    (venv.site / "demo/_native.so").unlink()
    os.mkfifo(venv.site / "demo/_native.so")
    (venv.site / "demo/data/table.csv").unlink()
    (venv.site / "demo/data/table.csv").mkdir()
    assert package(venv.probe(timeout=30), "demo").missing == (
        "demo/_native.so",
        "demo/data/table.csv",
        "demo/work.py",
    )


def test_a_symlink_is_followed_to_a_file_and_never_to_a_device(venv: Venv) -> None:
    moved = venv.root / "elsewhere.py"
    (venv.site / "demo/work.py").rename(moved)
    (venv.site / "demo/work.py").symlink_to(moved)
    (venv.site / "demo/_native.so").unlink()
    (venv.site / "demo/_native.so").symlink_to("/dev/zero")
    (venv.site / "demo/data/table.csv").unlink()
    (venv.site / "demo/data/table.csv").symlink_to("table.csv")
    demo = package(venv.probe(timeout=30), "demo")
    assert demo.altered == ()
    assert demo.missing == ("demo/_native.so", "demo/data/table.csv")


def test_paths_that_climb_out_are_not_read(venv: Venv, tmp_path: Path, baseline: Snapshot) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("not a package's file")
    with venv.record("demo").open("a") as record:
        for path in (
            "../../../../../../../../../../etc/shadow",
            str(outside),
            "demo/../../../../../outside.txt",
        ):
            record.write(f"{path},{record_hash(b'other')},5\n")
    demo = package(venv.probe(), "demo")
    assert (demo.altered, demo.missing) == ((), ())
    assert demo.record_sha256 == package(baseline, "demo").record_sha256


@pytest.mark.skipif(AS_ROOT and shutil.which("setpriv") is None, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_unknown_with_its_reason(venv: Venv) -> None:
    (venv.site / "demo/work.py").chmod(0)
    arguments = probe_arguments([str(venv.python)])
    if AS_ROOT:
        # Root without the capability to pass over permissions.
        arguments = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *arguments]
    done = subprocess.run(arguments, capture_output=True, check=True)
    demo = package(Snapshot.from_probe(done.stdout), "demo")
    assert demo.unknown == "1 could not be read: demo/work.py (permission denied)"
    assert demo.altered == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'"never closed\n\0', "malformed"),
        (b"\xff\xfe,sha256=x,1\n", "malformed"),
        (b"a" * 5000 + b",,\n", "malformed"),
    ],
)
def test_a_broken_record_is_unknown(venv: Venv, content: bytes, reason: str) -> None:
    venv.record("demo").write_bytes(content)
    demo = package(venv.probe(), "demo")
    assert reason in demo.unknown
    assert demo.record_sha256 is None


def test_a_record_that_is_not_there_or_no_file_is_unknown(venv: Venv) -> None:
    record = venv.record("demo")
    record.unlink()
    os.mkfifo(venv.record("other").parent / "fifo")
    other = venv.record("other")
    other.unlink()
    other.symlink_to(other.parent / "fifo")
    seen = venv.probe(timeout=30)
    assert package(seen, "demo").unknown == "no RECORD"
    assert "not a regular file" in package(seen, "other").unknown


def test_files_without_a_hash_are_counted_and_never_called_verified(venv: Venv) -> None:
    record = venv.record("demo")
    text = record.read_text().replace(f",{record_hash(DEMO['demo/work.py'])},", ",,")
    record.write_text(text.replace(record_hash(DEMO["demo/_native.so"]), "md5=abc"))
    with record.open("a") as more:
        more.write("demo/data/table2.csv,sha256=short,3\n")
    (venv.site / "demo/data/table2.csv").write_text("1,2")
    assert package(venv.probe(), "demo").unhashed == 3


def test_other_hash_algorithms_of_record_are_checked_too(venv: Venv) -> None:
    import base64
    import hashlib

    path = "demo/work.py"
    right = base64.urlsafe_b64encode(hashlib.sha512(DEMO[path]).digest()).rstrip(b"=").decode()
    record = venv.record("demo")
    record.write_text(record.read_text().replace(record_hash(DEMO[path]), f"sha512={right}"))
    assert package(venv.probe(), "demo").altered == ()
    _flip(venv.site / path)
    assert (
        package(venv.probe(), "demo").altered[0].expected
        == f"sha512:{hashlib.sha512(DEMO[path]).hexdigest()}"
    )


def test_the_first_of_two_distributions_wins_and_the_shadowed_one_is_told(
    venv: Venv, wheels: Callable[..., Path], tmp_path: Path
) -> None:
    first = tmp_path / "first"
    with zipfile.ZipFile(wheels("demo", "0.9")) as archive:
        archive.extractall(first)
    seen = venv.probe(environment={"PYTHONPATH": str(first)})
    assert package(seen, "demo").version == "0.9"
    assert seen.packages is not None
    assert [(one.name, one.version) for one in seen.packages.shadowed] == [("demo", "1.0")]


def test_editable_eggs_and_leftovers(venv: Venv, tmp_path: Path) -> None:
    (venv.record("demo").parent / "direct_url.json").write_text(
        '{"url": "file:///x", "dir_info": {"editable": true}}'
    )
    source = tmp_path / "linked"
    (source / "linked.egg-info").mkdir(parents=True)
    (source / "linked.egg-info/PKG-INFO").write_text("Name: Linked_Thing\nVersion: 0.1\n")
    (venv.site / "linked-thing.egg-link").write_text(f"{source}\n.")
    with zipfile.ZipFile(tmp_path / "zipped-3.0-py3.egg", "w") as egg:
        egg.writestr("EGG-INFO/PKG-INFO", "Name: zipped\nVersion: 3.0\n")
    broken = tmp_path / "broken-1.egg"
    broken.write_bytes(b"no zip")
    (venv.site / "easy.pth").write_text(f"{source}\n{tmp_path / 'zipped-3.0-py3.egg'}\n{broken}\n")
    (venv.site / "~emo-0.5.dist-info").mkdir()
    (venv.site / "nameless-7.dist-info").mkdir()
    (venv.site / "plain.egg-info").write_text("Name: plain\nVersion: 5\n\nName: body\n")
    seen = venv.probe()
    assert package(seen, "demo").editable
    assert package(seen, "linked-thing").editable
    assert "editable" in package(seen, "linked-thing").unknown
    assert package(seen, "zipped").unknown == "a zipped egg has no RECORD"
    assert package(seen, "nameless").version == "7"
    assert package(seen, "plain").unknown == "no RECORD"
    assert seen.packages is not None
    assert {one.name for one in seen.packages.distributions} == {
        "demo", "linked-thing", "nameless", "other", "plain", "zipped"
    }  # fmt: skip


def test_bytecode_that_python_runs_unchecked_has_a_digest(venv: Venv) -> None:
    source = venv.site / "demo/work.py"
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    assert package(venv.probe(), "demo").bytecode_sha256 is None
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    first = package(venv.probe(), "demo").bytecode_sha256
    assert first is not None
    _flip(
        Path(
            py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
            or ""
        )
    )
    second = package(venv.probe(), "demo").bytecode_sha256
    assert second not in (None, first)


def test_artifacts_files_and_folders(venv: Venv, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "weights.h5").write_bytes(b"w" * 3_000_000)
    (folder / "deep" / "scaler.npz").write_bytes(b"")
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    seen = venv.probe(
        artifacts=["model", "gone.bin", str(folder / "weights.h5")], folder=tmp_path, timeout=30
    )
    assert seen.artifacts is not None
    assert [(file.path, file.sha256, file.size) for file in seen.artifacts.files] == [
        (str(folder / "weights.h5"), sha256(b"w" * 3_000_000), 3_000_000),
        ("model/deep/scaler.npz", sha256(b""), 0),
        ("model/weights.h5", sha256(b"w" * 3_000_000), 3_000_000),
    ]
    assert seen.artifacts.missing == ("gone.bin",)
    assert dict(seen.artifacts.unreadable)["model/pipe"] == "not a regular file"
    assert "model/loop" in dict(seen.artifacts.unreadable)


def test_artifacts_are_hashed_even_when_installed_files_are_not(venv: Venv, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    seen = venv.probe(artifacts=["a"], folder=tmp_path, hash_files=False)
    assert seen.artifacts is not None
    assert seen.artifacts.files[0].sha256 == sha256(b"a")
    assert seen.packages is not None
    assert not seen.packages.hashed
    assert package(seen, "demo").files is None
    assert package(seen, "demo").record_sha256


def test_thousands_of_files_on_all_cores(venv: Venv, wheels: Callable[..., Path], tmp_path: Path) -> None:
    files = {f"many/part{number % 40}/file{number}.py": b"x = %d\n" % number for number in range(2000)}
    files["many/large.bin"] = bytes(5_000_000)
    venv.install(wheels("many", "1.0", files))
    for number in (0, 17, 1999):
        _flip(venv.site / f"many/part{number % 40}/file{number}.py")
    (venv.site / "many/part1/file1.py").unlink()
    _flip(venv.site / "many/large.bin")
    expected = [f"many/part{number % 40}/file{number}.py" for number in (0, 17, 1999)]
    # The same without workers: where a machine has one core, or forbids fork.
    alone = tmp_path / "alone.py"
    alone.write_text(probe_source().replace("if cores > 1 and", "if False and"))
    done = subprocess.run([venv.python, alone], capture_output=True, check=True)
    for seen in (venv.probe(), Snapshot.from_probe(done.stdout)):
        many = package(seen, "many")
        assert (many.files or 0) >= 2003
        assert sorted(file.path for file in many.altered) == sorted(["many/large.bin", *expected])
        assert many.missing == ("many/part1/file1.py",)


def test_a_worker_that_dies_leaves_no_gap(venv: Venv, tmp_path: Path) -> None:
    _flip(venv.site / "demo/work.py")
    dying = tmp_path / "dying.py"
    source = (
        probe_source()
        .replace("BATCH_FILES = 48", "BATCH_FILES = 1")
        .replace("usable_cores(), MOST", "3, MOST")
    )
    dying.write_text(
        source.replace(
            "            found = []\n",
            "            found = []\n            if number % 3 == 1: os.kill(os.getpid(), 9)\n",
        )
    )
    done = subprocess.run([venv.python, dying], capture_output=True, check=True)
    assert [file.path for file in package(Snapshot.from_probe(done.stdout), "demo").altered] == [
        "demo/work.py"
    ]


def test_the_modules_of_a_layer_that_cannot_be_looked_at_leave_the_others(venv: Venv, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        probe_source().replace("def os_layer():\n", "def os_layer():\n    raise KeyError('odd')\n")
    )
    done = subprocess.run([sys.executable, broken], capture_output=True, check=True)
    seen = Snapshot.from_probe(done.stdout)
    assert seen.os is None
    assert dict(seen.unknown)["os"] == "KeyError: 'odd'"
    assert seen.packages is not None


def test_json_is_what_the_snapshot_says_again(baseline: Snapshot) -> None:
    assert Snapshot.from_mapping(json.loads(json.dumps(baseline.to_mapping()))) == baseline
