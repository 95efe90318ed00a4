"""Folders that are there whole or not at all, whatever happens while they are written.

A folder is made under a hidden name beside its place, brought to the disk, and renamed. The hidden folder is
locked (flock) by whoever writes it, so that two never write one golden, and what a killed process left is
known from what a living one is writing; the next one to write there clears it away.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from goldlock.files import could_not_write
from goldlock.interruption import deferred
from goldlock_env.errors import CouldNotRunError

T = TypeVar("T")


def backup_of(folder: Path) -> Path:
    """Return where a folder stands while another takes its place: a hidden neighbour."""
    return folder.with_name(f".{folder.name}.old")


def unfinished_of(folder: Path) -> Path:
    """Return where a folder is made before it gets its place: a hidden neighbour."""
    return folder.with_name(f".{folder.name}.new")


def create(folder: Path, fill: Callable[[Path], T]) -> T:
    """Make a new folder, which `fill` writes, whole or not at all; return what `fill` returns.

    Raises FileExistsError when something stands there (also when it appears meanwhile), CouldNotRunError
    when it cannot be written, and whatever `fill` raises.
    """
    with _prepared(folder) as new:
        _bring_back(folder)
        if os.path.lexists(folder):
            raise FileExistsError(folder)
        filled = fill(new)
        _sync_all(new)
        try:
            new.rename(folder)
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
                raise FileExistsError(folder) from error
            raise
        _sync(folder.parent)
    return filled


def exchange(folder: Path, fill: Callable[[Path], T], owned: frozenset[str]) -> T:
    """Put a folder that `fill` writes in the place of `folder`, which stays as it was if anything fails.

    What stands in the old folder and is not `owned` is kept. Between two renames the folder is at
    `backup_of`; whoever dies exactly there leaves it to `restore`. Returns what `fill` returns; raises
    CouldNotRunError, and whatever `fill` raises.
    """
    backup = backup_of(folder)
    with _prepared(folder) as new:
        _bring_back(folder)
        filled = fill(new)
        _keep_others(folder, new, owned)
        _sync_all(new)
        # Left by somebody who died after the second rename: the folder that replaced it stands.
        shutil.rmtree(backup, ignore_errors=True)
        with deferred():
            try:
                folder.rename(backup)
                new.rename(folder)
                _sync(folder.parent)
            finally:
                # Also after an exception between the two: one of them stands at the end.
                if not os.path.lexists(folder):
                    backup.rename(folder)
            shutil.rmtree(backup, ignore_errors=True)
    return filled


def restore(folder: Path) -> bool:
    """Bring back a folder whose exchange was cut off between its renames; False when there is nothing to do.

    Raises CouldNotRunError when it cannot be brought back, or when the exchange is still going on.
    """
    if os.path.lexists(folder) or not backup_of(folder).is_dir():
        return False
    with _prepared(folder):
        return _bring_back(folder)


def _bring_back(folder: Path) -> bool:
    backup = backup_of(folder)
    if os.path.lexists(folder) or not backup.is_dir():
        return False
    backup.rename(folder)
    return True


@contextmanager
def _prepared(folder: Path) -> Iterator[Path]:
    """Yield the empty hidden folder for `folder`, this process's alone; it is gone afterwards, renamed or removed."""
    made = _missing_parents(folder.parent)
    new = unfinished_of(folder)
    descriptor = -1
    try:
        with deferred():
            folder.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _locked(new)
        for left in new.iterdir():
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()
        yield new
        for parent in made:
            _sync(parent.parent)
        made = []
    except OSError as error:
        if isinstance(error, FileExistsError) and error.errno is None:
            raise
        raise could_not_write(
            folder, error, elsewhere="name another one with golden = in goldlock.toml"
        ) from error
    finally:
        with deferred():
            if descriptor >= 0:
                if _stands_at(descriptor, new):
                    shutil.rmtree(new, ignore_errors=True)
                os.close(descriptor)
            for parent in made:
                with suppress(OSError):
                    parent.rmdir()


def _locked(new: Path) -> int:
    """Make the hidden folder, or take the one that a dead process left; return the descriptor that locks it."""
    while True:
        new.mkdir(exist_ok=True)
        try:
            descriptor = os.open(new, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise CouldNotRunError(
                f"{new.parent}: another goldlock is writing there ({new.name})",
                hint="wait until it has ended, and run the command again",
            ) from None
        except OSError:
            # A file system without locks: as good as it goes there.
            return descriptor
        if _stands_at(descriptor, new):
            return descriptor
        # It became the golden between the two lines above.
        os.close(descriptor)


def _stands_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _missing_parents(parent: Path) -> list[Path]:
    """Return the folders that making `parent` will make, the innermost first."""
    missing = []
    while not parent.exists() and parent != parent.parent:
        missing.append(parent)
        parent = parent.parent
    return missing


def _keep_others(old: Path, new: Path, owned: frozenset[str]) -> None:
    for entry in sorted(old.iterdir()):
        if entry.name in owned or os.path.lexists(new / entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True)
        else:
            shutil.copy2(entry, new / entry.name, follow_symlinks=False)


def _sync_all(folder: Path) -> None:
    """Bring everything in `folder` to the disk, then the folder's own list of names."""
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            continue
        if entry.is_dir():
            _sync_all(entry)
        else:
            _sync(entry)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
