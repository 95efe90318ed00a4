"""HTTP requests that end in time: each as a whole has a deadline, not each of its reads.

A service that sends a byte a second never breaks a timeout per read; one that never ends its headers
does not even return to the caller. So the sockets themselves know until when they may be read.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import requests
import requests.adapters
import urllib3.connection
import urllib3.connectionpool

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Socket(socket.socket):
    """Reads until `ends`, a time of the monotonic clock."""

    ends = float("inf")

    def recv_into(self, *arguments: object, **named: object) -> int:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.settimeout(left)
        return super().recv_into(*arguments, **named)  # type: ignore[arg-type]


class Client:
    """One connection after the other to one service; ignores proxies and credentials of this machine."""

    def __init__(self) -> None:
        """Open nothing yet."""
        client = self

        class Connection(urllib3.connection.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                if self.sock is not None:
                    self.sock = _Socket(fileno=self.sock.detach())
                    client.took(self.sock)

        class Pool(urllib3.connectionpool.HTTPConnectionPool):
            ConnectionCls = Connection

        adapter = requests.adapters.HTTPAdapter()
        adapter.poolmanager.pool_classes_by_scheme = {"http": Pool}
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", adapter)
        self._ends = 0.0
        self._sockets: list[_Socket] = []

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def took(self, opened: _Socket) -> None:
        """Put the current request's deadline on a connection that was opened for it."""
        self._sockets = [known for known in self._sockets if known.fileno() >= 0]
        self._sockets.append(opened)
        opened.ends = self._ends

    @property
    def is_late(self) -> bool:
        """Whether the last request's time has passed."""
        return time.monotonic() >= self._ends

    def ask(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request; its answer's headers and body must all come within so many seconds.

        The body is not read yet. Redirects are answers like others.
        """
        self._ends = time.monotonic() + seconds
        for opened in self._sockets:
            opened.ends = self._ends
        return self._session.request(
            method,
            url,
            data=body,
            headers=dict(headers or {}),
            timeout=seconds,
            stream=True,
            allow_redirects=False,
        )
