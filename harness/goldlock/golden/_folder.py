"""Folders that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from goldlock_env.errors import CouldNotRunError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def could_not_write(folder: Path, error: OSError) -> CouldNotRunError:
    """Return the error that says what to do about `error`."""
    if error.errno in _FULL:
        hint = "free some space (or raise the file size limit) and run the command again; nothing was left behind"
    elif error.errno in _REFUSED:
        hint = "make the folder writable for this user, or name another one with golden = in goldlock.toml"
    else:
        hint = "see what is wrong with that place and run the command again; nothing was left behind"
    return CouldNotRunError(f"{folder}: could not be written: {error.strerror or error}", hint=hint)


def backup_of(folder: Path) -> Path:
    """Return where a folder stands while another takes its place: a hidden neighbour."""
    return folder.with_name(f".{folder.name}.old")


def create(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder holding `files`, whole or not at all.

    Raises FileExistsError when something stands there (also when it appears meanwhile), CouldNotRunError
    when it cannot be written.
    """
    with _prepared(folder, files, None) as new:
        if os.path.lexists(folder):
            raise FileExistsError(folder)
        try:
            new.rename(folder)
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
                raise FileExistsError(folder) from error
            raise
        _sync(folder.parent)


def exchange(folder: Path, files: Mapping[str, bytes], owned: frozenset[str]) -> None:
    """Put a folder holding `files` in the place of `folder`, which stays as it was if that fails.

    What stands in the old folder and is not `owned` is kept. Between two renames the folder is at
    `backup_of`; whoever dies exactly there leaves it to `restore`. Raises CouldNotRunError.
    """
    backup = backup_of(folder)
    with _prepared(folder, files, owned) as new:
        # Left by somebody who died after the second rename: the folder that replaced it stands.
        shutil.rmtree(backup, ignore_errors=True)
        try:
            folder.rename(backup)
            new.rename(folder)
            _sync(folder.parent)
        finally:
            # Also after Ctrl-C between the two: one of them stands at the end.
            if not os.path.lexists(folder):
                backup.rename(folder)
            shutil.rmtree(backup, ignore_errors=True)


def restore(folder: Path) -> bool:
    """Bring back a folder whose exchange was cut off between its renames; False when there is nothing to do."""
    backup = backup_of(folder)
    if os.path.lexists(folder) or not backup.is_dir():
        return False
    try:
        backup.rename(folder)
    except OSError as error:
        raise could_not_write(folder, error) from error
    return True


@contextmanager
def _prepared(folder: Path, files: Mapping[str, bytes], owned: frozenset[str] | None) -> Iterator[Path]:
    """Yield a complete, synced folder beside `folder`, removed unless it was renamed away."""
    made = _missing_parents(folder.parent)
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = folder.with_name(f".{folder.name}.new-{secrets.token_hex(8)}")
        temporary.mkdir()
        if owned is not None:
            _keep_others(folder, temporary, owned | files.keys())
        for name, data in files.items():
            _write(temporary / name, data)
        _sync(temporary)
        yield temporary
        made = []
    except OSError as error:
        if isinstance(error, FileExistsError) and error.errno is None:
            raise
        raise could_not_write(folder, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            with suppress(OSError):
                parent.rmdir()


def _missing_parents(parent: Path) -> list[Path]:
    """Return the folders that making `parent` will make, the innermost first."""
    missing = []
    while not parent.exists() and parent != parent.parent:
        missing.append(parent)
        parent = parent.parent
    return missing


def _keep_others(old: Path, new: Path, owned: frozenset[str]) -> None:
    for entry in sorted(old.iterdir()):
        if entry.name in owned:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True)
        else:
            shutil.copy2(entry, new / entry.name, follow_symlinks=False)


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
