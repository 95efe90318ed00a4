"""The Docker engine: connecting to it, clearing up on it, and opening sessions."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from typing import TYPE_CHECKING, Any

import docker

from goldlock.engines import Launch, ownership
from goldlock.engines.docker import _podman
from goldlock.engines.docker._errors import quietly, translated
from goldlock.engines.docker._guest import GuestSession, found_container
from goldlock.engines.docker._images import Images
from goldlock.engines.docker._running import RunningContainer
from goldlock.engines.docker._session import DockerSession
from goldlock.errors import CouldNotRunError
from goldlock.interruption import deferred, interruptible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class DockerEngine(Images):
    """A Docker engine, or a Podman service that speaks its API, as DOCKER_HOST and the like name it."""

    name = "docker"

    def __init__(self) -> None:
        """Connect; raises `CouldNotRunError` where no engine answers."""
        hint = "set DOCKER_HOST to the unix:// or tcp:// address of an engine, or use `--engine local`"
        with translated("connect to the Docker engine", hint=hint):
            if os.environ.get("DOCKER_HOST", "").startswith("ssh://"):
                raise CouldNotRunError(
                    "goldlock does not speak to an engine over ssh",
                    hint="forward its socket (`ssh -L ./docker.sock:/var/run/docker.sock HOST`) and set"
                    " DOCKER_HOST=unix://$PWD/docker.sock",
                )
            self._client = docker.from_env(timeout=60)
            version = self._client.version()
            self.podman = _podman.version_of(version)
            self.is_here = (
                self._client.api.base_url.startswith("http+docker://")
                and _is_this_machine(version)
                and (self.podman is None or _podman.reaches_networks(self._client.api))
            )
        self.api = self._client.api
        made = f"podman {self.podman}" if self.podman else f"docker {version.get('Version', '?')}"
        self.description = f"{made} (API {version.get('ApiVersion', '?')})"
        self.architecture = str(version.get("Arch") or "")
        """Of the machine it runs on, as Go calls it."""
        self.interpreters: dict[str, tuple[str, ...]] = {}
        """How Python was found to be started, by the image's config id; empty where it has none."""
        self._sweep()

    @property
    def host(self) -> str:
        """Where published ports are reached: a virtual machine's or a rootless engine's are forwarded to here."""
        own = self.api.base_url.startswith("http+docker://")
        return "127.0.0.1" if own else self.api.base_url.partition("//")[2].rpartition(":")[0]

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _sweep(self) -> None:
        """Remove what a killed goldlock (SIGKILL, power) of this machine left behind."""
        with translated("list left-over containers"):
            owned = {"label": ownership.LABEL}
            containers = self.api.containers(all=True, filters=owned)
            dead = [c["Id"] for c in containers if ownership.is_dead(c["Labels"].get(ownership.OWNER, ""))]
            for container in dead:
                quietly(functools.partial(self.api.remove_container, container, force=True, v=True))
            for volume in (
                (self.api.volumes(filters=owned).get("Volumes") or []) if dead or not containers else []
            ):
                if ownership.is_dead((volume.get("Labels") or {}).get(ownership.OWNER, "")):
                    quietly(functools.partial(self.api.remove_volume, volume["Name"]))
            for network in self.api.networks(filters=owned) if dead or not containers else []:
                if ownership.is_dead((network.get("Labels") or {}).get(ownership.OWNER, "")):
                    quietly(functools.partial(self.api.remove_network, network["Id"]))

    def container(self, name: str) -> dict[str, Any] | None:
        """What the Engine API says of a container, None where the engine does not have it."""
        with translated(f"look at container {name}"):
            try:
                found: dict[str, Any] = self.api.inspect_container(name)
            except docker.errors.NotFound:
                return None
        return found

    def image_of(self, container: str) -> str:
        """Reference of the image that somebody's container was made of. Raises `CouldNotRunError`: there is none."""
        reference = str((found_container(self.api, container).get("Config") or {}).get("Image") or "")
        return reference if self.podman is None else _podman.as_given(reference)

    @contextlib.contextmanager
    def session(self, launch: Launch) -> Iterator[RunningContainer]:
        """Start a container for the launch; it, its volumes and its network go when the block ends.

        One that runs already is only asked, and stays as it is.
        """
        # Signals wait while things are made and removed: one that came between two lines of the
        # clean-up would cut it short.
        with deferred(), contextlib.ExitStack() as removal:
            running: RunningContainer
            if launch.container is None:
                running = DockerSession(self, launch, removal)
            else:
                running = GuestSession(self, launch, launch.container)
            with interruptible():
                yield running


def _is_this_machine(version: Mapping[str, Any]) -> bool:
    """Whether an engine behind a socket of ours has networks that can be reached from here.

    One in a virtual machine (Docker Desktop) has another kernel; a rootless one has its own network
    namespace and lists rootlesskit among its components.
    """
    components = {str(component.get("Name")) for component in version.get("Components") or ()}
    return version.get("KernelVersion") == platform.release() and "rootlesskit" not in components
