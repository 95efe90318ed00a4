"""Untrusted bytes on their way to a table: limits, text decoding, and errors that say where."""

from __future__ import annotations

from dataclasses import dataclass

from goldlock_env.errors import CouldNotRunError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is read before giving up."""

    size: int = 1 << 30
    """Bytes, packed and unpacked."""
    cells: int = 20_000_000
    """Values in a text table; each costs tens of bytes while it is read."""
    columns: int = 10_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Bytes, what they are called in messages, and how many are too many."""

    data: bytes
    where: str
    limits: Limits

    def __post_init__(self) -> None:
        if len(self.data) > self.limits.size:
            raise self.too_large("bytes", len(self.data), self.limits.size)

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

    def text(self, expected: str) -> str:
        """Return the bytes as text, without a byte order mark; `expected` names the format in messages."""
        data = self.data
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise self.fault(f"is UTF-16, not {expected} in UTF-8", "write the output as UTF-8")
        if data.startswith(b"PK\x03\x04"):
            raise self.fault(f"is a zip file (npz?), not {expected}", 'if npz is meant, say output = "npz"')
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self.fault(
                f"is not UTF-8: byte {data[error.start]:#04x} at byte {error.start}, line {line}",
                "write the output as UTF-8",
            ) from error
        if not text.strip():
            raise self.fault(
                f"is empty; {expected} is expected", "see whether the subject wrote its output at all"
            )
        start = text[:256].lstrip()
        if start.lower().startswith(("<!doctype html", "<html", "<head", "<body")):
            raise self.fault(
                f"looks like HTML, not {expected}: {start[:60]!r}",
                "an error page or a login page answers there; check the path and the method",
            )
        return text
