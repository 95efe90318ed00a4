"""The two directions of an attached container or exec, and the probe that speaks through one."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from goldlock.engines.streams import STDOUT, Capture, frames
from goldlock.errors import CouldNotRunError, SubjectError
from goldlock_env import framing
from goldlock_env.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PROBE_TIMEOUT = 300.0
_PROBE_LIMIT = 32 << 20


class Attached:
    """The two directions of an attached container or exec."""

    def __init__(self, sock: Any) -> None:  # noqa: ANN401  # the SDK returns one of three private types
        """Take over what the SDK returns for `socket=True`."""
        self._owner = sock
        self._socket: socket.socket = getattr(sock, "_sock", sock)
        # What the engine sent together with its HTTP header lies in this buffer, not in the socket.
        self._read = sock._response.raw._fp.fp.read1  # noqa: SLF001  # the SDK offers no other way to it

    def close(self) -> None:
        """Close both directions."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        # The descriptor goes with the last file object over it, which is the response's.
        with contextlib.suppress(OSError, ValueError):
            self._owner._response.close()  # noqa: SLF001  # as below
        with contextlib.suppress(OSError):
            self._socket.close()

    def exchange(
        self, stdin: Path | None, capture: Capture, timeout: float, until: bytes | None = None
    ) -> None:
        """Write stdin while gathering output, until the end, the marker or the timeout."""
        end = time.monotonic() + timeout
        # Before the writer begins: it would keep the client's own, shorter timeout.
        self._socket.settimeout(timeout)
        if stdin is not None:
            if isinstance(self._socket, ssl.SSLSocket):
                raise SubjectError(
                    "can't be given stdin over TLS, which has no end of input while output still comes",
                    hint="let the command read from {input} instead",
                )
            threading.Thread(target=self._write, args=(stdin,), daemon=True).start()

        def read(size: int) -> bytes:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            return bytes(self._read(size))

        try:
            for number, piece in frames(read):
                capture.add(number, piece)
                if (
                    until is not None
                    and number == STDOUT
                    and until in capture.stdout[-len(until) - len(piece) :]
                ):
                    return
        except TimeoutError:
            raise too_slow(timeout) from None
        except (OSError, ValueError):
            # The other end went away, or `close` was called meanwhile: that is the end of the stream.
            return

    def _write(self, stdin: Path) -> None:
        # A command that does not read its stdin to the end closes it: that is its right.
        with contextlib.suppress(OSError):
            with stdin.open("rb") as file:
                while piece := file.read(1 << 20):
                    self._socket.sendall(piece)
            self._socket.shutdown(socket.SHUT_WR)


class Probing:
    """The probe's output, gathered in a thread while the subject is asked."""

    def __init__(
        self, attached: Attached, dies: Callable[[str], None], another: Callable[[bytes], Attached | None]
    ) -> None:
        """Begin to read at once.

        Args:
            attached: the probe's stream.
            dies: told why, where the probe must not go on.
            another: given what a stream said that ended without a snapshot, gives the one to read instead.
        """
        self._attached, self._dies, self._another = attached, dies, another
        self._capture = Capture(_PROBE_LIMIT)
        self._error: CouldNotRunError | None = None
        self._thread = threading.Thread(target=self._gather, daemon=True)
        self._thread.start()

    def _gather(self) -> None:
        attached: Attached | None = self._attached
        try:
            while attached is not None:
                self._capture = Capture(_PROBE_LIMIT)
                try:
                    attached.exchange(None, self._capture, _PROBE_TIMEOUT, until=framing.END)
                finally:
                    attached.close()
                attached = None if framing.END in self._capture.stdout else self._another(self.said)
        except SubjectError as error:
            self._error = error
            self._dies("was stopped because its probe did not end")
        except CouldNotRunError as error:
            self._error = error

    def wait(self) -> None:
        """Wait until no stream is left."""
        while self._thread.is_alive():
            self._thread.join(0.2)

    @property
    def said(self) -> bytes:
        """What the last stream said."""
        return bytes(self._capture.stdout)

    def result(self) -> Snapshot:
        """Wait for the probe. Raises `SubjectError` where it gave no snapshot."""
        self.wait()
        if self._error is not None:
            raise SubjectError(f"the probe {self._error.message}", hint=self._error.hint)
        try:
            return Snapshot.from_probe(self.said)
        except CouldNotRunError as error:
            said = self._capture.stderr.strip()[-500:]
            raise SubjectError(f"{error.message}{': ' + said if said else ''}", hint=error.hint) from error


def too_slow(timeout: float) -> SubjectError:
    """Return the error of a command that did not end in time, in seconds."""
    return SubjectError(
        f"gave no answer within {timeout:g} s and was stopped",
        hint="raise the case's timeout in goldlock.toml if it needs longer",
    )
