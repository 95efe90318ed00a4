"""Arrow IPC messages, measured before pyarrow reads them: how many rows they hold, and what they unpack to.

https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc; the metadata are
FlatBuffers (https://flatbuffers.dev/internals/), of which only the few numbers needed are looked up here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_CONTINUES = 0xFFFFFFFF
_LONGEST_METADATA = 1 << 26
_TAIL = 10  # length of the footer, and the magic word
_DICTIONARY, _BATCH = 2, 3  # MessageHeader, in Message.fbs


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a stream."""

    is_batch: bool
    """Whether it holds rows; a dictionary or a schema where not."""
    rows: int
    packed: int
    """Bytes of the body, as they stand in the file."""
    unpacked: int
    """Bytes of the body's buffers, as they declare them."""


def messages(file: BinaryIO, size: int) -> Iterator[Message]:
    """Yield the messages of a stream that begins where `file`, of `size` bytes, stands.

    Raises ValueError or struct.error for what is no stream.
    """
    while length := _metadata_length(file):
        yield from _message(file, length, size)


def filed_messages(file: BinaryIO, size: int) -> Iterator[Message]:
    """Yield the messages that the footer of an Arrow file of `size` bytes names; raises as `messages` does."""
    file.seek(max(0, size - _TAIL))
    length, magic = struct.unpack("<i6s", file.read(_TAIL))
    if magic != b"ARROW1" or not 0 < length <= min(_LONGEST_METADATA, size - _TAIL):
        raise ValueError("its end is missing")
    file.seek(size - _TAIL - length)
    footer = _Flat.root(file.read(length))
    for kind in (2, 3):  # dictionaries and record batches, in Footer of File.fbs
        for place, _, _ in footer.structs(kind, "<qi4xq"):
            if not 0 <= place < size:
                raise ValueError("a message is not in the file")
            file.seek(place)
            yield from _message(file, _metadata_length(file), size)


def _message(file: BinaryIO, length: int, size: int) -> Iterator[Message]:
    """Yield the message whose metadata, of `length` bytes, stand next, where it holds values."""
    if length > _LONGEST_METADATA:
        raise ValueError(f"a message with {length} bytes of metadata")
    metadata = file.read(length)
    if len(metadata) != length:
        raise ValueError("a message is cut off")
    message = _Flat.root(metadata)
    kind, body = message.number(1, "<B"), message.number(3, "<q")
    start = file.tell()
    if body < 0 or start + body > size:
        raise ValueError("a message is cut off")
    header = message.table(2)
    if kind == _DICTIONARY and header is not None:
        header = header.table(1)
    if kind in {_DICTIONARY, _BATCH} and header is not None:
        rows = header.number(0, "<q")
        if rows < 0:
            raise ValueError(f"a batch of {rows} rows")
        unpacked = _unpacked(file, header, start, body)
        yield Message(is_batch=kind == _BATCH, rows=rows, packed=body, unpacked=unpacked)
    file.seek(start + body)


def _metadata_length(file: BinaryIO) -> int:
    """Return the length of the next message's metadata; 0 at the end of the stream."""
    for _ in range(2):
        piece = file.read(4)
        if not piece:
            return 0
        (length,) = struct.unpack("<I", piece)
        # Before Arrow 0.15 the length came first.
        if length != _CONTINUES:
            return int(length)
    raise ValueError("no message")


def _unpacked(file: BinaryIO, batch: _Flat, start: int, body: int) -> int:
    is_packed = batch.table(3) is not None
    total = 0
    for place, length in batch.structs(2, "<qq"):
        if place < 0 or length < 0 or place + length > body:
            raise ValueError("a buffer is not in its message")
        if is_packed and length:
            file.seek(start + place)
            (declared,) = struct.unpack("<q", file.read(8))
            if declared < -1:
                raise ValueError("a buffer of negative size")
            length = declared if declared >= 0 else length
        total += length
    return total


class _Flat:
    """A FlatBuffers table: its fields by their number."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place
        self._index = place - self._at("<i", place)

    @classmethod
    def root(cls, data: bytes) -> _Flat:
        return cls(data, struct.unpack_from("<I", data)[0])

    def _at(self, layout: str, place: int) -> int:
        if place < 0:
            raise ValueError("an offset before the beginning")
        number: int = struct.unpack_from(layout, self._data, place)[0]
        return number

    def _field(self, number: int) -> int | None:
        slot = 4 + 2 * number
        if slot >= self._at("<H", self._index):
            return None
        offset = self._at("<H", self._index + slot)
        return self._place + offset if offset else None

    def number(self, number: int, layout: str) -> int:
        place = self._field(number)
        return 0 if place is None else self._at(layout, place)

    def table(self, number: int) -> _Flat | None:
        place = self._field(number)
        return None if place is None else _Flat(self._data, place + self._at("<I", place))

    def structs(self, number: int, layout: str) -> Iterator[tuple[int, ...]]:
        """Yield the items of a vector of structs."""
        place = self._field(number)
        if place is None:
            return
        place += self._at("<I", place)
        for item in range(self._at("<I", place)):
            yield struct.unpack_from(layout, self._data, place + 4 + item * struct.calcsize(layout))
