"""The first look at a pack that somebody sent: every byte of it, before anything is made of any.

No library for archives reads it: there is one right form, and whatever differs from it by a byte is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldlock import ustar
from goldlock.delivery import manifest as manifests
from goldlock.delivery.manifest import NAME, Manifest, RefusedError, shown, what_is_wrong
from goldlock.images.layers import compression
from goldlock.images.sources import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST_SIGNATURE = 64 << 10
_SIGNATURE = re.compile(r"signature-([0-9a-f]{64})\.dsse\.json")
_AGAIN = "ask for the pack again, and compare its SHA-256 with the sender's"
_KINDS = {
    b"1": "a link",
    b"2": "a link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a folder",
    b"6": "a pipe",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A pack whose form, ids and digests are right."""

    manifest: Manifest
    manifest_bytes: bytes
    signature: bytes | None
    """The envelope's bytes; nobody looked at what they say."""
    spans: Mapping[str, Span]
    """Where each member of the manifest lies."""
    size: int


def signature_name(content: bytes) -> str:
    """The name of the member that is a signature: a changed byte of it shows without any key."""
    return f"signature-{hashlib.sha256(content).hexdigest()}.dsse.json"


def checked(descriptor: int, where: str, advance: Callable[[int], None] = lambda _bytes: None) -> Checked:
    """Check an open pack, reading it once.

    Args:
        descriptor: the open file.
        where: what to call it.
        advance: told how many bytes were hashed.

    Raises:
        RefusedError: it is not a pack, not whole, or differs in any byte from what it must be.
    """
    walk = _Walk(descriptor, where)
    block = walk.read(ustar.BLOCK)
    _is_pack(block, where)
    size = ustar.claimed_size(block) or 0
    if not 0 < size <= manifests.LARGEST:
        raise RefusedError(
            f"{where}: {NAME} claims {size:,} bytes, and at most {manifests.LARGEST:,} are read", hint=_AGAIN
        )
    walk.compare(block, NAME, size, None)
    content = walk.content(size)
    manifest = manifests.loads(content, where)
    signature = None
    block = walk.peek()
    if named := _SIGNATURE.fullmatch(ustar.claimed_name(block)):
        size = ustar.claimed_size(block) or 0
        if size > LARGEST_SIGNATURE:
            raise RefusedError(f"{where}: its signature claims {size:,} bytes", hint=_AGAIN)
        walk.compare(walk.read(ustar.BLOCK), named[0], size, manifest)
        signature = walk.content(size)
        if signature_name(signature) != named[0]:
            raise RefusedError(f"{where}: its signature was changed or damaged", hint=_AGAIN)
    spans = {}
    for member in manifest.members:
        walk.compare(walk.read(ustar.BLOCK), member.name, member.size, manifest)
        spans[member.name] = walk.span(member.size, member.name)
    walk.finish(manifest)
    _hash(manifest, spans, where, advance)
    return Checked(
        manifest=manifest, manifest_bytes=content, signature=signature, spans=spans, size=walk.position
    )


def _is_pack(block: bytes, where: str) -> None:
    if name := compression(block) or ("zip" if block.startswith(b"PK\x03\x04") else ""):
        raise RefusedError(f"{where}: is compressed ({name}), and a pack is not", hint="uncompress it first")
    if len(block) < ustar.BLOCK or ustar.claimed_name(block) != NAME:
        raise RefusedError(
            f"{where}: is not a pack: it does not begin with {NAME}",
            hint="name a file that `goldlock pack` wrote",
        )


