"""goldlock.lock: the snapshot that is expected, as canonical TOML that carries its own digest.

Names follow PEP 751 where it has them (``lock-version``, ``created-by``, ``[[packages]]``). The same
snapshot gives the same bytes: sorted, LF, no time stamp, no path of this machine.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from goldlock_env import tables
from goldlock_env.decoding import MalformedError, Reader, clean
from goldlock_env.errors import CouldNotRunError
from goldlock_env.findings import Finding, Layer, Severity, Status
from goldlock_env.layers import PackagesLayer
from goldlock_env.requirements import Requirement
from goldlock_env.snapshot import Snapshot

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOCK_VERSION = "1.0"
CREATED_BY = "goldlock"
KEY = "goldlock.lock"
"""Key of the finding on a lock that was edited."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a lock that is read."""

_HEADER = (
    "# Written by `goldlock lock`: the environment as it was found. Do not edit it: its lock-id would no\n"
    "# longer fit, and `goldlock verify` would say so. Write it again with `goldlock lock`.\n"
)
_ID_LINE = re.compile(r'^lock-id = "[^"\n]*"\n', re.MULTILINE)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDigest:
    """A file that the environment was made from."""

    path: str
    """POSIX, relative to the configuration's folder."""
    sha256: str
    """``sha256:`` and 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a lock comes from. No time stamp: a lock must not drift by itself."""

    subject: str
    requirements: tuple[FileDigest, ...] = ()
    """Sorted by path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """An expected snapshot with its provenance."""

    snapshot: Snapshot
    """Without what a lock does not hold (``Snapshot.for_lock``)."""
    provenance: Provenance
    id: str = ""
    """``sha256:...`` of everything in the file but itself; computed when it is not given."""
    integrity: Finding | None = None
    """Set when the file was edited since goldlock wrote it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "snapshot", self.snapshot.for_lock())
        if not self.id:
            object.__setattr__(self, "id", _digest(_unsealed(self)))

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        *,
        subject: str,
        requirements: Iterable[Requirement] = (),
        requirements_files: Mapping[str, str] | None = None,
    ) -> Lock:
        """Lock a snapshot. ``requirements_files`` maps each file's path to its ``sha256:...``."""
        files = sorted((requirements_files or {}).items())
        provenance = Provenance(
            subject=subject,
            requirements=tuple(FileDigest(path=path, sha256=digest) for path, digest in files),
        )
        return cls(snapshot=snapshot.with_wheel_hashes(requirements), provenance=provenance)


def dumps(lock: Lock) -> str:
    """The lock's text, sealed with the digest of all the rest."""
    text = _unsealed(lock)
    return text.replace(_seal(""), _seal(_digest(text)), 1)


def loads(text: str, *, where: str = KEY) -> Lock:
    """Read a lock's text. One that was edited is read as it is now, with ``integrity`` set.

    Raises CouldNotRunError for what is no lock, or one of another version.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CouldNotRunError(f"{where}: is not TOML: {error}", hint=_WRITE_AGAIN) from None
    version = document.get("lock-version")
    if version != LOCK_VERSION:
        raise CouldNotRunError(
            f"{where}: lock-version: is {clean(repr(version))[:80]}, and this goldlock reads {LOCK_VERSION!r}",
            hint="Use the goldlock that wrote it, or write it again with `goldlock lock`.",
        )
    try:
        reader = Reader(document)
        sealed, provenance, snapshot = read_document(reader)
        reader.finish()
    except MalformedError as error:
        raise CouldNotRunError(f"{where}: {error}", hint=_WRITE_AGAIN) from None
    found = _digest(text)
    return Lock(snapshot=snapshot, provenance=provenance, id=found, integrity=_integrity(sealed, found))


def read_document(reader: Reader) -> tuple[str | None, Provenance, Snapshot]:
    """Ask a lock's document for its seal, its provenance and its snapshot. Raises MalformedError."""
    for known in ("lock-version", "created-by"):
        reader.text(known)
    sealed = reader.optional_text("lock-id")
    provenance = reader.required_table("provenance", _read_provenance)
    return sealed, provenance, _read_snapshot(reader)


