"""Untrusted bytes on their way to a table: limits, what they are called, and errors that say where."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from goldlock_env.errors import CouldNotRunError

_HEAD = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is read before giving up."""

    size: int = 1 << 30
    """Bytes, packed and unpacked."""
    cells: int = 20_000_000
    """Values in a text table that is read whole; each costs tens of bytes while it is read."""
    columns: int = 10_000


DEFAULT_LIMITS = Limits()
"""For what is held in memory."""
FILE_LIMITS = Limits(size=1 << 40)
"""For files that are read in batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Bytes or the file that has them, what they are called in messages, and how many are too many."""

    data: bytes | Path
    where: str
    limits: Limits

    def __post_init__(self) -> None:
        if self.size > self.limits.size:
            raise self.too_large("bytes", self.size, self.limits.size)

    @property
    def size(self) -> int:
        """Bytes, as they are: packed."""
        if isinstance(self.data, bytes):
            return len(self.data)
        try:
            return self.data.stat().st_size
        except OSError as error:
            raise self._unreadable(error) from error

    def open(self) -> BinaryIO:
        """Return the bytes as a file, at its beginning."""
        if isinstance(self.data, bytes):
            return io.BytesIO(self.data)
        try:
            return self.data.open("rb")
        except OSError as error:
            raise self._unreadable(error) from error

    def whole(self) -> bytes:
        """Return all bytes."""
        if isinstance(self.data, bytes):
            return self.data
        with self.open() as file:
            return file.read()

    def _unreadable(self, error: OSError) -> CouldNotRunError:
        return self.fault(
            f"cannot be read: {error.strerror}", "see whether the file is there, and who may read it"
        )

    def fault(self, what: str, hint: str) -> CouldNotRunError:
        """Return the error for `what` is wrong with these bytes."""
        return CouldNotRunError(f"{self.where}: {what}", hint=hint)

    def too_large(self, unit: str, found: int, limit: int) -> CouldNotRunError:
        return self.fault(
            f"{found} {unit}, and the limit is {limit}",
            f"ask for fewer rows in one case, so that {unit} stay below it",
        )

    def check_columns(self, count: int) -> None:
        if count > self.limits.columns:
            raise self.too_large("columns", count, self.limits.columns)

    def check_text(self, expected: str) -> None:
        """Raise for what shows at its beginning that it is no text table; `expected` names the format in messages."""
        with self.open() as file:
            head = file.read(_HEAD)
            text = head.decode("utf-8-sig", "ignore")
            is_blank = not text.strip()
            while is_blank and (piece := file.read(_HEAD)):
                is_blank = not piece.strip()
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise self.fault(f"is UTF-16, not {expected} in UTF-8", "write the output as UTF-8")
        if head.startswith(b"PK\x03\x04"):
            raise self.fault(f"is a zip file (npz?), not {expected}", 'if npz is meant, say output = "npz"')
        if head.startswith(b"PAR1"):
            raise self.fault(
                f"is a Parquet file, not {expected}", 'if Parquet is meant, say output = "parquet"'
            )
        if is_blank and text == head.decode("utf-8-sig", "replace"):
            raise self.fault(
                f"is empty; {expected} is expected", "see whether the subject wrote its output at all"
            )
        start = text[:256].lstrip()
        if start.lower().startswith(("<!doctype html", "<html", "<head", "<body")):
            raise self.fault(
                f"looks like HTML, not {expected}: {start[:60]!r}",
                "an error page or a login page answers there; check the path and the method",
            )

    def not_utf8(self) -> CouldNotRunError:
        """Return the error for bytes that are not UTF-8: it is looked for from the beginning, line by line."""
        line = place = 0
        with self.open() as file:
            for line, text in enumerate(file, start=1):
                try:
                    text.decode()
                except UnicodeDecodeError as error:
                    place += error.start
                    return self.fault(
                        f"is not UTF-8: byte {text[error.start]:#04x} at byte {place}, line {line}",
                        "write the output as UTF-8",
                    )
                place += len(text)
        return self.fault(f"is not UTF-8, near line {line}", "write the output as UTF-8")

    def text(self, expected: str) -> str:
        """Return the bytes as text, without a byte order mark; `expected` names the format in messages."""
        self.check_text(expected)
        try:
            return self.whole().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.not_utf8() from error
