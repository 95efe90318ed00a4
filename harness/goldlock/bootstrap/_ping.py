"""Asking whether an engine is there, with a bare `GET /_ping`: before, and without, the Docker SDK."""

from __future__ import annotations

import os
import socket
from enum import Enum
from urllib.parse import urlsplit


class Ping(Enum):
    """What became of one `GET /_ping`."""

    ANSWERS = "answers"
    ABSENT = "absent"
    """Nothing listens there."""
    DENIED = "denied"
    """Something is there, and this user may not talk to it."""
    BROKEN = "broken"
    """Something listens, and it does not answer as an engine does."""
    UNSUPPORTED = "unsupported"
    """The address is of a kind that cannot be tried."""


def ping(address: str, *, timeout: float = 5.0) -> tuple[Ping, str]:
    """Ask the engine at the address, written as in DOCKER_HOST, whether it is there; never raises.

    Returns what became of it, and a sentence that says so.
    """
    where = address
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        if parts.scheme == "unix":
            where = parts.path or parts.netloc
            stream = _connect_unix(where, timeout)
        elif parts.scheme in ("tcp", "http", "https"):
            encrypted = parts.scheme == "https" or bool(os.environ.get("DOCKER_TLS_VERIFY"))
            host, port = parts.hostname or "localhost", parts.port or (2376 if encrypted else 2375)
            where = f"{host}:{port}"
            stream = socket.create_connection((host, port), timeout)
            if encrypted:
                # The certificates are the Docker SDK's business; that somebody listens is enough here.
                stream.close()
                return Ping.ANSWERS, f"something listens at {where}"
        else:
            return Ping.UNSUPPORTED, f"{address} is not an address goldlock can use: unix:// and tcp:// are"
        with stream:
            status = _get_ping(stream)
    except PermissionError:
        return Ping.DENIED, f"permission denied on {where}"
    except (FileNotFoundError, ConnectionRefusedError):
        return Ping.ABSENT, f"no engine listens at {where}"
    except TimeoutError:
        return Ping.BROKEN, f"what listens at {where} did not answer within {timeout:g} seconds"
    except (OSError, ValueError) as error:
        return Ping.ABSENT, f"{address} cannot be reached: {error}"
    if status == 200:
        return Ping.ANSWERS, f"an engine answers at {where}"
    return (
        Ping.BROKEN,
        f"what listens at {where} is no engine, or a broken one: it answered {status or 'no HTTP'}",
    )


def _connect_unix(path: str, timeout: float) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.settimeout(timeout)
        stream.connect(path)
    except BaseException:
        stream.close()
        raise
    return stream


def _get_ping(stream: socket.socket) -> int | None:
    """The status of `GET /_ping` (Docker Engine API, "Ping"); None where the answer is not HTTP."""
    stream.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
    answer = b""
    while b"\r\n" not in answer and len(answer) < 4096:
        received = stream.recv(4096)
        if not received:
            break
        answer += received
    words = answer.split(b" ", 2)
    return int(words[1][:3]) if words[0].startswith(b"HTTP/") and words[1][:3].isdigit() else None