def read(path: Path) -> Lock:
    """Read a lock file. Raises CouldNotRunError when it is not there or cannot be used."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise CouldNotRunError(f"{path}: there is no lock", hint="Write it with `goldlock lock`.") from None
    except OSError as error:
        raise CouldNotRunError(
            f"{path}: could not be read: {error.strerror}", hint="Look at its permissions."
        ) from None
    if len(content) > LARGEST:
        raise CouldNotRunError(f"{path}: is larger than {LARGEST // 2**20} MiB", hint=_WRITE_AGAIN)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CouldNotRunError(f"{path}: is not UTF-8 (byte {error.start})", hint=_WRITE_AGAIN) from None
    return loads(text, where=str(path))


def write(path: Path, lock: Lock, *, replace: bool = False) -> None:
    """Write a lock: the whole file or nothing, and not over another one unless ``replace``.

    Raises CouldNotRunError.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            with partial.open("xb") as stream:
                stream.write(dumps(lock).encode("utf-8"))
                stream.flush()
                os.fsync(stream.fileno())
            if replace:
                partial.replace(path)
            else:
                _publish(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except FileExistsError:
        raise CouldNotRunError(
            f"{path}: there is a lock already",
            hint="Look at it with `goldlock diff`, or replace it explicitly.",
        ) from None
    except OSError as error:
        raise CouldNotRunError(
            f"{path}: could not be written: {error.strerror}",
            hint="Nothing was changed. Look at the folder's permissions and at the space left on its disk.",
        ) from None


_WRITE_AGAIN = (
    "It was cut off or edited. Take it from version control again, or write it with `goldlock lock`."
)


def _integrity(sealed: str | None, found: str) -> Finding | None:
    if sealed == found:
        return None
    return Finding(
        layer=Layer.LOCK,
        key=KEY,
        expected=sealed,
        actual=found,
        status=Status.CHANGED,
        severity=Severity.ERROR,
        note="the lock was edited since goldlock wrote it; it is compared as it is now"
        if sealed
        else "the lock has no lock-id: it was edited, or goldlock did not write it",
    )


def _digest(text: str) -> str:
    """Digest of a lock's text without its lock-id line; line ends as version control may have left them."""
    plain = _ID_LINE.sub("", text.replace("\r\n", "\n"), count=1)
    return f"sha256:{hashlib.sha256(plain.encode('utf-8')).hexdigest()}"


def _seal(digest: str) -> str:
    return f'lock-id = "{digest}"\n'


def _unsealed(lock: Lock) -> str:
    head = f'{_HEADER}\nlock-version = "{LOCK_VERSION}"\ncreated-by = "{CREATED_BY}"\n{_seal("")}'
    return head + "".join(f"{line}\n" for line in _table_lines("", _document(lock)))


def _document(lock: Lock) -> Mapping[str, object]:
    """All tables below the head, in the order in which they are written."""
    snapshot, provenance, packages = lock.snapshot, lock.provenance, lock.snapshot.packages
    return tables.known(
        {
            "provenance": {
                "subject": provenance.subject,
                "requirements": {file.path: file.sha256 for file in provenance.requirements},
            },
            "unknown": dict(snapshot.unknown) or None,
            "python": snapshot.python and tables.write_python(snapshot.python),
            "os": snapshot.os and tables.write_os(snapshot.os),
            "image": snapshot.image and tables.write_image(snapshot.image),
            "numerics": snapshot.numerics and tables.write_numerics(snapshot.numerics),
            "host": snapshot.host and tables.write_host(snapshot.host),
            "artifacts": snapshot.artifacts and tables.write_artifacts(snapshot.artifacts),
            # [[packages]] is PEP 751's and has no room for what is true of all of them.
            "integrity": None if packages is None else _integrity_table(packages),
            "packages": None if packages is None else tables.write_distributions(packages.distributions),
        }
    )


def _integrity_table(packages: PackagesLayer) -> tables.Table:
    return tables.known(
        {
            "hashed": packages.hashed,
            "unknown": packages.unknown or None,
            "shadowed": tables.write_shadowed(packages.shadowed),
            "conda": None if packages.conda is None else dict(packages.conda),
        }
    )


def _read_integrity(reader: Reader) -> PackagesLayer:
    return PackagesLayer(
        hashed=reader.flag("hashed"),
        unknown=reader.optional_text("unknown") or "",
        shadowed=tables.read_shadowed(reader),
        conda=reader.optional_pairs("conda"),
        distributions=(),
    )


def _read_snapshot(reader: Reader) -> Snapshot:
    integrity = reader.table("integrity", _read_integrity)
    distributions = tables.read_distributions(reader, "packages")
    if integrity is None and distributions:
        raise MalformedError("integrity", "is missing")
    packages = integrity and PackagesLayer(
        hashed=integrity.hashed,
        unknown=integrity.unknown,
        shadowed=integrity.shadowed,
        conda=integrity.conda,
        distributions=distributions,
    )
    return Snapshot(
        python=reader.table("python", tables.read_python),
        packages=packages,
        os=reader.table("os", tables.read_os),
        image=reader.table("image", tables.read_image),
        numerics=reader.table("numerics", tables.read_numerics),
        host=reader.table("host", tables.read_host),
        artifacts=reader.table("artifacts", tables.read_artifacts),
        unknown=tables.read_unknown(reader),
    )


def _read_provenance(reader: Reader) -> Provenance:
    files = tuple(FileDigest(path=path, sha256=digest) for path, digest in reader.pairs("requirements"))
    return Provenance(subject=reader.text("subject"), requirements=files)


def _table_lines(path: str, table: Mapping[str, object]) -> Iterator[str]:
    """A table's lines: its own values first, then the tables in it, each under its whole name."""
    nested: list[tuple[str, object]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) or (
            isinstance(value, list) and value and isinstance(value[0], Mapping)
        ):
            nested.append((key, value))
        else:
            yield from _value_lines(key, value)
    for key, value in nested:
        name = f"{path}.{_key(key)}" if path else _key(key)
        if isinstance(value, Mapping):
            yield from ("", f"[{name}]")
            yield from _table_lines(name, value)
        elif isinstance(value, list):
            for item in value:
                yield from ("", f"[[{name}]]")
                yield from _table_lines(name, item)


def _value_lines(key: str, value: object) -> Iterator[str]:
    match value:
        case bool():
            yield f"{_key(key)} = {'true' if value else 'false'}"
        case int():
            yield f"{_key(key)} = {value}"
        case list() if value:
            # One item a line: a changed item is a changed line.
            yield f"{_key(key)} = ["
            yield from (f"    {_string(str(item))}," for item in value)
            yield "]"
        case list():
            yield f"{_key(key)} = []"
        case _:
            yield f"{_key(key)} = {_string(str(value))}"


def _key(key: str) -> str:
    return key if _BARE_KEY.match(key) else _string(key)


def _string(text: str) -> str:
    """A TOML basic string, with what a terminal could act on written out as it is when it is read."""
    escaped = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _publish(partial: Path, path: Path) -> None:
    """Give the file its name. A link never replaces: of two that write at once, one fails."""
    try:
        path.hardlink_to(partial)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without links (FAT, some network ones): the best that is left.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        partial.rename(path)


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