class _Walk:
    """A place in a pack that only moves on."""

    def __init__(self, descriptor: int, where: str) -> None:
        self._descriptor, self._where, self.position = descriptor, where, 0
        self._end = os.fstat(descriptor).st_size
        self._seen: set[str] = set()

    def peek(self) -> bytes:
        return os.pread(self._descriptor, ustar.BLOCK, self.position)

    def read(self, size: int) -> bytes:
        """The next bytes; fewer where the file ends."""
        gathered = b"".join(
            Span(self._descriptor, self.position, min(size, self._end - self.position)).pieces()
        )
        self.position += len(gathered)
        return gathered

    def content(self, size: int) -> bytes:
        found = self.span(size, NAME)
        return b"".join(found.pieces())

    def span(self, size: int, name: str) -> Span:
        """Pass over a member's bytes and the zeros behind them."""
        span = Span(self._descriptor, self.position, size)
        if self._end - self.position < size:
            raise self._cut_off(f"inside {name}")
        self.position += size
        zeros = self.read(ustar.padding(size))
        if len(zeros) < ustar.padding(size):
            raise self._cut_off(f"behind {name}")
        if zeros.strip(b"\0"):
            raise self._changed(f"the padding behind {name}")
        return span

    def compare(self, block: bytes, name: str, size: int, manifest: Manifest | None) -> None:
        """Refuse a header that is not the one of that member, saying what stands there."""
        if len(block) < ustar.BLOCK:
            raise self._cut_off(f"before {name}")
        if block == ustar.header(name, size):
            self._seen.add(name)
            return
        found, kind = ustar.claimed_name(block), block[156:157]
        if not block.strip(b"\0"):
            raise RefusedError(f"{self._where}: {name} is missing", hint=_AGAIN)
        if not ustar.has_checksum(block):
            raise self._changed(f"the header of {name}")
        known = {NAME} if manifest is None else {NAME, *(member.name for member in manifest.members)}
        self._name(found, kind, known)
        if found != name and found in known:
            raise RefusedError(f"{self._where}: {name} is missing: {found} stands in its place", hint=_AGAIN)
        claimed = ustar.claimed_size(block)
        if claimed != size:
            raise RefusedError(
                f"{self._where}: {name} claims {claimed:,} bytes, and {NAME} says {size:,}"
                if claimed is not None
                else f"{self._where}: {name} claims no size",
                hint=_AGAIN,
            )
        raise self._changed(f"the header of {name}")

    def _name(self, found: str, kind: bytes, known: set[str]) -> None:
        """Refuse a member that is never in a pack, or no longer."""
        if kind in _KINDS:
            raise RefusedError(f"{self._where}: {shown(found)} is {_KINDS[kind]}, not a file", hint=_AGAIN)
        if found in self._seen:
            raise RefusedError(f"{self._where}: {found} is there twice", hint=_AGAIN)
        if found.startswith("/") or ".." in found.split("/"):
            raise RefusedError(f"{self._where}: holds {shown(found)}, {what_is_wrong(found)}", hint=_AGAIN)
        if found not in known:
            raise RefusedError(
                f"{self._where}: holds {shown(found)}, a member too many: {NAME} does not list it",
                hint=_AGAIN,
            )

    def finish(self, manifest: Manifest) -> None:
        """Refuse anything but the two blocks of zeros and the end of the file."""
        end = self.read(len(ustar.END))
        if len(end) < len(ustar.END):
            raise self._cut_off("at its very end")
        if end != ustar.END:
            if ustar.has_checksum(end[: ustar.BLOCK]):
                known = {member.name for member in manifest.members}
                self._name(ustar.claimed_name(end), end[156:157], known)
            raise self._changed("the two blocks of zeros at its end")
        if self.position != self._end:
            raise RefusedError(
                f"{self._where}: has {self._end - self.position:,} bytes behind its end", hint=_AGAIN
            )

    def _cut_off(self, place: str) -> RefusedError:
        return RefusedError(
            f"{self._where}: is cut off {place}: the file has {self._end:,} bytes and ends too early",
            hint=_AGAIN,
        )

    def _changed(self, what: str) -> RefusedError:
        return RefusedError(f"{self._where}: {what} was changed or damaged", hint=_AGAIN)


def _hash(manifest: Manifest, spans: Mapping[str, Span], where: str, advance: Callable[[int], None]) -> None:
    """Compare every digest, on all cores; a layer is large, and they are few."""

    def one(name: str, expected: str) -> None:
        digest = hashlib.sha256()
        for piece in spans[name].pieces():
            digest.update(piece)
            advance(len(piece))
        if f"sha256:{digest.hexdigest()}" != expected:
            raise RefusedError(
                f"{where}: {name} was changed or damaged: its SHA-256 is not the one in {NAME}", hint=_AGAIN
            )

    largest_first = sorted(manifest.members, key=lambda member: -member.size)
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        done = [pool.submit(one, member.name, member.sha256) for member in largest_first]
        try:
            for each in done:
                each.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def whole_digest(descriptor: int, size: int) -> str:
    """SHA-256 of a whole file, in hexadecimal: what `sha256sum` says."""
    digest = hashlib.sha256()
    for piece in Span(descriptor, 0, size).pieces():
        digest.update(piece)
    return digest.hexdigest()
