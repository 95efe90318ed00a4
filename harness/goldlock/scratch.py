"""Temporary folders that nobody leaves behind, not even who is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.interruption import deferred, interruptible

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "goldlock-scratch-"


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new private folder, removed in every ending; what a killed process left is removed by the next one.

    The folder is locked (flock) for as long as its process lives. Raises OSError where none can be made.
    """
    _sweep(Path(tempfile.gettempdir()))
    with deferred():
        folder, descriptor = _locked()
        try:
            with interruptible():
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def _locked() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder.exists():
            return folder, descriptor
        # Another process swept it in the moment before it was locked.
        os.close(descriptor)


def _sweep(place: Path) -> None:
    """Remove the folders of dead processes of this user."""
    for folder in place.glob(f"{_PREFIX}*"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            # Its process lives.
            continue
        finally:
            os.close(descriptor)
