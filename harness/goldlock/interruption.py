"""Ctrl-C and SIGTERM that never leave anything behind.

A signal that arrives between "the engine made a container" and "we know its name" would leak that
container. So while something is created or removed, signals wait (`deferred`); everywhere else they
raise `Interrupted` at once, and the `finally` blocks clean up.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

from goldlock.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class _State:
    """Depth of nested deferrals, and the signal that waits for their end; main thread only."""

    depth = 0
    waiting: int | None = None


def _arrived(number: int, _frame: FrameType | None) -> None:
    if _State.depth:
        _State.waiting = number
    else:
        raise Interrupted(number)


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Turn the ending signals into `Interrupted` for the length of the block."""
    previous = {number: signal.signal(number, _arrived) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Let signals wait until the block has ended, then raise the last of them.

    Only the main thread runs signal handlers, so in other threads this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
        if not _State.depth and _State.waiting is not None:
            number, _State.waiting = _State.waiting, None
            raise Interrupted(number)
