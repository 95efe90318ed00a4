"""Temporary folders: gone in every ending, and what a killed process left is gone with the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from goldlock.scratch import scratch_folder

HOLD = (
    "import signal\n"
    "from goldlock.scratch import scratch_folder\n"
    "with scratch_folder() as folder:\n"
    "    (folder / 'file').write_text('x')\n"
    "    print(folder, flush=True)\n"
    "    signal.pause()\n"
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of its own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def holding() -> tuple[subprocess.Popen[str], Path]:
    child = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, Path(child.stdout.readline().strip())


def test_it_is_private_and_gone_after_the_block_also_after_an_error(place: Path) -> None:
    def breaks() -> None:
        with scratch_folder() as folder:
            (folder / "file").write_text("x", encoding="utf-8")
            assert folder.parent == place
            assert folder.stat().st_mode & 0o077 == 0
            raise KeyError

    with pytest.raises(KeyError):
        breaks()
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next_one(place: Path) -> None:
    child, left = holding()
    with child:
        child.send_signal(signal.SIGKILL)
    assert (left / "file").exists()
    with scratch_folder() as folder:
        assert list(place.iterdir()) == [folder]


def test_that_of_a_living_process_stays() -> None:
    child, held = holding()
    with child:
        with scratch_folder() as folder:
            assert folder != held
            assert (held / "file").exists()
        child.kill()


def test_a_link_of_such_a_name_is_not_followed(place: Path) -> None:
    (place / "kept").mkdir()
    (place / "goldlock-scratch-link").symlink_to(place / "kept")
    with scratch_folder():
        assert (place / "kept").is_dir()
        assert os.path.lexists(place / "goldlock-scratch-link")
