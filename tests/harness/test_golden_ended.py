"""Record and accept, killed, interrupted or out of space at any step: the old goldens are whole, or the new ones."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.harness import ending_everywhere
from tests.harness.drafts import OUTPUTS, configured, everything_in, make, names_in

from goldlock import golden, received
from goldlock.golden import accept, load, load_all, record, restore
from goldlock.tables import Table, whole
from goldlock_env.errors import CouldNotRunError, GoldlockError

ROOT = Path(__file__).resolve().parents[2]
LARGE = bytes(1_000_000)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system where fsync costs nothing, where there is one."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def environment() -> dict[str, str]:
    # Without COVERAGE_*: tracing a child that is ended hundreds of times takes minutes, and records nothing.
    kept = {
        name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("COVERAGE")
    }
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "env", ROOT / "harness", ROOT)))}


@pytest.mark.parametrize(
    ("what", "how"),
    [
        *((what, "kill") for what in ("record", "sibling", "accept", "merge")),
        *((what, "interrupt") for what in ("record", "accept")),
    ],
)
def test_ended_before_any_step_a_whole_golden_stands(memory: Path, what: str, how: str) -> None:
    done = subprocess.run(
        [sys.executable, ending_everywhere.__file__, what, how, str(memory)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # Each state was met; in a kill between two renames, also the one that `restore` brings back.
    assert found["steps"] > 100
    assert found["new"] > 1
    assert found["nothing" if what == "record" else "old"] > 50
    assert ("restored" in found) == (how == "kill" and what in {"accept", "merge"})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_ended_at_random_moments_of_a_large_accept(memory: Path, number: signal.Signals) -> None:
    program = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from goldlock import golden, interruption\n"
        "from goldlock.tables import Table\n"
        "from tests.harness.drafts import make\n"
        "draft = make(Path(sys.argv[2]), Table({'x': np.random.default_rng(2).random(500_000)}))\n"
        "with interruption.installed():\n"
        "    print(flush=True)\n"
        "    golden.accept(Path(sys.argv[1]), draft, 'larger')\n"
    )
    folder = memory / "goldens" / "mlp"
    old = make(memory, Table({"x": np.random.default_rng(1).random(500_000)}))
    record(folder, old)
    before = load(folder).id
    moments = random.Random(int(number))
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(folder), str(memory)],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with child:
            assert child.stdout is not None
            child.stdout.readline()
            try:
                child.wait(moments.uniform(0, 0.3))
            except subprocess.TimeoutExpired:
                child.send_signal(number)
        restore(folder)
        found = load(folder)
        assert found.integrity == ()
        assert found.id == before or found.reason == "larger"
        if number is not signal.SIGKILL:
            assert names_in(folder.parent) == ["mlp"]
    accept(folder, old, "again")
    assert names_in(folder.parent) == ["mlp"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of its own, 256 KiB large."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if (mounted := subprocess.run(mount, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


class TestFullDisk:
    @pytest.mark.parametrize("what", ["record", "accept"])
    def test_full_at_any_step_the_old_golden_stands(self, tmp_path: Path, disk: Path, what: str) -> None:
        folder = disk / "goldens" / "mlp"
        if what == "accept":
            record(folder, make(tmp_path))
        before = everything_in(disk)
        larger = make(tmp_path, Table({"x": np.arange(6000) / 7}), inputs=bytes(60_000))
        filler, full = disk / "filler", 0
        # Ever less of the disk is taken by others, in steps of a page: it fills up at another write each time.
        for taken in range(256 - 4 * len(before), -1, -4):
            filler.write_bytes(b"") if not taken else fill(filler, taken * 1024)
            try:
                golden_id = (record if what == "record" else in_place)(folder, larger)
            except CouldNotRunError as error:
                full += "No space left on device" in error.message and "free some space" in error.hint
                filler.unlink()
                assert everything_in(disk) == before
            else:
                assert load(folder).id == golden_id
                assert load(folder).integrity == ()
                break
        assert full > 20
        assert names_in(folder.parent) == ["mlp"]

    def test_a_file_size_limit(self, tmp_path: Path) -> None:
        folder = tmp_path / "goldens" / "mlp"
        draft = make(tmp_path, inputs=LARGE)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for limit in (0, 1, 4096, 100_000, 999_999):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            try:
                with pytest.raises(CouldNotRunError) as caught:
                    record(folder, draft)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert "File too large" in caught.value.message
            assert not folder.parent.exists()

    def test_an_answer_that_cannot_be_kept_is_told_and_nothing_is_left(
        self, tmp_path: Path, disk: Path
    ) -> None:
        config = configured(disk)
        record(config.resolve("goldens/mlp"), make(tmp_path))
        expected = load(config.resolve("goldens/mlp"))
        large = Table({"x": np.random.default_rng(1).random(100_000)})
        told = received.settle(
            config, "mlp", expected, large, passes=False, lock_id="", image_id="", cpu_level=""
        )
        assert "No space left on device" in told
        assert [path.name for path in (disk / ".goldlock" / "received").iterdir()] == []
        assert load(config.resolve("goldens/mlp")).integrity == ()


def fill(path: Path, size: int) -> None:
    """Take at most so much of a disk."""
    with path.open("wb", buffering=0) as file:
        for _ in range(size // 4096):
            try:
                file.write(bytes(4096))
            except OSError:
                return


def in_place(folder: Path, draft: golden.Draft) -> str:
    return accept(folder, draft, "larger")


class TestUnwritable:
    def test_a_file_where_the_folder_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "goldens").write_text("mine")
        with pytest.raises(GoldlockError) as caught:
            record(tmp_path / "goldens" / "mlp", make(tmp_path))
        assert caught.value.hint
        assert (tmp_path / "goldens").read_text() == "mine"

    def test_a_read_only_disk(self, tmp_path: Path, disk: Path) -> None:
        folder = disk / "mlp"
        record(folder, make(tmp_path))
        before = everything_in(disk)
        remount(disk, "ro")
        for write in (
            lambda: accept(folder, make(tmp_path, inputs=b"other"), "why"),
            lambda: record(disk / "other", make(tmp_path)),
        ):
            with pytest.raises(CouldNotRunError) as caught:
                write()
            assert "Read-only file system" in caught.value.message
            assert "make the folder writable" in caught.value.hint
        assert everything_in(disk) == before
        assert load(folder).integrity == ()

    def test_a_read_only_disk_where_an_accept_was_cut_off(self, tmp_path: Path, disk: Path) -> None:
        folder = disk / "mlp"
        record(folder, make(tmp_path))
        folder.rename(disk / ".mlp.old")
        remount(disk, "ro")
        with pytest.raises(CouldNotRunError, match="Read-only file system"):
            restore(folder)
        remount(disk, "rw")
        assert restore(folder)
        assert whole(load(folder).outputs) == OUTPUTS


class TestTwoAtOnce:
    def test_the_second_is_refused_and_the_first_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "goldens" / "mlp"

        plain, tried = golden._write._outputs.write, []

        def meanwhile(*arguments: Any) -> Any:  # noqa: ANN401 - hands on what it is given
            with pytest.raises(CouldNotRunError, match="another goldlock is writing there"):
                record(folder, make(tmp_path))
            tried.append(True)
            return plain(*arguments)

        monkeypatch.setattr(golden._write._outputs, "write", meanwhile)
        record(folder, make(tmp_path))
        assert tried == [True]
        assert whole(load(folder).outputs) == OUTPUTS
        assert names_in(folder.parent) == ["mlp"]

    def test_a_file_system_without_locks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: int, __: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.flock", refuse)
        record(tmp_path / "mlp", make(tmp_path))
        assert load(tmp_path / "mlp").integrity == ()

    def test_what_a_dead_one_left_is_cleared_away(self, tmp_path: Path) -> None:
        left = tmp_path / "goldens" / ".mlp.new"
        (left / "deep").mkdir(parents=True)
        (left / "deep" / "file").touch()
        (left / "outputs.csv").write_text("half")
        (left / "link").symlink_to("nowhere")
        record(tmp_path / "goldens" / "mlp", make(tmp_path))
        assert names_in(tmp_path / "goldens") == ["mlp"]
        assert load_all(tmp_path / "goldens" / "mlp").integrity == ()

    def test_the_hidden_folder_becomes_the_golden_before_it_is_locked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "mlp"
        plain = golden._folder.fcntl.flock
        names: list[str] = []

        def slow(descriptor: int, operation: int) -> None:
            names.append("locked")
            if len(names) == 1:
                (tmp_path / ".mlp.new").rename(tmp_path / "elsewhere")
            plain(descriptor, operation)

        monkeypatch.setattr("fcntl.flock", slow)
        record(folder, make(tmp_path))
        assert len(names) == 2
        assert load(folder).integrity == ()
