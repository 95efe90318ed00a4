"""Signals: at once, deferred, deferred with an interruptible stretch, and again and again."""

# ruff: noqa: PT012  # what is interrupted is a block
from __future__ import annotations

import os
import signal
import time

import pytest

from goldlock.errors import Interrupted
from goldlock.interruption import deferred, installed, interruptible

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent to this very process")


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_raised_at_once_and_handlers_are_given_back(number: signal.Signals) -> None:
    # Under nohup one of them is ignored, and stays so.
    outer = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(Interrupted) as caught, installed():
            send(number)
            pytest.fail("not interrupted")
        assert caught.value.signal_number == number
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, outer)


def test_a_deferred_signal_waits_for_the_outermost_end() -> None:
    done = []
    with installed():
        with pytest.raises(Interrupted), deferred():
            with deferred():
                send()
                done.append("inner")
            done.append("outer")
        assert done == ["inner", "outer"]


def test_an_interruptible_stretch_raises_what_waited_and_what_comes() -> None:
    for early in (True, False):
        cleaned = []
        with installed(), pytest.raises(Interrupted), deferred():
            try:
                if early:
                    send()
                with interruptible():
                    send()
                    pytest.fail("not interrupted")
            finally:
                cleaned.append(True)
        assert cleaned


def test_later_signals_do_not_cut_the_clean_up_short_but_the_fourth_does() -> None:
    with installed():
        with pytest.raises(Interrupted):
            send()
        send()
        send(signal.SIGINT)
        with pytest.raises(Interrupted):
            send()


def test_a_hanging_deferral_can_be_left_by_insisting() -> None:
    with installed(), pytest.raises(Interrupted), deferred():
        for _ in range(3):
            send()
        send()
        pytest.fail("not interrupted")


def test_a_signal_that_a_finaliser_swallowed_comes_again() -> None:
    class Slow:
        def __del__(self) -> None:
            send()
            time.sleep(0)

    with installed(), pytest.raises(Interrupted):
        Slow()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            time.sleep(0.01)
