"""What stops a base image from being built, and what to do about it."""

from __future__ import annotations


class BaseImageError(Exception):
    """The base image could not be built; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
