"""The errors of goldlock. Each says what and where (``message``) and what to do next (``hint``)."""

from __future__ import annotations

from typing import ClassVar


class GoldlockError(Exception):
    """The one base: whatever the caller cannot have meant. Turned into an exit code in one place."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigurationError(GoldlockError):
    """Something a person wrote (goldlock.toml, an option, a requirements file) cannot be used."""

    exit_code: ClassVar[int] = 2


class CouldNotRunError(GoldlockError):
    """The question was right, and could not be answered: neither a match nor a drift."""

    exit_code: ClassVar[int] = 3
