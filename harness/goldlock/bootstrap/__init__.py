"""A container engine where there is none yet: `python -m goldlock.bootstrap [--podman]`.

On Debian and Ubuntu, as root, it installs what is missing and starts `dockerd`, or with `--podman` a Podman
service; everywhere else it says why it cannot. Whether an engine answers is found out with a bare
`GET /_ping`, so that this works before, and without, the Docker SDK. Nothing is asked of a person, and what
is done is said on stderr.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from goldlock.bootstrap._docker import engine_state, ensure_engine
from goldlock.bootstrap._machine import DEFAULT_ADDRESS, EngineState, Machine, to_stderr
from goldlock.bootstrap._ping import Ping, ping
from goldlock.bootstrap._podman import ensure_podman, podman_address

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "DEFAULT_ADDRESS",
    "EngineState",
    "Machine",
    "Ping",
    "engine_state",
    "ensure_engine",
    "ensure_podman",
    "main",
    "ping",
    "podman_address",
]


def main(arguments: Sequence[str] = ()) -> int:
    """Exit code 0 where an engine answers now, 3 where none does."""
    parser = argparse.ArgumentParser(
        prog="python -m goldlock.bootstrap",
        description="Make a container engine answer: install and start one where there is none.",
    )
    parser.add_argument(
        "--podman",
        action="store_true",
        help="a Podman service of its own instead of Docker; prints the DOCKER_HOST to use",
    )
    machine = Machine.here()
    if parser.parse_args(arguments).podman:
        state = ensure_podman(machine)
        to_stderr(state.reason)
        if state.ready:
            print(f"DOCKER_HOST={podman_address(machine)}")  # noqa: T201 - for `export $(...)` and CI's files
    else:
        state = ensure_engine(machine)
        to_stderr(state.reason)
    return 0 if state.ready else 3
