"""Asking the broker: it is started by the first question and shared by all processes of a test run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from multiprocessing import connection as connecting
from pathlib import Path
from typing import TYPE_CHECKING

import goldlock
import goldlock_env
from goldlock.errors import ConfigurationError, CouldNotRunError, GoldlockError, SubjectError
from goldlock.pytesting.home import held

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from goldlock.pytesting.requests import Request

_QUIET = 2.0
"""Seconds during which nobody wonders what goes on."""
_STARTING = 30.0
_KINDS: dict[str, type[GoldlockError]] = {
    kind.__name__: kind for kind in (ConfigurationError, CouldNotRunError, SubjectError)
}


class Client:
    """One process's connection to the broker of its test run."""

    def __init__(self, folder: Path, note: Callable[[str], None]) -> None:
        """Connect to nothing yet; `note` is told what takes longer than two seconds."""
        self._folder, self._note = folder, note
        self._connection: Connection | None = None
        self._pid = 0

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None and self._pid == os.getpid():
            self._connection.close()
        self._connection = None

    def ask(self, request: Request) -> object:
        """The broker's answer.

        Raises:
            GoldlockError: as the broker met it, or because it could not be started or died.
        """
        __tracebackhide__ = True
        try:
            connection = self._opened()
            connection.send(request)
            kind, *rest = self._received(connection)
        except (EOFError, OSError) as error:
            self.close()
            raise CouldNotRunError(
                f"goldlock's own process for this test run ended: {str(error) or type(error).__name__}{self._log()}",
                hint="run the tests again; what it had started is removed by the next run",
            ) from error
        except BaseException:
            # An answer that nobody waited for must not answer the next question.
            self.close()
            raise
        if kind == "answer":
            return rest[0]
        name, message, hint = map(str, rest)
        raise _KINDS.get(name, CouldNotRunError)(message, hint=hint)

    def _received(self, connection: Connection) -> tuple[object, ...]:
        started, lines = time.monotonic(), []
        while True:
            if connection.poll(0.2):
                message = connection.recv()
                if message[0] != "progress":
                    return tuple(message)
                lines.append(message[1])
            if lines and time.monotonic() - started > _QUIET:
                for line in lines:
                    self._note(line)
                lines.clear()

    def _opened(self) -> Connection:
        if self._connection is None or self._pid != os.getpid():
            self._connection, self._pid = self._connect_or_start(), os.getpid()
        return self._connection

    def _connect_or_start(self) -> Connection:
        if (there := self._connected()) is not None:
            return there
        with held(self._folder / "starting"):
            if (there := self._connected()) is not None:
                return there
            with held(self._folder / "alive") as alive:
                self._start(alive)
            end = time.monotonic() + _STARTING
            while time.monotonic() < end:
                if (there := self._connected()) is not None:
                    return there
                time.sleep(0.02)
        raise CouldNotRunError(f"goldlock's own process for this test run did not start{self._log()}")

    def _connected(self) -> Connection | None:
        key = (self._folder / "key").read_bytes()
        try:
            return connecting.Client(str(self._folder / "socket"), "AF_UNIX", authkey=key)
        except (FileNotFoundError, ConnectionError, EOFError):
            return None

    def _start(self, alive: int) -> None:
        """Start the broker, which leaves this process's group: Ctrl-C is for pytest, and pytest's end for it."""
        sources = {str(Path(module.__file__ or "").parents[1]) for module in (goldlock, goldlock_env)}
        variables = dict(os.environ)
        variables["PYTHONPATH"] = os.pathsep.join(
            [*sorted(sources), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        with (self._folder / "log").open("ab") as log:
            # Its first act is to fork and to leave, so this returns at once.
            subprocess.run(
                [sys.executable, "-m", "goldlock.pytesting.broker", str(self._folder)],
                cwd=self._folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(alive,),
                check=False,
            )

    def _log(self) -> str:
        try:
            said = (self._folder / "log").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""
        return f"\n{said[-2000:]}" if said else ""
