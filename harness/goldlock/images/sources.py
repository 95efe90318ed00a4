"""Files in an archive, by name: a tar archive that lies on the disk, or is still arriving there, or a folder."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from goldlock import ustar
from goldlock.errors import CouldNotRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Read = Callable[[int, int], bytes]
    """Bytes from an offset: as many as asked for, fewer only where the archive ends."""

PIECE = 1 << 20
MEMBERS = 100_000
"""Most members of an archive that is read."""
_EXTENDED = 1 << 20
"""Most bytes of an extended header."""
_LENGTH = re.compile(rb"([0-9]{1,7}) ")
_NUMBER = re.compile(r"[0-9]{1,18}")


class Blob(Protocol):
    """The bytes of one file."""

    @property
    def size(self) -> int:
        """In bytes."""

    def pieces(self) -> Iterator[bytes]:
        """All of them, in order. Raises CouldNotRunError where they are no longer there."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of an open file."""

    descriptor: int
    offset: int
    size: int

    def pieces(self) -> Iterator[bytes]:
        position, end = self.offset, self.offset + self.size
        while position < end:
            piece = os.pread(self.descriptor, min(PIECE, end - position), position)
            if not piece:
                raise CouldNotRunError("the archive became shorter while it was read", hint="try again")
            position += len(piece)
            yield piece


@dataclass(frozen=True, slots=True)
class File:
    """A file of a folder."""

    path: Path
    size: int

    def pieces(self) -> Iterator[bytes]:
        with open(self.path, "rb", buffering=0, opener=_without_links) as file:
            yield from Span(file.fileno(), 0, self.size).pieces()


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes in memory."""

    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def pieces(self) -> Iterator[bytes]:
        yield self.content


@dataclass(frozen=True, slots=True)
class Source:
    """Regular files by their names, and what to call them in messages."""

    where: str
    files: Mapping[str, Blob]

    def small(self, name: str, limit: int) -> bytes | None:
        """The bytes of a small file, None where there is none of that name. Raises CouldNotRunError."""
        blob = self.files.get(name)
        if blob is None:
            return None
        if blob.size > limit:
            raise CouldNotRunError(
                f"{self.where}: {name} has {blob.size:,} bytes, and at most {limit:,} are read",
                hint="save the image again",
            )
        return b"".join(blob.pieces())


@dataclass(frozen=True, slots=True)
class Entry:
    """A member of a tar archive."""

    name: str
    offset: int
    """Where its bytes begin."""
    size: int
    regular: bool


def entries(read: Read, where: str) -> Iterator[Entry]:
    """Walk over the members of a tar archive of any kind, reading nothing but their headers.

    Raises CouldNotRunError for what is no tar archive, or is cut off.
    """
    position, count = 0, 0
    name, size = "", -1
    while len(block := read(position, ustar.BLOCK)) == ustar.BLOCK or not position:
        if block and not block.strip(b"\0"):
            return
        claimed = ustar.claimed_size(block)
        if not ustar.has_checksum(block) or claimed is None:
            raise CouldNotRunError(
                f"{where}: is no tar archive"
                if not position
                else f"{where}: is damaged at byte {position:,}",
                hint="name an archive that `docker save`, Podman or an OCI tool wrote",
            )
        count += 1
        if count > MEMBERS:
            raise CouldNotRunError(f"{where}: holds more than {MEMBERS:,} members", hint="that is no image")
        kind, offset = block[156:157], position + ustar.BLOCK
        if kind in b"xgLK" and kind:
            if claimed > _EXTENDED:
                raise CouldNotRunError(f"{where}: has an extended header of {claimed:,} bytes")
            content = read(offset, claimed)
            if kind == b"L":
                name = content.rstrip(b"\0").decode("utf-8", "backslashreplace")
            elif kind == b"x":
                said = _records(content)
                name = said.get("path", name)
                size = int(said["size"]) if _NUMBER.fullmatch(said.get("size", "")) else size
            position = offset + claimed + ustar.padding(claimed)
            continue
        held = claimed if size < 0 else size
        if kind in {b"1", b"2", b"3", b"4", b"5", b"6"}:
            held = 0
        yield Entry(name or ustar.claimed_name(block), offset, held, kind in {b"0", b"\0", b"7"})
        name, size = "", -1
        position = offset + held + ustar.padding(held)
    raise CouldNotRunError(f"{where}: is cut off: its end is missing", hint="copy or save it again")


def _records(content: bytes) -> dict[str, str]:
    """The records of a pax header: length, a space, key=value, a line feed."""
    found: dict[str, str] = {}
    position = 0
    while length := _LENGTH.match(content, position):
        end = position + int(length[1])
        if not length.end() <= end <= len(content):
            break
        key, _, value = content[length.end() : end].rstrip(b"\n").partition(b"=")
        position = end
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "backslashreplace")
    return found


def plain(name: str) -> str:
    """A member's name without what tar puts before it."""
    return name.removeprefix("./")


def tar_source(descriptor: int, where: str) -> Source:
    """The files of a tar archive that is open; of two of the same name the last one counts, as tar has it."""
    end = os.fstat(descriptor).st_size
    files: dict[str, Blob] = {}
    for entry in entries(lambda offset, size: os.pread(descriptor, size, offset), where):
        if entry.offset + entry.size > end:
            raise CouldNotRunError(f"{where}: is cut off inside {entry.name}", hint="copy or save it again")
        if entry.regular:
            files[plain(entry.name)] = Span(descriptor, entry.offset, entry.size)
    return Source(where, files)


def folder_source(folder: Path) -> Source:
    """The files of an OCI layout's folder; links are passed over."""
    found = [folder / "oci-layout", folder / "index.json", *sorted(folder.glob("blobs/sha256/*"))]
    files: dict[str, Blob] = {}
    for path in found[:MEMBERS]:
        try:
            state = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(state.st_mode):
            files[path.relative_to(folder).as_posix()] = File(path, state.st_size)
    return Source(str(folder), files)
