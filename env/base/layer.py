"""One image layer as a tar file that is the same, byte for byte, whenever its files are the same.

Entries are sorted with every folder before what it holds, times are clamped, names of users and groups are
left out (their numbers are kept), and hard links point to the first of their names in that order.
"""

from __future__ import annotations

import copy
import fnmatch
import hashlib
import io
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from errors import BaseImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file, folder, link or device of a layer; `open` gives the content of a regular file."""

    info: tarfile.TarInfo
    open: Callable[[], IO[bytes]] | None = None


def clean_name(name: str) -> str:
    """`./usr/lib/` and `/usr/lib` as `usr/lib`; the root folder as the empty text."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise BaseImageError(
            f"the name {name!r} leads out of the layer",
            hint="remove the cached tar file and build again",
        )
    return "/".join(parts)


def from_tar(archive: tarfile.TarFile, *, without: Sequence[str] = ()) -> Iterator[Entry]:
    """The archive's entries, except those whose name matches one of the patterns in `without`."""

    def opener(member: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
        def read() -> IO[bytes]:
            content = archive.extractfile(member)
            if content is None:
                raise BaseImageError(f"{member.name}: no content in the archive", hint="build it again")
            return content

        return read

    for member in archive:
        name = clean_name(member.name)
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in without):
            continue
        info = copy.copy(member)
        info.name = name
        yield Entry(info=info, open=opener(member) if member.isreg() else None)


def from_folder(folder: Path, *, at: str) -> Iterator[Entry]:
    """Everything in `folder`, placed at `at` in the layer and owned by user and group 0."""
    for path in sorted(folder.rglob("*")):
        info = tarfile.TarInfo("/".join((at, path.relative_to(folder).as_posix())))
        status = path.lstat()
        info.mtime = int(status.st_mtime)
        if path.is_symlink():
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
            yield Entry(info=info)
        elif path.is_dir():
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            yield Entry(info=info)
        else:
            # The umask of whoever built the interpreter is no part of it.
            info.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
            info.size = status.st_size
            yield Entry(info=info, open=lambda path=path: path.open("rb"))  # type: ignore[misc]


def from_text(name: str, text: str) -> Entry:
    """A text file at `name`, owned by user and group 0."""
    data = text.encode()
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    return Entry(info=info, open=lambda: io.BytesIO(data))


def normalised(entries: Iterable[Entry], *, epoch: int) -> list[Entry]:
    """The entries in the layer's order; of two at one name the later stays.

    Raises BaseImageError when a hard link's target is not among them.
    """
    by_name: dict[str, Entry] = {}
    for entry in entries:
        if entry.info.name:
            by_name[entry.info.name] = entry
    groups: dict[str, list[str]] = {}
    for name, entry in by_name.items():
        if entry.info.islnk():
            groups.setdefault(_content_of(name, by_name), []).append(name)
    for target, names in groups.items():
        first, *rest = sorted([target, *names], key=_order)
        content = by_name[target]
        by_name[first] = Entry(info=_renamed(content.info, first), open=content.open)
        for name in rest:
            info = _renamed(content.info, name)
            info.type, info.linkname, info.size = tarfile.LNKTYPE, first, 0
            by_name[name] = Entry(info=info)
    ordered = (by_name[name] for name in sorted(by_name, key=_order))
    return [Entry(info=_plain(entry.info, epoch), open=entry.open) for entry in ordered]


def write(target: Path, entries: Iterable[Entry]) -> str:
    """Write the entries, in the order given, to `target`; the answer is the layer's diff-id, `sha256:...`.

    A diff-id is the digest of the uncompressed tar: OCI image specification, "Layer DiffID".
    """
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            if entry.open is None:
                archive.addfile(entry.info)
            else:
                with entry.open() as content:
                    archive.addfile(entry.info, content)
    digest = hashlib.sha256()
    with target.open("rb") as layer:
        while block := layer.read(BLOCK):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _order(name: str) -> list[str]:
    return name.split("/")


def _content_of(name: str, by_name: dict[str, Entry]) -> str:
    """The regular file that the hard link `name` stands for."""
    seen = {name}
    while by_name[name].info.islnk():
        name = clean_name(by_name[name].info.linkname)
        if name not in by_name or name in seen:
            raise BaseImageError(
                f"the hard link {min(seen)} points to {name}, which is not in the archive",
                hint="remove the cached tar file and build again",
            )
        seen.add(name)
    return name


def _renamed(info: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    changed = copy.copy(info)
    changed.name = name
    return changed


def _plain(info: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    plain = copy.copy(info)
    plain.mtime = min(int(info.mtime), epoch)
    plain.uname = plain.gname = ""
    # Extended attributes carry file capabilities; the other headers repeat times and names.
    plain.pax_headers = {
        key: value for key, value in sorted(info.pax_headers.items()) if key.startswith("SCHILY.xattr.")
    }
    return plain
