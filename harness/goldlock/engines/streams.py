"""Reading what a container sends, none of which is trusted: framed streams and tar archives."""

from __future__ import annotations

import errno
import io
import os
import tarfile
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from goldlock.errors import SubjectError
from goldlock.files import write_received

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import FileIO
    from pathlib import Path

STDOUT, STDERR = 1, 2
_HEADER = 8
_TAIL = 64 << 10
_PIECE = 1 << 20


def frames(read: Callable[[int], bytes]) -> Iterator[tuple[int, bytes]]:
    """Split an attached stream into (stream number, payload) pieces.

    The format is the Engine API's "Stream format" of `ContainerAttach`: one byte stream number,
    three zero bytes, four bytes big-endian length, then the payload.

    Args:
        read: returns at least one and at most the given number of bytes, none at the end.
    """
    while header := _exactly(read, _HEADER):
        number, left = header[0], int.from_bytes(header[4:], "big")
        while left:
            piece = read(min(left, 1 << 16))
            if not piece:
                return
            left -= len(piece)
            yield number, piece


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    gathered = b""
    while len(gathered) < size:
        piece = read(size - len(gathered))
        if not piece:
            return b""
        gathered += piece
    return gathered


@dataclass(slots=True)
class Capture:
    """Collects stdout whole up to a limit, in memory or into a file, and the tail of stderr."""

    limit: int
    sink: FileIO | None = None
    """Where stdout goes; None: to memory."""
    stdout: bytearray = field(default_factory=bytearray)
    """All of it, or with a sink the last 64 KiB."""
    _stderr: bytearray = field(default_factory=bytearray)
    _seen: int = 0

    def add(self, number: int, piece: bytes) -> None:
        """Take a piece in. Raises `SubjectError` once both streams together exceed the limit."""
        self._seen += len(piece)
        if self._seen > self.limit:
            raise SubjectError(
                f"wrote more than {self.limit:,} bytes to stdout and stderr",
                hint="raise subject.limits.output in goldlock.toml if that is right",
            )
        if number == STDERR:
            self._stderr += piece
            del self._stderr[:-_TAIL]
            return
        self.stdout += piece
        if self.sink is not None:
            write_received(self.sink, piece)
            del self.stdout[:-_TAIL]

    @property
    def stderr(self) -> str:
        """The last 64 KiB of stderr as text."""
        return self._stderr.decode("utf-8", "replace")


def pack(files: Iterable[tuple[str, Path | None]]) -> Iterator[bytes]:
    """Yield a tar archive of files of this host under other names; None makes a folder of that name.

    Everyone may read and write what is in it: the subject's user is not known here. Raises OSError where a
    file cannot be read.
    """
    for name, path in files:
        member = tarfile.TarInfo(name)
        if path is None:
            member.type, member.mode = tarfile.DIRTYPE, 0o777
            yield member.tobuf(tarfile.GNU_FORMAT)
            continue
        with path.open("rb") as stream:
            member.size, member.mode = os.fstat(stream.fileno()).st_size, 0o666
            yield member.tobuf(tarfile.GNU_FORMAT)
            left = member.size
            while left and (piece := stream.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece
        # Also where the file became shorter meanwhile: an archive says beforehand how long a member is.
        yield bytes(left + -member.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def packed(name: str, content: bytes, *, mode: int) -> bytes:
    """A tar archive of one file that everyone may read."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    padding = bytes(-len(content) % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)
    return member.tobuf(tarfile.GNU_FORMAT) + content + padding


class Chunks(io.RawIOBase):
    """An iterator of byte chunks as a readable file that stops at a limit."""

    def __init__(self, chunks: Iterable[bytes], limit: int) -> None:
        """Take over the iterator; `limit` is in bytes."""
        self._chunks, self._rest, self._left = iter(chunks), b"", limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        if not self._rest:
            self._rest = next(self._chunks, b"")
            self._left -= len(self._rest)
            if self._left < 0:
                raise SubjectError(
                    "wrote an output larger than is read",
                    hint="raise subject.limits.output in goldlock.toml if that is right",
                )
        view = memoryview(buffer)  # type: ignore[arg-type]  # the writable buffer protocol has no type before 3.12
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def unpack(chunks: Iterable[bytes], into: Path, *, limit: int, members: int = 1000) -> dict[str, Path]:
    """Copy the regular files of a tar stream into a folder of our own, made where it is absent.

    Links, devices and names that climb out are refused rather than passed over: a subject that
    writes them is not what was recorded. Nothing but files and folders is ever made in `into`, so no name
    leads out of it.

    Args:
        chunks: the archive as it arrives.
        into: an empty or absent folder; what it then holds after an error means nothing.
        limit: most bytes of contents, in all.
        members: most members.

    Returns:
        Paths below `into` by their names in the archive.

    Raises:
        SubjectError: refused, too large, or not a tar archive.
    """
    found: dict[str, Path] = {}
    overhead = members * 2048 + (1 << 20)
    try:
        with tarfile.open(fileobj=io.BufferedReader(Chunks(chunks, limit + overhead)), mode="r|") as archive:
            for number, member in enumerate(archive):
                path = PurePosixPath(member.name)
                if number >= members:
                    raise SubjectError(f"wrote more than {members} files as its output")
                if path.is_absolute() or ".." in path.parts or "\0" in member.name:
                    raise SubjectError(f"output has a path that climbs out of its folder: {member.name!r}")
                if member.isdir():
                    continue
                if not member.isreg():
                    raise SubjectError(
                        f"output {member.name!r} is a link or a device, not a file",
                        hint="write the output as a regular file",
                    )
                if member.size > limit or (content := archive.extractfile(member)) is None:
                    raise SubjectError(
                        f"output {member.name!r} has {member.size:,} bytes, more than the limit of {limit:,}",
                        hint="raise subject.limits.output in goldlock.toml if that is right",
                    )
                found[str(path)] = _copied(content, into / path, member.name)
                limit -= member.size
    except (tarfile.TarError, ValueError, ArithmeticError, RecursionError) as error:
        # tarfile lets through what int() and the stack say of headers that lie.
        raise SubjectError(f"output can't be read out of the container: {error}") from error
    return found


def _copied(content: IO[bytes], path: Path, name: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb", buffering=0)
    except (FileExistsError, NotADirectoryError, IsADirectoryError, UnicodeEncodeError) as error:
        raise SubjectError(
            f"output {name!r} can't be a file here: it stands there twice, or below another file",
            hint="write every output once, as a regular file",
        ) from error
    except OSError as error:
        if error.errno not in {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}:
            raise
        raise SubjectError(
            f"output {name[:60]!r} can't be a file here: {error.strerror}", hint="give it another name"
        ) from error
    with file:
        while piece := content.read(_PIECE):
            write_received(file, piece)
    return path
