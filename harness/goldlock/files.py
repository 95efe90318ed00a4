"""Files that may be larger than memory, on disks that may be full."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.errors import CouldNotRunError

if TYPE_CHECKING:
    from io import FileIO

_PIECE = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def sha256_of(path: Path) -> str:
    """Return `sha256:` and the digest of a file's bytes in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"


def could_not_write(path: Path, error: OSError, *, elsewhere: str) -> CouldNotRunError:
    """Return the error that says what to do about `error`; `elsewhere` tells how to name another place."""
    if error.errno in _FULL:
        hint = "free some space (or raise the file size limit) and run the command again; nothing was left behind"
    elif error.errno in _REFUSED:
        hint = f"make the folder writable for this user, or {elsewhere}"
    else:
        hint = "see what is wrong with that place and run the command again; nothing was left behind"
    return CouldNotRunError(f"{path}: could not be written: {error.strerror or error}", hint=hint)


def write_received(file: FileIO, piece: bytes) -> None:
    """Write all of a piece of an answer, or tell what to do where this host's temporary folder does not take it.

    Unbuffered: what could not be written is then not tried, and complained of, again when the file is closed.
    """
    left = memoryview(piece)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise could_not_write(
            Path(str(file.name)), error, elsewhere="name another one with TMPDIR"
        ) from error
