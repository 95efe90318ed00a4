"""Files without a name: what `docker save` sends, hashed while it arrives, and a file that gets its name when it is whole.

Nothing here has a name while it is written, so that whoever is killed leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import threading
from typing import IO, TYPE_CHECKING

from goldlock.errors import ConfigurationError
from goldlock.files import could_not_write
from goldlock.images.sources import PIECE, Source, Span, entries, plain
from goldlock.interruption import deferred

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from goldlock.images.sources import Blob

_COPIED = 64 << 20
"""Bytes that are copied at once: what goes on between two of them can be interrupted, and told."""


class _Arriving:
    """A file that one thread appends to and another one reads meanwhile."""

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor, self._size, self._ended, self._whole = file.fileno(), 0, False, True
        self._more = threading.Condition()

    def more(self, size: int) -> None:
        """So many bytes were appended."""
        with self._more:
            self._size += size
            self._more.notify()

    def end(self, *, whole: bool) -> None:
        """Nothing more comes; where that is not the whole, the rest need not be read."""
        with self._more:
            self._ended, self._whole = True, whole
            self._more.notify()

    def read(self, offset: int, size: int) -> bytes:
        """What is there from `offset` on, once it has arrived."""
        with self._more:
            self._more.wait_for(lambda: self._ended or self._size >= offset + size)
            if not self._whole:
                return b""
        return os.pread(self._descriptor, size, offset)

    def digest(self, offset: int, end: int | None) -> str:
        """SHA-256 in hexadecimal of what arrives between two places."""
        digest, position = hashlib.sha256(), offset
        while (left := PIECE if end is None else min(PIECE, end - position)) and (
            piece := self.read(position, left)
        ):
            digest.update(piece)
            position += len(piece)
        return digest.hexdigest()


class Spool:
    """A tar archive that is received into a nameless file; a second thread hashes its members meanwhile."""

    def __init__(self, folder: Path, where: str) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # closed by `close`
        self._where, self._arriving = where, _Arriving(self._file)
        self._spans: dict[str, Blob] = {}
        self._digests: dict[Span, str] = {}

    def close(self) -> None:
        """Give the disk its room back."""
        self._file.close()

    def receive(
        self, chunks: Iterable[bytes], advance: Callable[[int], None]
    ) -> tuple[Source, dict[str, Span]]:
        """Return the archive, and its files by their digests. Raises CouldNotRunError, and what `chunks` raises."""
        with _following(self._arriving, self._follow):
            for chunk in chunks:
                _write(self._file, chunk)
                self._arriving.more(len(chunk))
                advance(len(chunk))
        return Source(self._where, self._spans), {digest: span for span, digest in self._digests.items()}

    def _follow(self) -> None:
        for entry in entries(self._arriving.read, self._where):
            if entry.regular:
                span = Span(self._file.fileno(), entry.offset, entry.size)
                self._spans[plain(entry.name)] = span
                self._digests[span] = (
                    f"sha256:{self._arriving.digest(entry.offset, entry.offset + entry.size)}"
                )


class Written:
    """A new file that is written from its beginning; a second thread hashes it meanwhile."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._arriving = file, _Arriving(file)
        self.sha256 = ""
        """Of the whole file, in hexadecimal, once it is there."""

    @contextlib.contextmanager
    def hashed(self) -> Iterator[None]:
        """What is written in the block makes the file."""
        with _following(self._arriving, self._follow):
            yield

    def _follow(self) -> None:
        self.sha256 = self._arriving.digest(0, None)

    def write(self, content: bytes) -> None:
        """Append all of it. Raises OSError."""
        _write(self._file, content)
        self._arriving.more(len(content))

    def copy(self, blob: Blob, advance: Callable[[int], None]) -> None:
        """Append a blob, inside the kernel where that can be. Raises OSError."""
        done = 0
        if isinstance(blob, Span) and hasattr(os, "copy_file_range"):
            try:
                while done < blob.size:
                    copied = os.copy_file_range(
                        blob.descriptor,
                        self._file.fileno(),
                        min(_COPIED, blob.size - done),
                        offset_src=blob.offset + done,
                    )
                    if not copied:
                        break
                    done += copied
                    self._arriving.more(copied)
                    advance(copied)
            except OSError:
                # Not between these two file systems.
                pass
            blob = Span(blob.descriptor, blob.offset + done, blob.size - done)
        for piece in blob.pieces():
            self.write(piece)
            advance(len(piece))


@contextlib.contextmanager
def _following(arriving: _Arriving, follow: Callable[[], None]) -> Iterator[None]:
    """Run `follow` in a thread while the block writes; what it raises is raised at the end."""
    faults: list[BaseException] = []

    def run() -> None:
        try:
            follow()
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits for this one
            faults.append(error)

    follower = threading.Thread(target=run, daemon=True)
    follower.start()
    whole = False
    try:
        yield
        whole = True
    finally:
        arriving.end(whole=whole)
        follower.join()
    if faults:
        raise faults[0]


def _write(file: IO[bytes], content: bytes) -> None:
    # Without a buffer, a disk that becomes full takes a part and says nothing.
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


@contextlib.contextmanager
def published(target: Path, *, replace: bool) -> Iterator[IO[bytes]]:
    """Yield a new file that stands under its name, whole and on the disk, once the block has ended well.

    Raises ConfigurationError where there is one already and `replace` is not said, CouldNotRunError where it
    cannot be written.
    """
    if not replace and os.path.lexists(target):
        raise _there(target)
    hidden = target.with_name(f".{target.name}.new")
    try:
        with _nameless(hidden) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            with deferred():
                _name(file, hidden, target, replace=replace)
                _sync(target.parent)
    except FileExistsError:
        raise _there(target) from None
    except OSError as error:
        raise could_not_write(target, error, elsewhere="name another place with -o") from error


def _there(target: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{target} is there already", hint="name another file with -o, or replace it with --replace"
    )


@contextlib.contextmanager
def _nameless(hidden: Path) -> Iterator[IO[bytes]]:
    """A file without a name; on a file system that has no such thing, one with a hidden name, removed in the end."""
    flag = getattr(os, "O_TMPFILE", 0)
    try:
        if not flag:
            raise OSError
        descriptor, named = os.open(hidden.parent, os.O_RDWR | flag, 0o666), False
    except FileNotFoundError:
        raise
    except OSError:
        with deferred():
            # What a killed process left is taken over; what a living one writes is not.
            descriptor, named = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), True
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        try:
            yield file
        finally:
            if named:
                hidden.unlink(missing_ok=True)


def _name(file: IO[bytes], hidden: Path, target: Path, *, replace: bool) -> None:
    """Give the file its name in one step. A link never replaces, a renaming does."""
    inside = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not os.path.lexists(hidden) or not os.path.samestat(hidden.lstat(), os.fstat(file.fileno())):
            hidden.unlink(missing_ok=True)
            # src_dir_fd makes it linkat(2), which can be told to follow this one.
            os.link(f"/proc/self/fd/{file.fileno()}", hidden if replace else target, src_dir_fd=inside)
        elif not replace:
            os.link(hidden, target)
        if replace:
            hidden.replace(target)
    finally:
        os.close(inside)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
