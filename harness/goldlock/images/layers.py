"""The layers of an image, uncompressed, each checked against its diff-id as it is read."""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

from goldlock.errors import CouldNotRunError
from goldlock.files import could_not_write
from goldlock.images.sources import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from goldlock.images.contents import Image
    from goldlock.images.sources import Blob

LARGEST = 64 << 30
"""Bytes of a layer that is uncompressed here."""
_COMPRESSED = (
    (re.compile(rb"\x1f\x8b"), "gzip"),
    # A frame, or one to be skipped: RFC 8878, 3.1.
    (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), "zstd"),
    (re.compile(rb"BZh"), "bzip2"),
    (re.compile(rb"\xfd7zXZ"), "xz"),
)


def compression(begin: bytes) -> str:
    """What a file or a layer that begins so is compressed with, as engines tell it; empty where it is not."""
    return next((name for magic, name in _COMPRESSED if magic.match(begin)), "")


def begin(blob: Blob) -> bytes:
    """Its first bytes."""
    return next(iter(blob.pieces()), b"")[:16] if blob.size else b""


@contextlib.contextmanager
def uncompressed(image: Image, where: str, *, largest: int = LARGEST) -> Iterator[Mapping[str, Blob]]:
    """Yield the layers by their diff-ids. What is compressed lies in a nameless temporary file meanwhile.

    Only a compressed layer has been read, and checked, when the block begins; `checked` does so for the others.

    Raises:
        CouldNotRunError: a layer is missing, is not what its diff-id says, or can't be uncompressed.
    """
    with contextlib.ExitStack() as stack:
        layers: dict[str, Blob] = {}
        for diff_id, blob in zip(image.diff_ids, image.layers, strict=True):
            if blob is None or diff_id in layers:
                # Docker puts a link where a layer stands a second time.
                continue
            packed_by = compression(begin(blob))
            if packed_by == "gzip":
                layers[diff_id] = _gunzipped(blob, diff_id, where, stack, largest)
            elif packed_by:
                raise CouldNotRunError(
                    f"{where}: layer {diff_id[:19]} is compressed with {packed_by}, which goldlock does not read",
                    hint="load it with `docker load` and name the image, or save it without compression",
                )
            else:
                layers[diff_id] = blob
        for diff_id in image.diff_ids:
            if diff_id not in layers:
                raise CouldNotRunError(
                    f"{where}: layer {diff_id[:19]} is missing", hint="save the image again"
                )
        yield layers


def checked(blob: Blob, diff_id: str, where: str) -> Iterator[bytes]:
    """Yield a layer's bytes; raises CouldNotRunError before the end where they are not what the diff-id says."""
    hashed = hashlib.sha256()
    for piece in blob.pieces():
        hashed.update(piece)
        yield piece
    _compare(hashed.hexdigest(), diff_id, where)


def _compare(found: str, diff_id: str, where: str) -> None:
    if f"sha256:{found}" != diff_id:
        raise CouldNotRunError(
            f"{where}: layer {diff_id[:19]} holds something else (sha256:{found[:12]})",
            hint="it was changed or damaged; save the image again",
        )


def gunzip(blob: Blob, where: str, *, largest: int = LARGEST, folder: Path | None = None) -> IO[bytes]:
    """Uncompress into a nameless temporary file. Raises CouldNotRunError."""
    file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # the caller closes it
    try:
        size = 0
        for piece in _inflated(blob, where):
            size += len(piece)
            if size > largest:
                raise CouldNotRunError(
                    f"{where}: grows beyond {largest:,} bytes when it is uncompressed",
                    hint="that is no image that goldlock unpacks; save it uncompressed",
                )
            file.write(piece)
    except OSError as error:
        file.close()
        raise could_not_write(
            Path(tempfile.gettempdir()), error, elsewhere="name another one with TMPDIR"
        ) from error
    except BaseException:
        file.close()
        raise
    return file


def _inflated(blob: Blob, where: str) -> Iterator[bytes]:
    """The contents of one gzip member or several, a mebibyte at most at once."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        for piece in blob.pieces():
            rest = piece
            while rest:
                if inflate.eof:
                    inflate = zlib.decompressobj(wbits=31)
                yield inflate.decompress(rest, 1 << 20)
                rest = inflate.unconsumed_tail or inflate.unused_data
        if not inflate.eof:
            yield inflate.flush()
    except zlib.error as error:
        raise CouldNotRunError(f"{where}: can't be uncompressed: {error}", hint="save it again") from error
    if not inflate.eof:
        raise CouldNotRunError(f"{where}: is cut off: its compressed end is missing", hint="copy it again")


def _gunzipped(blob: Blob, diff_id: str, where: str, stack: contextlib.ExitStack, largest: int) -> Span:
    file = stack.enter_context(gunzip(blob, f"{where}: layer {diff_id[:19]}", largest=largest))
    span = Span(file.fileno(), 0, file.tell())
    for _ in checked(span, diff_id, where):
        pass
    return span
