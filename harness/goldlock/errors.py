"""The errors of goldlock: one base, each saying what, where and what to do next."""

from __future__ import annotations

from goldlock_env.errors import ConfigurationError, CouldNotRunError, GoldlockError

__all__ = ["ConfigurationError", "CouldNotRunError", "GoldlockError", "Interrupted", "SubjectError"]


class SubjectError(CouldNotRunError):
    """The subject did not answer as it must: it died, hung, flooded or answered nonsense.

    A value of the report rather than the end of the run: the case that meets it could not be run,
    the others are still asked.
    """


class Interrupted(BaseException):
    """SIGTERM or SIGINT arrived; not an `Exception`, so that nothing on the way swallows it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}")
        self.signal_number = signal_number
