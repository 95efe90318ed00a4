"""A folder that stands for a machine without an engine: real sockets, real processes and miniature programs."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from goldlock.bootstrap import EngineState, Machine, ensure_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"

# Answers pings until it is ended; leaves its number so that the test can end it.
DOCKERD = """\
#!{python}
import os, socket, sys
open({folder!r} + "/dockerd.number", "w").write(str(os.getpid()))
print("dockerd is up, session", os.getsid(0) == os.getpid(), flush=True)
server = socket.socket(socket.AF_UNIX)
server.bind({socket!r})
server.listen()
while True:
    client, _ = server.accept()
    client.recv(4096)
    client.sendall({answer!r})
    client.close()
"""


PODMAN = """\
#!{python}
import json, os, socket, sys
open({folder!r} + "/dockerd.number", "w").write(str(os.getpid()))
called = {{"arguments": sys.argv[1:], "settings": open(os.environ["CONTAINERS_CONF"]).read()}}
open({folder!r} + "/called.json", "w").write(json.dumps(called))
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[-1][len("unix://"):])
server.listen()
while True:
    client, _ = server.accept()
    client.recv(4096)
    client.sendall({answer!r})
    client.close()
"""


@contextmanager
def listening(path: Path, answer: bytes | None) -> Iterator[None]:
    """A server that answers each connection so; None: never."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    held = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                held.append(client)
                if answer is not None:
                    client.recv(4096)
                    client.sendall(answer)
                    client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.close()
        for client in held:
            client.close()


class Bench:
    """A folder that stands for a machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.socket = folder / "e.sock"
        self.said: list[str] = []
        (folder / "os-release").write_text('ID=derivative\nID_LIKE="debian other"\n', encoding="utf-8")

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def apt_get(self, **packages: str) -> None:
        """An apt-get that knows these packages, each a program's text, and none else."""
        cases = ""
        for package, text in packages.items():
            (self.folder / f"new-{package}").write_text(text, encoding="utf-8")
            target = self.programs / package
            cases += f"{package}) /bin/cp {self.folder}/new-{package} {target}; /bin/chmod 755 {target} ;;\n"
        self.program(
            "apt-get",
            f'#!/bin/sh\necho "$*" >> {self.folder}/asked\ncase $* in *update) exit 0 ;; esac\n'
            f"while [ $# -gt 0 ] && [ $1 != --no-install-recommends ]; do shift; done; shift\n"
            f"for each; do case $each in\n{cases}"
            '*) echo "E: Unable to locate package $each"; exit 100 ;;\nesac; done\n',
        )

    def dockerd_text(self) -> str:
        return DOCKERD.format(
            python=sys.executable, folder=str(self.folder), socket=str(self.socket), answer=OK
        )

    def podman_text(self) -> str:
        """A podman that serves where it is told to, and writes down how it was called."""
        return PODMAN.format(python=sys.executable, folder=str(self.folder), answer=OK)

    def podman_socket(self) -> Path:
        return self.folder / "run" / "goldlock" / "podman.sock"

    def machine(self, *, root: bool = True, address: str | None = None, start_timeout: float = 20) -> Machine:
        return Machine(
            address=address or f"unix://{self.socket}",
            root=root,
            search_path=f"{self.programs}",
            os_release=self.folder / "os-release",
            run_folder=self.folder / "run",
            systemd=self.folder / "systemd",
            cache=self.folder / "cache",
            state_folder=self.folder / "state",
            podman_helpers=(self.programs,),
            default_sockets=(str(self.socket),),
            ping_timeout=0.5,
            start_timeout=start_timeout,
        )

    def ensure(self, machine: Machine | None = None) -> EngineState:
        return ensure_engine(machine or self.machine(), say=self.said.append)

    def started(self) -> int | None:
        file = self.folder / "dockerd.number"
        return int(file.read_text(encoding="ascii")) if file.exists() else None
