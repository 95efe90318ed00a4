"""The process that runs subjects for a test run: it verifies once and starts each subject once.

It is one process, whatever the number of pytest-xdist's workers, and apart from pytest's own: its main
thread can take the signal that ends it, so that containers go when pytest ends, is interrupted or dies.
Requests are answered one after the other.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import sys
import threading
import traceback
from multiprocessing import AuthenticationError
from multiprocessing.connection import Listener
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.errors import GoldlockError, Interrupted
from goldlock.interruption import installed
from goldlock.pytesting.home import wait_until_free
from goldlock.pytesting.requests import Check, Request, Verify

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from goldlock.pytesting.serving import Subjects

_Waiting = queue.SimpleQueue[tuple["Connection", Request]]
_Answer = tuple[object, ...]


class _Broker:
    """Answers requests; holds what was started for them."""

    def __init__(self, removal: contextlib.ExitStack) -> None:
        self._removal = removal
        self._reports: dict[Request, _Answer] = {}
        self._subjects: Subjects | None = None

    def serve(self, connection: Connection, request: Request) -> None:
        """Answer one request, with progress on the way; a client that is gone is no fault."""
        if isinstance(request, Verify | Check):
            if request not in self._reports:
                self._reports[request] = self._answer(connection, request)
            answer = self._reports[request]
        else:
            answer = self._answer(connection, request)
        _send(connection, answer)

    def _answer(self, connection: Connection, request: Request) -> _Answer:
        def progress(line: str) -> None:
            _send(connection, ("progress", line))

        from goldlock.pytesting import serving

        if self._subjects is None:
            self._subjects = self._removal.enter_context(contextlib.closing(serving.Subjects()))
        try:
            return "answer", serving.answer(request, self._subjects, progress)
        except GoldlockError as error:
            return "error", type(error).__name__, error.message, error.hint
        except Exception:  # noqa: BLE001  # the outermost place: the test that asked shows it
            return "error", "", f"internal error of goldlock\n{traceback.format_exc()}", "report it"


def _send(connection: Connection, message: _Answer) -> None:
    with contextlib.suppress(OSError):
        connection.send(message)


def _accept(listener: Listener, waiting: _Waiting) -> None:
    while True:
        try:
            connection = listener.accept()
        except AuthenticationError:
            continue
        except (EOFError, OSError):
            # A client that left during the greeting; at our own end this thread ends with the process.
            continue
        threading.Thread(target=_read, args=(connection, waiting), daemon=True).start()


def _read(connection: Connection, waiting: _Waiting) -> None:
    with contextlib.suppress(EOFError, OSError):
        while True:
            waiting.put((connection, connection.recv()))


def _end_with_owner(folder: Path) -> None:
    wait_until_free(folder / "owner")
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serve the test run whose folder is named on the command line until it ends."""
    if os.fork():
        os._exit(0)
    os.setsid()
    folder = Path(sys.argv[1])
    waiting: _Waiting = queue.SimpleQueue()
    try:
        with installed(to_the_end=True), contextlib.ExitStack() as removal:
            (folder / "socket").unlink(missing_ok=True)
            key = (folder / "key").read_bytes()
            listener = removal.enter_context(Listener(str(folder / "socket"), "AF_UNIX", 64, key))
            threading.Thread(target=_end_with_owner, args=(folder,), daemon=True).start()
            threading.Thread(target=_accept, args=(listener, waiting), daemon=True).start()
            broker = _Broker(removal)
            while True:
                broker.serve(*waiting.get())
    except Interrupted:
        # Its own end, by the owner's: the owner removes the folder too, but may be dead.
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
