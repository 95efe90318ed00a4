"""Tar archives of regular files, byte for byte the same for the same contents: the headers that goldlock writes.

The format is POSIX.1-1988's ustar (``pax`` in IEEE Std 1003.1, "ustar Interchange Format"): one 512-byte header
before each file, zeros up to the next 512 bytes behind it, two blocks of zeros at the end. Mode, owner and time are
fixed. Where a size does not fit eleven octal digits it is written in GNU's base-256.
"""

from __future__ import annotations

from goldlock.errors import ConfigurationError

BLOCK = 512
END = bytes(2 * BLOCK)
"""What stands behind the last member."""
_OCTAL_SIZES = 8**11
_NAME, _PREFIX = 100, 155


def header(name: str, size: int) -> bytes:
    """Return the one header that a regular file of that name and size has.

    Raises ConfigurationError for a name that ustar cannot hold.
    """
    prefix, plain = _split(name)
    digits = b"%011o\0" % size if size < _OCTAL_SIZES else b"\x80" + size.to_bytes(11, "big")
    before = b"".join([plain.ljust(_NAME, b"\0"), b"0000644\0", b"0000000\0" * 2, digits, b"%011o\0" % 0])
    after = b"".join(
        [
            b"0",
            bytes(100),
            b"ustar\00000",
            bytes(64),
            b"0000000\0" * 2,
            prefix.ljust(_PREFIX, b"\0"),
            bytes(12),
        ]
    )
    # The checksum is taken with its own field full of spaces.
    checksum = b"%06o\0 " % (sum(before) + sum(after) + 8 * 0x20)
    return before + checksum + after


def padding(size: int) -> int:
    """How many zeros stand behind that many bytes."""
    return -size % BLOCK


def span(size: int) -> int:
    """Bytes of a member of that size, its header and padding among them."""
    return BLOCK + size + padding(size)


def member(name: str, content: bytes) -> bytes:
    """A whole member."""
    return header(name, len(content)) + content + bytes(padding(len(content)))


def _split(name: str) -> tuple[bytes, bytes]:
    encoded = name.encode()
    if len(encoded) <= _NAME:
        return b"", encoded
    # The first slash that leaves a name that fits: one way only of writing each path.
    cut = encoded.find(b"/", len(encoded) - _NAME - 1)
    if cut <= 0 or cut > _PREFIX or cut == len(encoded) - 1:
        raise ConfigurationError(
            f"{name[:60]}...: this path is too long for an archive",
            hint="give the case, its inputs or its golden a shorter name",
        )
    return encoded[:cut], encoded[cut + 1 :]


def claimed_size(block: bytes) -> int | None:
    """The size that a header claims; None where that is no number."""
    field = block[124:136]
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.rstrip(b"\0 ").lstrip(b" ")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else None


def claimed_name(block: bytes) -> str:
    """The path that a header claims, fit to be shown."""
    plain, prefix = block[:_NAME].partition(b"\0")[0], block[345 : 345 + _PREFIX].partition(b"\0")[0]
    whole = prefix + b"/" + plain if prefix and block[257:262] == b"ustar" else plain
    return whole.decode("utf-8", "backslashreplace")


def has_checksum(block: bytes) -> bool:
    """Whether a block is a header at all: its checksum is right."""
    digits = block[148:156].strip(b"\0 ")
    if len(block) != BLOCK or not digits or digits.strip(b"01234567"):
        return False
    return int(digits, 8) == sum(block) - sum(block[148:156]) + 8 * 0x20
