"""Ctrl-C and SIGTERM that never leave anything behind.

A signal that arrives between "the engine made a container" and "we know its name", or while something
is removed, would leak it. So signals wait (`deferred`) wherever something is made or removed, and raise
`Interrupted` at once everywhere else (`interruptible` opens such a stretch inside a deferral). Once one
was raised the process is on its way out: later ones are passed over, so that the impatient second Ctrl-C
does not cut the clean-up short; the fourth is obeyed all the same.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from goldlock.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_PATIENCE = 3


class _State:
    """Depth of nested deferrals, and the signals that came; main thread only."""

    depth = 0
    waiting: int | None = None
    raised: int | None = None
    seen = 0


def _arrived(number: int, _frame: FrameType | None) -> None:
    _State.seen += 1
    if _State.seen <= _PATIENCE:
        if _State.raised is not None:
            return
        if _State.depth:
            _State.waiting = number
            return
    _State.raised = number
    raise Interrupted(number)


@contextlib.contextmanager
def installed(*, to_the_end: bool = False) -> Iterator[None]:
    """Turn the ending signals into `Interrupted` for the length of the block.

    Args:
        to_the_end: the process ends with the block, its exit code is decided there: later signals are
            passed over instead of changing it.
    """
    _State.depth, _State.waiting, _State.raised, _State.seen = 0, None, None, 0
    # Who runs goldlock under nohup wants it to outlive the terminal.
    wanted = [n for n in _SIGNALS if n == signal.SIGINT or signal.getsignal(n) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, _arrived) for number in wanted}
    previous_hook, sys.unraisablehook = sys.unraisablehook, _unraisable
    try:
        yield
    finally:
        sys.unraisablehook = previous_hook
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_IGN if to_the_end else handler)


def _unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """A signal whose exception rose in a finaliser, where Python drops it, is sent once more."""
    if not isinstance(unraisable.exc_value, Interrupted):
        sys.__unraisablehook__(unraisable)
        return
    _State.raised = None
    # A moment later: at once would be inside the same finaliser again.
    again = threading.Timer(0.01, functools.partial(os.kill, os.getpid(), unraisable.exc_value.signal_number))
    again.daemon = True
    again.start()


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
        _raise_waiting()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Inside `deferred`: signals that waited, and those that come during the block, are raised in it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outer, _State.depth = _State.depth, 0
    try:
        _raise_waiting()
        yield
    finally:
        _State.depth = outer


def _raise_waiting() -> None:
    if not _State.depth and _State.waiting is not None:
        number, _State.waiting = _State.waiting, None
        _State.raised = number
        raise Interrupted(number)
