"""Reading what a container sends, none of which is trusted: framed streams and tar archives."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from goldlock.errors import SubjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

STDOUT, STDERR = 1, 2
_HEADER = 8
_TAIL = 64 << 10


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
    """Collects stdout whole up to a limit, and the tail of stderr."""

    limit: int
    stdout: bytearray = field(default_factory=bytearray)
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
        else:
            self.stdout += piece

    @property
    def stderr(self) -> str:
        """The last 64 KiB of stderr as text."""
        return self._stderr.decode("utf-8", "replace")


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Make a tar archive of small files; a name with a trailing slash makes a folder.

    Everyone may read and write what is in it: the subject's user is not known here.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name.rstrip("/"))
            if name.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o777
                archive.addfile(member)
            else:
                member.size, member.mode = len(content), 0o666
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class _Chunks(io.RawIOBase):
    """An iterator of byte chunks as a readable file that stops at a limit."""

    def __init__(self, chunks: Iterable[bytes], limit: int) -> None:
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


def unpack(chunks: Iterable[bytes], *, limit: int, members: int = 1000) -> dict[str, bytes]:
    """Read the regular files of a tar stream into memory, writing nothing anywhere.

    Links, devices and names that climb out are refused rather than passed over: a subject that
    writes them is not what was recorded.

    Args:
        chunks: the archive as it arrives.
        limit: most bytes of contents, in all.
        members: most members.

    Raises:
        SubjectError: refused, too large, or not a tar archive.
    """
    found: dict[str, bytes] = {}
    overhead = members * 2048 + (1 << 20)
    try:
        with tarfile.open(fileobj=io.BufferedReader(_Chunks(chunks, limit + overhead)), mode="r|") as archive:
            for number, member in enumerate(archive):
                path = PurePosixPath(member.name)
                if number >= members:
                    raise SubjectError(f"wrote more than {members} files as its output")
                if path.is_absolute() or ".." in path.parts:
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
                found[str(path)] = content.read()
                limit -= member.size
    except (tarfile.TarError, ValueError, ArithmeticError, RecursionError) as error:
        # tarfile lets through what int() and the stack say of headers that lie.
        raise SubjectError(f"output can't be read out of the container: {error}") from error
    return found
